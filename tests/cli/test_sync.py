# SPDX-License-Identifier: BSD-2-Clause
"""What of the master the primary follows while it is paired, and that it gets its own back."""
import json
import unittest

from bed import NetCase, sh, wait_until
from machine import machine, unchanged


def link(name):
    return json.loads(sh(f"ip -d -j link show {name}"))[0]


class Sync(NetCase):
    def test_settings_at_attach_and_back(self):
        sh("ip link set sby mtu 1400 txqueuelen 77")
        sh("sysctl -qw net.ipv4.conf.pri.arp_ignore=1")
        before = machine()
        self.attach()
        primary = link("pri")
        self.assertEqual((primary["mtu"], primary["txqlen"]), (1400, 77))
        self.assertIn("ALLMULTI", primary["flags"])
        self.assertEqual(sh("sysctl -n net.ipv4.conf.pri.arp_ignore").strip(), "8")
        self.assertEqual(primary["inet6_addr_gen_mode"], "none")
        self.expect(0, "detach", "sby")
        unchanged(self, before)

    def filter(self):
        entries = json.loads(sh("bridge -j fdb show dev pri self"))
        return {entry["mac"] for entry in entries if "self" in entry["flags"] and int(entry["mac"][:2], 16) % 2 == 0}

    def test_addresses_of_macvlans_pass_the_primary(self):
        before = machine()
        self.attach()
        self.controller("--config", "/dev/null")
        first, second = "02:00:00:00:01:01", "02:00:00:00:01:02"
        for name, mac in (("mv1", first), ("mv2", second)):
            sh(f"ip link add {name} link sby address {mac} up type macvlan")
        wait_until(lambda: {first, second} <= self.filter(), "both addresses pass")
        sh("ip link del mv1")
        wait_until(lambda: first not in self.filter(), "one is gone")
        self.assertIn(second, self.filter())
        for i in range(12):
            sh(f"ip link add more{i} link sby up type macvlan")
        wait_until(lambda: "PROMISC" in link("pri")["flags"], "more than a filter holds: promiscuous")
        for name in ("mv2", *(f"more{i}" for i in range(12))):
            sh(f"ip link del {name}")
        wait_until(lambda: "PROMISC" not in link("pri")["flags"], "and back")
        self.assertNotIn(second, self.filter())
        self.expect(0, "detach", "sby")
        unchanged(self, before, but=("mounts",))

    def test_follows_live(self):
        self.attach()
        self.controller("--config", "/dev/null")
        sh("ip link set sby txqueuelen 55 promisc on")
        wait_until(lambda: link("pri")["txqlen"] == 55 and "PROMISC" in link("pri")["flags"], "it follows")
        sh("ip link set sby promisc off mtu 1300")
        wait_until(lambda: link("pri")["mtu"] == 1300 and "PROMISC" not in link("pri")["flags"], "it follows")
        self.assertEqual(self.status()[0]["problems"], [])

    def test_the_masters_new_mac_is_followed(self):
        self.attach()
        self.controller("--config", "/dev/null")
        sh("ip link set sby address 02:00:00:00:00:77")
        wait_until(lambda: link("pri")["address"] == "02:00:00:00:00:77", "the primary follows")
        wait_until(lambda: self.status(0, 2)[0]["active"] == "primary", "it is used")
        self.expect(0, "detach", "sby")
        self.assertEqual(link("pri")["address"], "02:00:00:00:00:01")


if __name__ == "__main__":
    unittest.main()
