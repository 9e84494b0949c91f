# SPDX-License-Identifier: BSD-2-Clause
"""The ways into a network namespace, and the machine's own state directory, as people use them:
`ip netns exec`, which replaces /sys, `nsenter --net`, which does not, and `hitless --netns`."""
import os
import unittest

from bed import NetCase, netns_cookie, oldest_ancestor, sh
from machine import machine, unchanged

OUTSIDE = f"/proc/{oldest_ancestor()}"  # we have mounts of our own; whoever started us has not
PRODUCT = f"{OUTSIDE}/root/run/hitless"


def listing():
    try:
        return {name for name in os.listdir(f"{PRODUCT}/bpf") if "." not in name}
    except FileNotFoundError:
        return set()


class Namespaces(NetCase):
    def setUp(self):
        super().setUp()
        del self.env["HITLESS_STATE_DIR"]
        self.ways = {
            "ip netns exec": ["ip", "netns", "exec", self.netns],
            "nsenter --net": ["nsenter", f"--net=/run/netns/{self.netns}"],
            "private mounts": ["unshare", "--mount"],
            "as it is": [],
        }
        self.before = listing()
        self.files = set(os.listdir(PRODUCT)) if os.path.exists(PRODUCT) else set()

    def tidy_up(self, home):
        self.hitless("detach", "--all")
        super().tidy_up(home)

    def test_every_way_sees_the_same_pair(self):
        before = machine()
        for name, way in self.ways.items():
            with self.subTest(name):
                self.expect(0, "attach", "sby", "--primary", "mac", prefix=way)
                self.assertEqual(len(listing() - self.before), 1)
                for other in self.ways.values():
                    self.assertIn("healthy", self.expect(0, "status", prefix=other).stdout)
                self.expect(0, "run", "--once", prefix=way)
                self.expect(0, "switch", "sby", "standby", prefix=way)
                self.expect(0, "detach", "sby", prefix=way)
                self.expect(3, "status", prefix=way)
                unchanged(self, before)

    def test_by_name_and_path_from_elsewhere(self):
        outside = ["nsenter", f"--net={OUTSIDE}/ns/net"]
        for name in (self.netns, f"/run/netns/{self.netns}"):
            self.expect(0, "-n", name, "attach", "sby", "--primary", "mac", prefix=outside)
            self.expect(0, "--netns", name, "status", prefix=outside)
            self.expect(0, "status", "-n", name, prefix=outside)
            self.expect(0, "-n", name, "detach", "sby", prefix=outside)

    def test_two_namespaces_with_the_same_names_do_not_meet(self):
        other = f"{self.netns}-b"
        sh(f"ip netns add {other}")
        self.addCleanup(sh, f"ip netns del {other}")
        sh(f"ip -n {other} link add sby type veth peer name far && ip -n {other} link set sby up")
        self.expect(0, "attach", "sby", "--primary", "mac")
        self.expect(3, "-n", other, "status")
        self.expect(0, "-n", other, "attach", "sby")
        self.expect(0, "-n", other, "detach", "--all")
        self.expect(0, "status")
        self.expect(0, "detach", "sby")

    def test_nothing_is_left_behind(self):
        self.expect(0, "attach", "sby", "--primary", "mac", prefix=self.ways["ip netns exec"])
        self.expect(0, "run", "--once")
        self.expect(0, "detach", "sby")
        self.assertFalse(listing() - self.before)
        left = set(os.listdir(PRODUCT)) - self.files - {"bpf"}
        # Others may be at work on this machine; a file of ours has our namespace in its name.
        self.assertFalse({name for name in left if name.endswith(f"-{netns_cookie()}")})


if __name__ == "__main__":
    unittest.main()
