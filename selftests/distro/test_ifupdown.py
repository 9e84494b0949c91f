# SPDX-License-Identifier: BSD-2-Clause
"""ifupdown with ISC dhclient, iproute2 and tcpdump, which need nothing from us but that the standby keeps
its name and works."""
import json
import subprocess

from bed import ADDRESS, GATEWAY, DistroCase, Ping, wait_until

INTERFACES = "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"


class Ifupdown(DistroCase):
    options = {"managers": ("networking.service",), "files": {"/etc/network/interfaces": INTERFACES}}

    def setUp(self):
        self.wait_paired()
        wait_until(lambda: self.guest.addresses("eth0") == [ADDRESS], "eth0 has its lease")

    def test_dhclient_serves_the_standby_only(self):
        self.replug()
        self.assertEqual(self.guest.addresses("eth1"), [])
        self.guest.run("ifdown eth0; ifup eth0")
        self.wait_paired()
        self.assertEqual(self.guest.addresses("eth0"), [ADDRESS])
        self.assertIn("-i", self.guest.run("pgrep -a dhclient"))

    def test_iproute2_shows_what_is(self):
        links = {l["ifname"]: l for l in json.loads(self.guest.run("ip -j link"))}
        self.assertEqual({"eth0", "eth1"} & links.keys(), {"eth0", "eth1"})
        self.assertIn("UP", links["eth1"]["flags"])
        route = json.loads(self.guest.run(f"ip -j route get {GATEWAY}"))[0]
        self.assertEqual(route["dev"], "eth0")

    def test_tcpdump_sees_each_path(self):
        """On the pair's name what comes in; what goes out is seen on the NIC that carries it (README)."""
        def captured(nic, what):
            command = f"timeout 10 tcpdump -p -n -c 3 -i {nic} {what} 2>/dev/null"
            return subprocess.run(["nsenter", "-t", str(self.guest.pid), "-a", "sh", "-c", command],
                                  capture_output=True, text=True).stdout.splitlines()
        ping = Ping(self.guest)
        try:
            self.assertEqual(len(captured("eth0", "'icmp[icmptype] = icmp-echo'")), 3)
            self.assertEqual(len(captured("eth1", "'icmp[icmptype] = icmp-echoreply'")), 3)
        finally:
            _, lost = ping.end()
        self.assertEqual(lost, 0)
