# SPDX-License-Identifier: BSD-2-Clause
"""SIGHUP: another configuration takes over, a wrong one does not, and frames flow on."""
import os
import re
import signal
import unittest

from bed import NetCase, sh, wait_until


class Reload(NetCase):
    def setUp(self):
        super().setUp()
        self.file = f"{self.state}/hitless.toml"
        self.write(20)

    def write(self, hold_down_ms, more=""):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(f"auto_pair = false\n[[pair]]\nstandby = 'sby'\nprimary = 'mac'\n"
                       f"hold_down_ms = {hold_down_ms}\n{more}")

    def hold_down(self):
        return self.status(0, 2)[0]["hold_down_s"]

    def start(self):
        process = self.controller("--config", self.file)
        wait_until(lambda: self.status(0, 2, 3) and self.status(0, 2)[0]["active"] == "primary", "in use")
        return process

    def test_takes_over_and_keeps_the_last_good_one(self):
        process = self.start()
        flips = self.status()[0]["flips"]
        self.assertEqual(self.hold_down(), 0.02)
        self.write(70)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.hold_down() == 0.07, "the new hold-down is in force")
        self.write(90, "nonsense")
        process.send_signal(signal.SIGHUP)
        self.write(80)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.hold_down() == 0.08, "it goes on after a wrong one")
        self.assertEqual(self.status()[0]["flips"], flips, "no flip")
        self.assertIsNone(process.poll())

    def test_a_model_that_is_not_followed_is_said(self):
        process = self.start()
        self.write(20, "model = 'three'")
        process.send_signal(signal.SIGHUP)
        said = "{}: stays of the model two: `hitless (convert .*)`".format("sby")
        hint = wait_until(lambda: re.search(said, self.said(process)), "it says so").group(1)
        self.assertEqual(self.status()[0]["model"], "two")
        self.expect(0, *hint.split())
        self.assertEqual(self.status(0, 2)[0]["model"], "three", hint)
        self.assertIsNone(process.poll())

    def test_the_rule_of_a_pair_that_stands_is_not_said_to_match_nothing(self):
        """Its NICs are out of sight in some models, and a failover device has their MAC."""
        for model in ("two", "three", "hidden", "one"):
            with self.subTest(model):
                self.write(20, f"model = '{model}'")
                process = self.start()
                self.write(70, f"model = '{model}'")
                process.send_signal(signal.SIGHUP)
                wait_until(lambda: self.hold_down() == 0.07, "the new hold-down is in force")
                self.assertNotIn("matches nothing", self.said(process))
                self.expect(0, "run", "--check", "--config", self.file)
                process.send_signal(signal.SIGTERM)
                process.wait(10)
                self.expect(0, "detach", "sby")

    def test_explain_tells_of_what_was_detached(self):
        self.start()
        self.expect(0, "detach", "sby")
        self.assertRegex(self.hitless("explain").stdout, "sby.*it was detached; `hitless attach` makes the pair again")

    def test_a_better_primary_takes_over(self):
        sh("ip link add best address 02:00:00:00:00:01 type veth peer name best_far && ip link set best down")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("auto_pair = false\n[[pair]]\nstandby = 'sby'\nprimary = ['late', 'pri']\n")
        self.start()
        self.assertEqual(self.status()[0]["primary"]["ifname"], "pri")
        sh("ip link set best name late && ip link set best_far up")
        wait_until(lambda: self.status(0, 2)[0]["primary"]["ifname"] == "late", "the better one is taken")
        wait_until(lambda: self.status(0, 2)[0]["active"] == "primary", "and used")
        sh("ip link del late")
        wait_until(lambda: self.status(0, 2)[0]["primary"]["ifname"] == "pri" and
                   self.status(0, 2)[0]["active"] == "primary", "the second is taken back")

    def test_the_second_standby_is_taken_when_the_first_is_not_there(self):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("auto_pair = false\n[[pair]]\nstandby = ['gone', 'sby']\nprimary = 'pri'\n")
        self.start()
        self.assertEqual(self.status()[0]["name"], "sby")


if __name__ == "__main__":
    unittest.main()
