# SPDX-License-Identifier: BSD-2-Clause
"""Without privilege: exit 77, the name of what is missing, nothing changed, nothing learnt."""
import os
import shutil
import unittest

from bed import HITLESS, NetCase
from machine import machine, unchanged

NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
NEEDED = ("bpf", "net_admin", "perfmon", "sys_admin")


def without(*names):
    return ["setpriv", "--bounding-set=" + ",".join(f"-{name}" for name in names)]


def only(*names):
    caps = ",".join(f"+{name}" for name in names)
    return [*NOBODY, f"--inh-caps={caps}", f"--ambient-caps={caps}"]


class Privilege(NetCase):
    """In a state directory as the product's: root's, mode 0700. The binary is one that all may run."""

    def setUp(self):
        super().setUp()
        self.binary = shutil.copy(HITLESS, f"/tmp/{self.netns}")
        self.addCleanup(os.unlink, self.binary)
        os.chmod(self.binary, 0o755)

    def test_another_user_may_change_nothing(self):
        before = machine()
        for line in (["attach", "sby", "--primary", "mac"], ["run"], ["run", "--once"]):
            with self.subTest(line):
                self.expect(77, *line, prefix=NOBODY, says=["Permission denied", "run as root"])
        unchanged(self, before)

    def test_another_user_is_told_that_he_may_not_look(self):
        """Not "nothing attached": that would be a lie."""
        self.attach()
        before = machine()
        for line in (["status"], ["status", "sby"], ["status", "-j"], ["events"], ["detach", "sby"],
                     ["detach", "--all"], ["switch", "sby", "standby"],
                     ["attach", "sby", "--primary", "mac"]):
            with self.subTest(line):
                self.expect(77, *line, prefix=NOBODY, says=["Permission denied", "run as root"])
        unchanged(self, before)
        self.assertTrue(self.status()[0]["healthy"])

    def test_help_is_for_everybody(self):
        self.expect(0, "attach", "--help", prefix=NOBODY)

    def test_without_net_admin(self):
        self.refuses(without("net_admin"), "CAP_NET_ADMIN")

    def test_without_sys_admin_there_is_no_bpffs(self):
        self.refuses(without("sys_admin"), "mount a bpffs", "CAP_SYS_ADMIN")

    def test_without_bpf(self):
        self.expect(0, "run", "--once")  # mounts the bpffs
        self.refuses(without("bpf", "sys_admin"), "CAP_BPF")

    def test_without_perfmon(self):
        self.expect(0, "run", "--once")
        self.refuses(without("perfmon", "sys_admin"), "CAP_PERFMON")

    def refuses(self, prefix, *says):
        before = machine()
        self.expect(77, "attach", "sby", "--primary", "mac", prefix=prefix, says=says)
        unchanged(self, before)
        self.assertEqual(self.pins(), [])

    def test_the_capabilities_named_in_the_header_are_enough(self):
        os.chown(self.state, 65534, 65534)
        for line in (["attach", "sby", "--primary", "mac"], ["status"], ["switch", "sby", "standby"],
                     ["status"], ["run", "--once"], ["detach", "sby"]):
            self.expect(0, *line, prefix=only(*NEEDED))

    def test_once_mounted_sys_admin_is_not_needed(self):
        self.expect(0, "run", "--once")
        self.attach()
        self.expect(0, "status", prefix=without("sys_admin"))
        self.expect(0, "switch", "sby", "standby", prefix=without("sys_admin"))


if __name__ == "__main__":
    unittest.main()
