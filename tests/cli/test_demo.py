# SPDX-License-Identifier: BSD-2-Clause
"""`hitless demo`, small: both stories end, lose nothing where they promise that, and the control loses."""
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

from bed import HITLESS, needs_root

SMALL = ("--flips", "20", "--rate", "2000", "-j")


@needs_root
class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.svg = os.path.join(folder.name, "timeline.svg")

    def told(self, *more):
        done = subprocess.run((HITLESS, "demo", *SMALL, "--svg", self.svg, *more), capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        story = json.loads(done.stdout)
        self.assertTrue(story["ok"])
        self.assertEqual(ET.parse(self.svg).getroot().tag, "{http://www.w3.org/2000/svg}svg")
        return {row["event"]: row["up"]["lost"] + row["down"]["lost"] for row in story["events"]}

    def test_of_a_guest(self):
        lost = self.told()
        for event in ("hot-add", "planned switch"):
            self.assertIn(event, lost)
            self.assertEqual(lost[event], 0, event)

    def test_of_a_host(self):
        lost = self.told("--host")
        self.assertGreater(lost.pop("the wrong order"), 0)
        self.assertIn("take, guest killed", lost)
        self.assertIn("daemon killed, often", lost)
        self.assertEqual({event: count for event, count in lost.items() if count}, {})


if __name__ == "__main__":
    unittest.main()
