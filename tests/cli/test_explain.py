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

    def test_the_guests_own_device_is_down(self):
        """Whatever the NICs are, no frame gets as far as the pair."""
        for model, master in (("two", "sby"), ("three", "fo-sby"), ("hidden", "fo-sby"), ("one", "sby")):
            with self.subTest(model):
                self.attach("--model", model)
                sh(f"ip link set {master} down")
                (problem,) = self.status(2)[0]["problems"]
                self.assertEqual(problem, f"{master} is down: the guest sends and receives nothing by it; "
                                          f"ip link set {master} up")
                text = self.explain("sby" if model == "two" else master)
                self.assertIn(f"No frame leaves: {master} is down.", text)
                self.assertIn("When it is up again, frames leave by the primary", text)
                sh(f"ip link set {master} up")
                self.assertEqual(self.status()[0]["problems"], [])
                self.assertNotIn("No frame leaves", self.explain())
                self.expect(0, "detach", "--all")

    def test_the_standby_was_chosen_and_is_dead(self):
        """The primary works, but is not used: that is no lack of a fallback, frames get lost."""
        for model in ("two", "three"):
            with self.subTest(model):
                self.attach("--model", model)
                self.expect(0, "switch", "sby", "standby")
                sh("ip link set sby_far down")
                (problem,) = self.status(2)[0]["problems"]
                self.assertIn("no path: the standby sby has no carrier, and the primary pri is not used (operator): "
                              "frames get lost", problem)
                self.assertTrue(problem.endswith("; hitless switch sby auto"), problem)
                self.assertIn("Frames leave by neither NIC and get lost", self.explain())
                self.expect(0, "switch", "sby", "auto")
                self.assertIn("no fallback", self.status(2)[0]["problems"][0])
                sh("ip link set sby_far up")
                self.expect(0, "detach", "--all")

    def test_no_primary_yet(self):
        sh("ip link set pri address 02:00:00:00:00:02")
        self.attach()
        text = self.explain()
        self.assertIn("sby: paired with no NIC: nothing here matches 'mac'.", text)
        self.assertIn("a controller (`hitless run`; none runs now) takes one that matches 'mac'", text)

    def test_a_primary_that_came_back_and_no_controller(self):
        for model in ("two", "three", "hidden", "one"):
            with self.subTest(model):
                self.attach("--model", model)
                sh("ip link del pri_far")
                sh("ip link add pri address 02:00:00:00:00:01 type veth peer name pri_far && ip link set pri_far up")
                for up in ("down", "up"):
                    sh(f"ip link set pri {up}")
                    text = self.explain("sby")
                    self.assertIn("sby: paired with no NIC: pri matches 'mac', and a controller (`hitless run`; none "
                                  "runs now) adopts pri.", text)
                    self.assertNotIn("nothing here matches", text)
                    self.assertNotIn("carrier again", text)
                    (problem,) = self.status(2)[0]["problems"]
                    self.assertEqual(problem, "pri is there and fits as the primary, but no controller runs that "
                                              "would adopt it; hitless run")
                process = self.controller("--config", "/dev/null")
                wait_until(lambda: self.status(0, 2)[0]["primary"]["ifname"] == "pri", "it is adopted")
                self.assertIn("sby: paired with pri", self.explain())
                self.end(process)
                self.expect(0, "detach", "sby")


if __name__ == "__main__":
    unittest.main()
