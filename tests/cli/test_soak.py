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
    def soak(self, hitless, trace):
        done = subprocess.run([SOAK, "--seed", "1", "-j", "--trace", ",".join(trace)], capture_output=True, text=True,
                              env={**os.environ, "HITLESS": hitless}, timeout=280, check=False)
        return done, json.loads(done.stdout.splitlines()[-1])

    def test_what_harms_nobody_passes(self):
        done, result = self.soak(HITLESS, ["address", "switch_standby", "carrier"])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual((result["ok"], result["events"]), (True, 3))

    def test_a_status_that_lies_is_found_and_the_trace_is_the_shortest(self):
        with tempfile.TemporaryDirectory() as folder:
            liar = os.path.join(folder, "hitless")
            with open(liar, "w", encoding="utf-8") as file:
                file.write(LIAR.format(hitless=HITLESS))
            os.chmod(liar, stat.S_IRWXU)
            done, result = self.soak(liar, ["address", "own_address"])
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(result["trace"], ["own_address"], done.stdout)
        self.assertIn("again: scripts/soak --seed 1 --trace own_address", done.stdout)


if __name__ == "__main__":
    unittest.main()
