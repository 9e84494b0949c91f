# SPDX-License-Identifier: BSD-2-Clause
"""Flips in the journal: a socket that stands in for journald's hears the fields."""
import os
import socket
import subprocess
import tempfile
import unittest

from bed import HITLESS, NetCase, sh, wait_until

SOCKET = "/run/systemd/journal/socket"


class Journal(NetCase):
    def setUp(self):
        super().setUp()
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        sh(f"mount -t tmpfs none {os.path.dirname(SOCKET)}")  # in mounts of our own (bed.py)
        self.addCleanup(sh, f"umount {os.path.dirname(SOCKET)}")
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.journal.close)
        self.journal.bind(SOCKET)
        self.journal.settimeout(30)

    def test_a_flip_has_fields(self):
        self.attach()
        out = tempfile.TemporaryFile("w+")
        self.addCleanup(out.close)
        is_ = os.fstat(out.fileno())
        process = subprocess.Popen([HITLESS, "run"], stdout=out, stderr=out,
                                   env={**self.env, "JOURNAL_STREAM": f"{is_.st_dev}:{is_.st_ino}"})
        self.addCleanup(self.end, process)

        def said():
            with open(f"/proc/self/fd/{out.fileno()}", encoding="utf-8") as file:  # at a place of its own
                return file.read()
        wait_until(lambda: "sby: managed" in said(), "what was before is history, and not told")
        self.expect(0, "switch", "sby", "standby")
        entry = self.journal.recv(65536).decode().splitlines()
        for field in ("HITLESS_PAIR=sby", "HITLESS_FROM=primary", "HITLESS_TO=standby", "HITLESS_ACTOR=operator",
                      "HITLESS_REASON=operator", "PRIORITY=5", "SYSLOG_IDENTIFIER=hitless"):
            self.assertIn(field, entry)
        fields = dict(line.split("=", 1) for line in entry)
        self.assertIn("sby primary -> standby operator by operator", fields["MESSAGE"])
        self.assertRegex(fields["MESSAGE_ID"], "^[0-9a-f]{32}$")
        self.assertGreater(int(fields["HITLESS_LASTED_USEC"]), 0)
        self.assertNotIn("primary -> standby", said(), "said once")


if __name__ == "__main__":
    unittest.main()
