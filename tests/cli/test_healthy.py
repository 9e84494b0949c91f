# SPDX-License-Identifier: BSD-2-Clause
"""What `status` and its kin say when something is wrong, and that their text is only text."""
import json
import shlex
import unittest

from bed import MAC, NetCase, sh, wait_until


class Text(NetCase):
    def test_a_problem_has_a_line_of_its_own(self):
        self.attach()
        sh("ip link set sby_far down")
        lines = self.expect(2, "status").stdout.split("\n")
        self.assertEqual(lines[-1], "", "the last line ends")
        self.assertTrue(lines[-2].startswith("sby: problem: no fallback"), lines)
        sh("ip link set sby_far up")
        self.assertTrue(self.expect(0, "status").stdout.endswith("\n"))

    def test_what_was_not_observed_is_said(self):
        """A standby that nobody asks while the primary is used may be a hole with a carrier."""
        self.attach()
        says = "by sby nobody is asked meanwhile, its carrier is all that is known"
        self.assertIn(says, self.expect(0, "status", "sby").stdout)
        self.expect(0, "switch", "sby", "standby")
        self.assertNotIn(says, self.expect(0, "status", "sby").stdout)

    def test_a_name_steers_no_terminal(self):
        name, shown = "s\x1b[2Jby", "s?[2Jby"
        sh(f"ip link set sby down && ip link set sby name '{name}' && ip link set '{name}' up")
        controller = self.controller("--config", "/dev/null")
        self.expect(0, "attach", name, "--primary", "pri")
        wait_until(lambda: self.status()[0]["active"] == "primary", "it is used")
        self.assertEqual(self.status()[0]["name"], name, "JSON has its own escapes")
        for command in (["status"], ["status", name], ["explain"], ["events"], ["doctor"]):
            done = self.hitless(*command)
            self.assertNotIn("\x1b", done.stdout + done.stderr, command)
        self.assertIn(shown, self.hitless("explain").stdout)
        done = self.hitless("attach", name)
        self.assertEqual(done.returncode, 1)
        self.assertIn(shown, done.stderr)
        self.assertNotIn("\x1b", done.stderr)
        self.assertEqual(self.end(controller), 0)
        self.assertIn(shown, self.said(controller), "it has said something of the pair")
        self.assertNotIn("\x1b", self.said(controller))

    def test_bytes_of_names_stay_what_they_are(self):
        name = "sby\u00e9\u20ac"
        sh(f"ip link set sby down && ip link set sby name '{name}' && ip link set '{name}' up")
        self.expect(0, "attach", name, "--primary", "pri")
        self.assertIn(name, self.expect(0, "explain").stdout)


class Pasted(NetCase):
    """What `status` advises is pasted into a shell, whatever the NIC is called."""
    NAME = "a;b'$x"

    def test_remedies_hold_for_names_that_mean_something_to_a_shell(self):
        quoted = shlex.quote(self.NAME)
        sh(f"ip link set pri down && ip link set pri name {quoted} && ip link set {quoted} up")
        self.expect(0, "attach", "sby", "--primary", self.NAME)
        for harm, word in (("ip addr add 192.0.2.9/24", "addresses of its own"), ("ip link set mtu 1400", "1400")):
            sh(f"{harm} dev {quoted}")
            problem = next(p for p in self.status(2)[0]["problems"] if word in p)
            sh(problem.rsplit("; ", 1)[1])
            self.status(0)


class OwnTraffic(NetCase):
    ADDRESS = "ip addr add 192.0.2.2/24 dev pri"

    def test_refused_at_attach(self):
        sh(self.ADDRESS)
        self.expect(1, "attach", "sby", "--primary", "mac",
                    says=["pri has addresses of its own (192.0.2.2/24)", "ip addr flush dev pri"])
        self.expect(3, "status")

    def test_a_controller_waits_until_they_are_gone(self):
        sh("ip link set pri address 02:00:00:00:00:02")
        self.attach()
        controller = self.controller("--config", "/dev/null")
        sh(self.ADDRESS)
        sh(f"ip link set pri down && ip link set pri address {MAC} && ip link set pri up")
        problem = wait_until(lambda: self.status(2)[0]["problems"], "it is named")[0]
        self.assertIn("not taken as the primary: pri has addresses of its own (192.0.2.2/24)", problem)
        sh("ip addr flush dev pri")
        wait_until(lambda: self.status(0, 2)[0]["active"] == "primary", "it is taken")
        wait_until(lambda: not self.status(0, 2)[0]["problems"], "all is well")
        self.assertEqual(self.end(controller), 0)

    def test_a_rule_waits_likewise(self):
        sh(self.ADDRESS)
        with open(f"{self.state}/rule.toml", "w", encoding="utf-8") as file:
            file.write("[[pair]]\nstandby = 'sby'\nprimary = 'pri'\n")
        self.controller("--config", f"{self.state}/rule.toml")
        self.expect(3, "status")
        sh("ip addr flush dev pri")
        wait_until(lambda: self.hitless("status").returncode == 0, "the pair is made")

    def test_doctor_has_the_mend(self):
        self.attach()
        sh(self.ADDRESS)
        findings = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
        self.assertIn("ip addr flush dev pri", [f["remedy"] for f in findings])


class Rules(NetCase):
    """Policy rules go by a device's name."""

    def test_one_that_names_a_hidden_nic_is_named(self):
        sh("ip rule add iif sby table 100 pref 500")
        self.attach("--model", "hidden")
        self.expect(2, "status", says="policy rules name sby, which is in a namespace of the pair's own: they apply to "
                                      "nothing; make them for fo-sby")
        sh("ip rule add iif fo-sby table 100 pref 501 && ip rule del pref 500")
        self.expect(0, "status")

    def test_a_note_names_the_device_that_a_client_is_for(self):
        sh("ip addr add 192.0.2.9/24 dev sby valid_lft 3000 preferred_lft 3000")
        done = self.expect(0, "attach", "sby", "--primary", "mac", "--model", "three")
        self.assertIn("as `dhclient fo-sby` does", done.stderr)


if __name__ == "__main__":
    unittest.main()
