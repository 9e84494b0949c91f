# SPDX-License-Identifier: BSD-2-Clause
"""`hitless run --once`: nobody lives on to lift a doubt, so it does what can be done before it ends."""
import signal
import subprocess
import unittest

from bed import HITLESS, NetCase, sh, wait_until

RULE = "auto_pair = false\n[[pair]]\nstandby = 'sby'\nprimary = 'mac'\n"


class Once(NetCase):
    def once(self, text, **options):
        file = f"{self.state}/hitless.toml"
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        self.expect(0, "run", "--once", "--config", file, **options)

    def test_a_new_pair_uses_its_primary(self):
        self.once(RULE)
        self.assertEqual((self.status()[0]["active"], self.status()[0]["veto"]), ("primary", []))

    def test_a_pair_that_was_lost_is_given_back(self):
        """Adopted while its primary stands against a hold-down."""
        self.attach("--hold-down", "300")
        controller = self.controller("--config", "/dev/null")
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        controller.kill()
        controller.wait()
        sh("ip link set pri up")
        self.assertEqual(self.status(2)[0]["active"], "standby", "nobody gives it back")
        self.once(RULE.replace("'mac'", "'mac'\nhold_down_ms = 300"))
        self.assertEqual((self.status()[0]["active"], self.status()[0]["veto"]), ("primary", []))

    def test_what_time_does_not_mend_is_not_waited_for(self):
        sh("ip link set pri_far down")
        self.once(RULE + "proof_timeout_ms = 60000\nhold_down_ms = 3600000\n", prefix=("timeout", "50"))
        self.assertEqual(self.status(2)[0]["active"], "standby")

    def test_a_signal_ends_it(self):
        file = f"{self.state}/hitless.toml"
        with open(file, "w", encoding="utf-8") as out:
            out.write(RULE + "up_delay_ms = 3600000\n")
        process = subprocess.Popen([HITLESS, "run", "--once", "--config", file], env=self.env)
        self.addCleanup(process.kill)
        wait_until(self.pins, "the pair is there")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
