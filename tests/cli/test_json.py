# SPDX-License-Identifier: BSD-2-Clause
"""The shape of `-j`: a contract. Keys may be added at the end of a version's life, never renamed."""
import json
import re
import unittest

from bed import MAC, NetCase, sh

NIC = {"ifname": str, "ifindex": int, "mac": str, "bus": str, "present": bool, "up": bool,
       "carrier": bool, "mtu": int}
PAIR = {"name": str, "model": str, "datapath": str, "active": str, "healthy": bool, "veto": [str],
        "problems": [str], "liveness": str, "selector": str, "flips": int,
        "primary": NIC, "standby": NIC,
        "counters": {name: int for name in (
            "tx_primary", "tx_standby", "rx_primary", "rx_standby", "drop_twin", "drop_echo",
            "twin_table_full", "drop_no_device")},
        "failover": str,
        "hold_down_s": float, "up_delay_s": float, "probe_interval_s": float, "probe_rest_s": float,
        "proof_timeout_s": float, "reselect": str, "announce": str, "proved": bool, "carrier": str,
        "host": (dict, type(None))}
STATUS = {"version": int, "pairs": [PAIR]}
FLIP = {"time_s": float, "pair": str, "from": str, "to": str, "reason": [str], "actor": str,
        "lost_frames": (int, type(None)), "duration_s": (float, type(None))}
DOCTOR = {"version": int, "findings": [{"what": str, "grade": str, "detail": str, "remedy": str}]}


class Shapes(NetCase):
    def fits(self, value, shape, where="$"):
        if isinstance(shape, dict):
            self.assertEqual(list(value), list(shape), where)
            for key in value:
                self.assertRegex(key, r"^[a-z][a-z0-9_]*$")
                self.fits(value[key], shape[key], f"{where}.{key}")
        elif isinstance(shape, list):
            self.assertIsInstance(value, list, where)
            for item in value:
                self.fits(item, shape[0], f"{where}[]")
        else:
            self.assertIsInstance(value, shape, where)
            self.assertEqual(isinstance(value, bool), shape is bool, where)

    def one(self, code, *line):
        done = self.expect(code, *line)
        self.assertEqual(done.stdout.count("\n"), 1, "one line")
        return json.loads(done.stdout)

    def test_status(self):
        empty = self.one(3, "status", "-j")
        self.assertEqual(empty, {"version": 1, "pairs": []})
        self.attach("--hold-down", "250")
        status = self.one(0, "status", "-j")
        self.fits(status, STATUS)
        self.assertEqual(status, self.one(0, "status", "sby", "--json"))
        pair = status["pairs"][0]
        self.assertEqual((pair["name"], pair["model"], pair["datapath"], pair["active"], pair["healthy"],
                          pair["selector"], pair["hold_down_s"], pair["veto"], pair["primary"]["mac"]),
                         ("sby", "two", "tc", "primary", True, "mac", 0.25, [], MAC))

    def test_status_without_a_primary(self):
        sh("ip link del pri")
        self.expect(0, "attach", "sby", "--primary", "mac")
        status = self.one(2, "status", "-j")
        self.fits(status, STATUS)
        self.assertEqual(status["pairs"][0]["veto"], ["absent"])
        self.assertFalse(status["pairs"][0]["primary"]["present"])

    def test_events(self):
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        self.assertEqual(self.status()[0]["active"], "standby")
        self.expect(0, "switch", "sby", "auto")
        self.assertEqual(self.status()[0]["active"], "primary")
        flips = [json.loads(line) for line in self.expect(0, "events", "-j").stdout.splitlines()]
        for flip in flips:
            self.fits(flip, FLIP)
        self.assertEqual([(f["from"], f["to"], f["reason"], f["actor"]) for f in flips],
                         [("standby", "primary", ["unproven"], "operator"),
                          ("primary", "standby", ["operator"], "operator"),
                          ("standby", "primary", ["operator"], "operator")])
        self.assertIsNone(flips[0]["duration_s"])
        self.assertLess(0, flips[1]["duration_s"])
        text = self.expect(0, "events").stdout.splitlines()
        self.assertRegex(text[0], r" sby standby -> primary proved by operator$")
        self.assertRegex(text[2], r" sby standby -> primary no longer operator by operator after ")
        self.assertRegex(text[1], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z sby primary -> standby "
                                  r"operator by operator after \d+\.\d{3} s$")

    def test_doctor(self):
        done = self.hitless("doctor", "-j")
        found = json.loads(done.stdout)
        self.fits(found, DOCTOR)
        self.assertTrue(found["findings"])

    def test_text_has_the_same_facts(self):
        self.attach()
        text = self.expect(0, "status", "sby").stdout
        for fact in ("sby: primary active, healthy", "veto     none", "model two, datapath tc, liveness"):
            self.assertIn(fact, text)
        self.assertNotIn("\x1b", text, "no colour where there is no terminal")

    def test_table(self):
        self.attach()
        heading, line = self.expect(0, "status").stdout.splitlines()
        self.assertEqual(heading.split(),
                         ["PAIR", "ACTIVE", "HEALTH", "PRIMARY", "STANDBY", "MODEL", "FLIPS", "VETO"])
        self.assertEqual(line.split(), ["sby", "primary", "healthy", "pri", "sby", "two", "1", "none"])
        sh("ip link set pri down")
        text = self.expect(2, "status").stdout
        self.assertIn("pri (down)", text)
        self.assertIn("sby: problem: the primary pri is down", text)

    def test_a_name_that_is_no_utf8_does_not_break_the_json(self):
        sh(r"ip link set pri down && ip link set pri name $(printf 'p\377') && ip link set $(printf 'p\377') up")
        self.expect(0, "attach", "sby", "--primary", "mac")
        name = self.one(0, "status", "-j")["pairs"][0]["primary"]["ifname"]
        self.assertTrue(re.match("p.", name))


class Switch(NetCase):
    def test_waits_until_the_path_is_in_use(self):
        self.attach()
        for path in ("standby", "primary", "standby", "auto"):
            self.expect(0, "switch", "sby", path, "--wait")
            self.assertEqual(self.status()[0]["active"], "primary" if path == "auto" else path)

    def test_says_why_it_waited_in_vain(self):
        self.attach()
        sh("ip link set pri down")
        self.expect(0, "run", "--once")
        self.expect(1, "switch", "sby", "primary", "--wait", "--timeout", "0.1",
                    says=["still on the standby after 0.1 s", "vetoes: link-down", "`hitless status sby`"])
        self.status(2)


if __name__ == "__main__":
    unittest.main()
