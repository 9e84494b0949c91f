# SPDX-License-Identifier: BSD-2-Clause
"""Pins that this version did not make: another ABI, another magic, incomplete. They stay in force,
are named, never guessed at, and detach removes them."""
import ctypes
import mmap
import os
import re
import struct
import unittest

from bed import NetCase, libc
from machine import SYS_BPF, machine, unchanged

BPF_OBJ_GET = 7
HEADER = os.path.join(os.path.dirname(__file__), "../../maps/hitless_abi.h")
with open(HEADER, encoding="utf-8") as header:
    OURS = int(re.search(r"#define HL_ABI_VERSION (\d+)", header.read())[1])
MAGIC, VERSION = 64, 68  # offsets of hl_pair.magic and .abi_version; the first is asserted by the ABI


def obj_get(path):
    name = ctypes.create_string_buffer(path.encode())
    attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), 0, 0))
    fd = libc.syscall(SYS_BPF, BPF_OBJ_GET, attr, 16)
    if fd < 0:
        raise OSError(ctypes.get_errno(), path)
    return fd


class Versions(NetCase):
    def setUp(self):
        super().setUp()
        self.before = machine()
        self.attach()
        self.dir = f"{self.state}/bpf/{self.pins()[0]}"
        fd = obj_get(f"{self.dir}/pair")
        self.pair = mmap.mmap(fd, 4096)
        os.close(fd)
        self.addCleanup(self.pair.close)
        self.assertEqual(self.u32(MAGIC), 0x73736C68)
        self.assertEqual(self.u32(VERSION), OURS)

    def u32(self, at):
        return struct.unpack_from("=I", self.pair, at)[0]

    READERS = (["status"], ["status", "sby"], ["status", "-j"], ["switch", "sby", "standby"], ["events"])
    ATTACH = ["attach", "sby", "--primary", "pri"]

    def everything_says(self, *says, lines=(*READERS, ATTACH)):
        for line in lines:
            with self.subTest(line):
                self.expect(1, *line, says=[*says, "hitless detach"])

    def upgrade_refuses(self, *says):
        for line in (["upgrade"], ["upgrade", "--check"]):
            with self.subTest(line):
                self.expect(1, *line, says=says)

    def removed_by_detach(self):
        self.assertEqual(len(self.pins()), 1, "it stayed in force")
        done = self.expect(0, "detach", "sby")
        self.assertIn("settings", done.stderr, "what could not be given back is said")
        self.assertEqual(self.pins(), [])
        # The primary's own settings were not readable.
        unchanged(self, self.before,
                  but=("links", "/proc/sys/net/ipv6/conf/pri/addr_gen_mode",
                       "/proc/sys/net/ipv4/conf/pri/arp_ignore"))
        self.attach()

    def test_former(self):
        """The version before had all of its fields where they are now."""
        struct.pack_into("=I", self.pair, VERSION, OURS - 1)
        for line in (*self.READERS, self.ATTACH):
            with self.subTest(line):
                self.expect(1, *line, says=[f"(ABI {OURS - 1}, this is {OURS})", "`hitless upgrade`"])
        self.assertIn("-> hitless upgrade", self.hitless("doctor").stdout)
        self.assertNotIn("detach --all", self.hitless("doctor").stdout)
        done = self.expect(0, "upgrade", "--check")
        self.assertEqual(done.stdout, f"sby: can be taken over from ABI {OURS - 1}\n")
        self.expect(1, "status")
        self.assertEqual(self.expect(0, "upgrade").stdout, f"sby: taken over from ABI {OURS - 1}\n")
        self.assertTrue(self.status()[0]["healthy"])
        self.assertIn(f"taken over from ABI {OURS - 1}", self.hitless("doctor").stdout)
        self.assertEqual(self.expect(0, "upgrade").stdout,
                         "no pair here was made by an older version\n", "there is nothing left to do")
        self.expect(0, "detach", "sby")
        unchanged(self, self.before)

    def test_former_with_a_part_missing(self):
        """Any one of its pins; and it is as it was when that is back."""
        struct.pack_into("=I", self.pair, VERSION, OURS - 1)
        parts = sorted(os.listdir(self.dir))
        self.assertLess({"pair", "twins", "counters", "link_egress"}, set(parts))
        for part in parts:
            os.rename(f"{self.dir}/{part}", f"{self.state}/bpf/kept")
            with self.subTest(part=part):
                self.upgrade_refuses("the pair is incomplete", "`hitless detach")
                self.assertEqual(sorted(os.listdir(self.dir)), [p for p in parts if p != part])
                self.assertEqual(self.u32(VERSION), OURS - 1)
            os.rename(f"{self.state}/bpf/kept", f"{self.dir}/{part}")
        self.assertEqual(self.expect(0, "upgrade").stdout, f"sby: taken over from ABI {OURS - 1}\n")
        self.assertTrue(self.status()[0]["healthy"])

    def test_neither_ours_nor_the_one_before(self):
        struct.pack_into("=I", self.pair, VERSION, OURS - 2)
        self.upgrade_refuses(f"(ABI {OURS - 2}, this is {OURS})", "it stays in force", "hitless detach")
        self.removed_by_detach()

    def test_newer(self):
        struct.pack_into("=I", self.pair, VERSION, OURS + 1)
        self.everything_says(f"made by another version of hitless (ABI {OURS + 1}, this is {OURS})")
        self.upgrade_refuses(f"(ABI {OURS + 1}, this is {OURS})", "it stays in force", "hitless detach")
        self.removed_by_detach()

    def test_strange(self):
        struct.pack_into("=I", self.pair, MAGIC, 0x12345678)
        self.everything_says("another version")
        self.upgrade_refuses("another version", "it stays in force", "hitless detach")
        self.removed_by_detach()

    def test_detach_all(self):
        struct.pack_into("=I", self.pair, VERSION, OURS + 6)
        self.expect(0, "detach", "--all")
        self.assertEqual(self.pins(), [])

    def test_a_controller_says_so_and_leaves_it_alone(self):
        struct.pack_into("=I", self.pair, VERSION, OURS + 1)
        done = self.hitless("run", "--once")
        self.assertIn(f"ABI {OURS + 1}, this is {OURS}", done.stdout + done.stderr)
        self.assertEqual(len(self.pins()), 1)

    def test_incomplete(self):
        os.unlink(f"{self.dir}/bell")
        self.everything_says("the pair is incomplete", lines=self.READERS)
        done = self.expect(0, "detach", "sby")
        self.assertEqual(done.stderr, "", "its state was there, and with it all that must be given back")
        unchanged(self, self.before)

    def test_without_its_state(self):
        os.unlink(f"{self.dir}/pair")
        self.everything_says("the pair is incomplete", lines=self.READERS)
        self.removed_by_detach()

    def test_attach_mends_what_is_incomplete(self):
        os.unlink(f"{self.dir}/bell")
        self.attach()
        self.assertTrue(self.status()[0]["healthy"])

    def test_remains_of_a_crash(self):
        os.rename(self.dir, f"{self.state}/bpf/stage")
        self.expect(3, "status")
        self.attach()
        self.assertTrue(self.status()[0]["healthy"])
        self.expect(0, "detach", "sby")
        unchanged(self, self.before)


if __name__ == "__main__":
    unittest.main()
