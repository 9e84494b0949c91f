# SPDX-License-Identifier: BSD-2-Clause
"""Pins that this version did not make: another ABI, another magic, incomplete. They stay in force,
are named with the way out that concerns them alone, never guessed at, and detach removes them."""
import ctypes
import json
import mmap
import os
import re
import signal
import struct
import unittest

from bed import NetCase, libc, sh, wait_until
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
        self.pair = self.record(self.dir)
        self.assertEqual(self.u32(MAGIC), 0x73736C68)
        self.assertEqual(self.u32(VERSION), OURS)

    def record(self, folder):
        fd = obj_get(f"{folder}/pair")
        record = mmap.mmap(fd, 4096)
        os.close(fd)
        self.addCleanup(record.close)
        return record

    def u32(self, at):
        return struct.unpack_from("=I", self.pair, at)[0]

    def findings(self, grade="degraded"):
        """Of pairs, and of nothing else of doctor's: what is said, and what mends it."""
        found = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
        return [(f["what"], f["detail"], f["remedy"]) for f in found
                if f["what"].startswith("pair") and f["grade"] == grade]

    def another_pair(self):
        """Beside it, and well."""
        sh("ip link add oth type veth peer name oth_far && ip link add alt type veth peer name alt_far && "
           "ip link set oth address 02:00:00:00:00:07 && ip link set alt address 02:00:00:00:00:07 && "
           "for i in oth oth_far alt alt_far; do ip link set $i up; done")
        before = self.pins()
        self.expect(0, "attach", "oth", "--primary", "alt")
        (name,) = set(self.pins()) - set(before)
        return f"{self.state}/bpf/{name}"

    READERS = (["status"], ["status", "sby"], ["status", "-j"], ["switch", "sby", "standby"], ["events"])
    ATTACH = ["attach", "sby", "--primary", "pri"]

    def everything_says(self, *says, lines=(*READERS, ATTACH)):
        for line in lines:
            with self.subTest(line):
                self.expect(1, *line, says=says)

    def doctor_says(self, *says, remedy):
        """Of this pair alone, and once: another one is well, and no way out costs it anything."""
        self.another_pair()
        (found,) = self.findings()
        for text in says:
            self.assertIn(text, found[1])
        self.assertEqual(found[2], remedy)
        self.assertNotIn("--all", self.hitless("doctor").stdout)
        self.expect(0, "detach", "oth")
        sh("ip link del oth && ip link del alt")

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
        self.doctor_says(f"ABI {OURS - 1}", remedy="it stays in force; `hitless upgrade` takes it over without "
                         "losing a frame")
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
        """Any one of its pins but those of links, which the kernel knows; and it is as it was when that is back."""
        struct.pack_into("=I", self.pair, VERSION, OURS - 1)
        parts = sorted(os.listdir(self.dir))
        self.assertLess({"pair", "twins", "counters", "egress"}, set(parts))
        for part in parts:
            if part.startswith("link_"):
                continue
            os.rename(f"{self.dir}/{part}", f"{self.state}/bpf/kept")
            with self.subTest(part=part):
                self.upgrade_refuses("the pair is incomplete", "`hitless detach")
                self.assertEqual(sorted(os.listdir(self.dir)), [p for p in parts if p != part])
                self.assertEqual(self.u32(VERSION), OURS - 1)
            if part != "pair":
                with self.subTest(part=part):
                    self.names_the_part(part)
            os.rename(f"{self.state}/bpf/kept", f"{self.dir}/{part}")
        self.assertEqual(self.expect(0, "upgrade").stdout, f"sby: taken over from ABI {OURS - 1}\n")
        self.assertTrue(self.status()[0]["healthy"])

    def names_the_part(self, part):
        """Not the upgrade, which would be refused."""
        said = self.expect(1, "status", says=[f"ABI {OURS - 1}", "a part is missing", f"/{part}:", "`hitless detach "]).stderr
        self.assertNotIn("hitless upgrade", said)
        if part != "bell":
            return  # doctor says of each what status says
        (found,) = self.findings()
        self.assertIn(f"/{part}:", found[1])
        self.assertRegex(found[2], "^it stays in force; `hitless detach [^`]*` removes it, then attach again$")

    def made_by(self, version, way_out):
        """Of which nothing but its number is known: only who made it can give all back."""
        struct.pack_into("=I", self.pair, VERSION, version)
        says = f"made by another version of hitless (ABI {version}, this is {OURS})"
        self.everything_says(says, way_out)
        self.upgrade_refuses(says, way_out)
        for line in (*self.READERS, self.ATTACH, ["upgrade"]):
            self.assertNotIn("hitless detach", self.hitless(*line).stderr)
        self.doctor_says(says, remedy=way_out)
        self.removed_by_detach()

    def test_neither_ours_nor_the_one_before(self):
        self.made_by(OURS - 2, "it stays in force; detach it with the version that made it, then attach again")

    def test_newer(self):
        self.made_by(OURS + 1, "it stays in force; use the newer version, if it is installed, or detach the pair "
                     "with that")

    def test_one_that_is_refused_is_named_beside_one_that_is_well(self):
        self.expect(0, "switch", "sby", "standby")
        self.another_pair()
        self.expect(0, "switch", "oth", "standby")
        struct.pack_into("=I", self.pair, VERSION, OURS + 1)
        for line in (["explain"], ["events"], ["events", "-j"]):
            with self.subTest(line):
                done = self.hitless(*line)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("oth", done.stdout)
                self.assertNotIn("sby", done.stdout)
                self.assertEqual(done.stderr.count(f"ABI {OURS + 1}, this is {OURS}"), 1, done.stderr)
                self.assertIn(os.path.basename(self.dir), done.stderr)
        self.assertRegex(self.expect(0, "watch").stdout, f"cannot be read: .*ABI {OURS + 1}, this is {OURS}")

    def test_strange(self):
        struct.pack_into("=I", self.pair, MAGIC, 0x12345678)
        self.everything_says("another version", "hitless detach")
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

    def test_a_controller_says_it_once(self):
        """However often it looks."""
        struct.pack_into("=I", self.pair, VERSION, OURS + 1)
        controller = self.controller()
        self.another_pair()
        wait_until(lambda: "oth: managed" in self.said(controller), "it has looked again")
        self.expect(0, "detach", "oth")
        self.expect(0, "attach", "oth", "--primary", "alt")
        wait_until(lambda: self.said(controller).count("oth: managed") == 2, "and again")
        self.assertEqual(len(re.findall("^adopt ", self.said(controller), re.MULTILINE)), 1, self.said(controller))

    def test_a_controller_that_lacked_descriptors_takes_over_later(self):
        """Refused for want of what may be there at another time, it is tried again."""
        struct.pack_into("=I", self.pair, VERSION, OURS - 1)
        controller = self.controller(prefix=("prlimit", "--nofile=60:4096"))
        wait_until(lambda: "Too many open files" in self.said(controller), "it is refused")
        sh(f"prlimit --pid {controller.pid} --nofile=1024")
        wait_until(lambda: f"sby: taken over from ABI {OURS - 1}" in self.said(controller), "it is taken over")
        wait_until(lambda: "sby: managed" in self.said(controller), "it is kept")
        self.assertTrue(self.status()[0]["healthy"])

    def test_a_controller_takes_over_when_it_is_told_to_look_again(self):
        struct.pack_into("=I", self.pair, VERSION, OURS - 1)
        os.rename(f"{self.dir}/bell", f"{self.state}/bpf/kept")
        controller = self.controller()
        self.assertIn("incomplete", self.said(controller))
        os.rename(f"{self.state}/bpf/kept", f"{self.dir}/bell")
        controller.send_signal(signal.SIGHUP)
        wait_until(lambda: "sby: managed" in self.said(controller), "it is kept")

    # --- takeovers that a crash has interrupted

    def left_behind(self, version, published):
        """Another pair's pins stand for what a takeover of this one has left, of that version."""
        left = f"{self.state}/bpf/upgrade-{os.path.basename(self.dir)}"
        os.rename(self.another_pair(), left)
        struct.pack_into("=I", self.record(left), VERSION, version)
        struct.pack_into("=I", self.pair, VERSION, published)
        return left

    def left_alone(self, left):
        there = sorted(os.listdir(left))
        self.expect(1, "attach", "nobody")
        self.assertEqual(sorted(os.listdir(left)), there, "it is another version's")
        for line in (["upgrade"], ["upgrade", "--check"], ["detach", "sby"]):
            with self.subTest(line):
                said = self.expect(1, *line, says=["end the interrupted takeover", f"ABI {OURS + 1}",
                                                   "that version ends it"]).stderr
                self.assertNotIn("hitless detach", said)
        self.assertEqual(sorted(os.listdir(left)), there)
        self.assertTrue(os.path.exists(f"{self.dir}/pair"))
        (found,) = (f for f in self.findings() if "interrupted takeover" in f[1])
        self.assertIn("that version ends it", found[2])

    def test_a_takeover_that_a_newer_one_has_begun(self):
        self.left_alone(self.left_behind(OURS + 1, OURS))

    def test_a_takeover_that_a_newer_one_has_published(self):
        self.left_alone(self.left_behind(OURS, OURS + 1))

    def test_a_takeover_that_was_begun(self):
        left = self.left_behind(OURS, OURS - 1)
        (found,) = self.findings()
        self.assertEqual((found[0], found[2]), ("pair sby", "hitless upgrade"))
        self.assertIn(f"its takeover from ABI {OURS - 1} was interrupted", found[1])
        self.expect(0, "upgrade", says="sby: taken over")
        self.assertFalse(os.path.exists(left))
        self.assertEqual(self.findings(), [])

    def test_what_a_takeover_left_is_not_taken_for_that_of_a_new_pair(self):
        """Whose name is the same: what was decided of the old one does not stand against it."""
        left = self.left_behind(OURS - 1, OURS)
        old = self.record(left)
        old[0] = 1 << 5  # HL_VETO(OPERATOR)
        self.expect(1, "attach", "nobody")
        self.assertFalse(os.path.exists(left))
        sh("ip link del alt")  # that pair's primary, which it has left silent
        self.assertEqual(self.status()[0]["veto"], [])

    def test_incomplete(self):
        os.unlink(f"{self.dir}/bell")
        self.everything_says("the pair is incomplete", "hitless detach", lines=self.READERS)
        done = self.expect(0, "detach", "sby")
        self.assertEqual(done.stderr, "", "its state was there, and with it all that must be given back")
        unchanged(self, self.before)

    def test_without_its_state(self):
        os.unlink(f"{self.dir}/pair")
        self.everything_says("the pair is incomplete", "hitless detach", lines=self.READERS)
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
