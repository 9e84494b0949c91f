# SPDX-License-Identifier: BSD-2-Clause
"""`hitless explain`: why a path is in use, since when, by whom, and what would change it."""
import unittest

from bed import NetCase, sh, wait_until


class Explain(NetCase):
    def explain(self, *args):
        return self.expect(0, "explain", *args).stdout

    def test_nothing(self):
        self.assertIn("No pair, and no paravirtual NIC to pair.", self.explain())

    def test_no_such_nic(self):
        self.expect(1, "explain", "nobody", says="there is no such interface")

    def test_the_primary_is_used(self):
        self.attach()
        text = self.explain()
        self.assertIn("sby: paired with pri, which was chosen by 'mac'.", text)
        self.assertIn("Frames leave by the primary pri: nobody objects and it is alive.", text)
        self.assertIn("`hitless switch sby standby`", text)

    def test_an_operator_chose(self):
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        text = self.explain("sby")
        self.assertIn("Frames leave by the standby sby, because:", text)
        self.assertRegex(text, r"an operator chose the standby \(operator\), set \d\.\d s ago by the operator; "
                               r"`hitless switch sby auto` withdraws it\.")

    def test_a_primary_that_is_down(self):
        self.attach()
        self.controller("--config", "/dev/null")
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "the controller has seen it")
        text = self.explain("sby")
        self.assertRegex(text, r"the kernel reports the primary down \(link-down\), set .* by the controller")
        self.assertIn("`ip link set pri up`, then the controller takes it back", text)

    def test_no_primary_yet(self):
        sh("ip link set pri address 02:00:00:00:00:02")
        self.attach()
        text = self.explain()
        self.assertIn("sby: paired with no NIC: nothing here matches 'mac'.", text)
        self.assertIn("a controller (`hitless run`; none runs now) takes one that matches 'mac'", text)


if __name__ == "__main__":
    unittest.main()
