# SPDX-License-Identifier: BSD-2-Clause
"""systemd-networkd with a .network that matches by MAC, as cloud-init and netplan write it."""
import json

from bed import ADDRESS, MAC, DistroCase, wait_until

NETWORK = f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n"
OPTIONS = {"managers": ("systemd-networkd.service",),
           "files": {"/etc/systemd/network/50-cloud-init.network": NETWORK}}


def states(guest):
    links = json.loads(guest.run("networkctl list --json=short"))["Interfaces"]
    return {link["Name"]: link["AdministrativeState"] for link in links}


class Without(DistroCase):
    """The control: what networkd does to a twin that nobody cares for."""
    options = {**OPTIONS, "package": False}

    def test_both_are_configured(self):
        wait_until(lambda: states(self.guest).get("eth0") == "configured", "eth0 is configured")
        self.assertIn(states(self.guest)["eth1"], ("configuring", "configured"))


class With(DistroCase):
    options = OPTIONS

    def check(self):
        self.wait_paired()
        wait_until(lambda: self.guest.addresses("eth0") == [ADDRESS], "eth0 has its lease")
        self.assertEqual(states(self.guest)["eth1"], "unmanaged")
        self.assertEqual(self.guest.addresses("eth1"), [])

    def test_the_primary_is_left_alone_at_boot_and_when_it_is_plugged_again(self):
        self.check()
        self.replug()
        self.check()
        self.guest.run("networkctl reload && networkctl reconfigure eth0")
        self.check()
