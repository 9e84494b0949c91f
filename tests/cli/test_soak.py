# SPDX-License-Identifier: BSD-2-Clause
"""scripts/soak finds what it is there to find: here a `status` that says 0 whatever happens."""
import json
import os
import stat
import subprocess
import tempfile
import unittest

from bed import HERE, HITLESS, needs_root

SOAK = os.path.join(HERE, "../../scripts/soak")
# A controller takes its place, so that whoever ends the one ends the other.
LIAR = """#!/bin/sh
[ "$1" = run ] && exec "{hitless}" "$@"
"{hitless}" "$@"
code=$?
[ "$1" = status ] && exit 0
exit $code
"""


@needs_root
class Soak(unittest.TestCase):
    def soak(self, hitless, trace, *more):
        done = subprocess.run([SOAK, "--seed", "1", "-j", "--trace", ",".join(trace), *more], capture_output=True, text=True,
                              env={**os.environ, "HITLESS": hitless}, timeout=280, check=False)
        return done, json.loads(done.stdout.splitlines()[-1])

    def test_what_harms_nobody_passes(self):
        done, result = self.soak(HITLESS, ["address", "switch_standby", "carrier"])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual((result["ok"], result["events"]), (True, 3))

    def lies(self, trace, *more):
        with tempfile.TemporaryDirectory() as folder:
            liar = os.path.join(folder, "hitless")
            with open(liar, "w", encoding="utf-8") as file:
                file.write(LIAR.format(hitless=HITLESS))
            os.chmod(liar, stat.S_IRWXU)
            # It never says anything else.
            done, result = self.soak(liar, trace, "--patience", "5", *more)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stdout, result

    def test_a_status_that_lies_is_found_and_the_trace_is_the_shortest(self):
        said, result = self.lies(["address", "own_address"])
        self.assertEqual(result["trace"], ["own_address"], said)
        self.assertIn("again: scripts/soak --seed 1 --overlap 1 --trace own_address", said)

    def test_what_is_to_be_named_is_missed_though_pings_pass(self):
        """After a route by the primary they do, and where the standby takes over they do in the end."""
        for name in ("route", "xdp_drop"):
            with self.subTest(name):
                _, result = self.lies([name])
                self.assertEqual(result["why"], f"after {name} status says 0, and docs/ says that it is named")

    def test_two_at_once(self):
        """Of harmless ones status is 0 all the time; one that harms is found beside them, and undone after the next."""
        done, result = self.soak(HITLESS, ["address", "netns_deleted", "carrier", "queue", "replugged"], "--overlap", "2")
        self.assertEqual((done.returncode, result["ok"], result["events"]), (0, True, 5), done.stdout)
        said, result = self.lies(["no_controller", "hole"], "--overlap", "2")
        self.assertEqual(result["why"], "after hole beside no_controller no ping passes, and status says 0", said)
        self.assertEqual(result["trace"], ["no_controller", "hole"], "neither does it alone")


if __name__ == "__main__":
    unittest.main()
