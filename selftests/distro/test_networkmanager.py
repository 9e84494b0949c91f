# SPDX-License-Identifier: BSD-2-Clause
"""NetworkManager, which would make a connection of its own for every Ethernet NIC."""
import json

from bed import ADDRESS, DistroCase, wait_until

OPTIONS = {"managers": ("NetworkManager.service",)}


def states(guest):
    lines = guest.run("nmcli -t -f DEVICE,STATE device", check=False).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class Without(DistroCase):
    """The control."""
    options = {**OPTIONS, "package": False}

    def test_both_are_configured(self):
        wait_until(lambda: states(self.guest).get("eth0", "").startswith("connect"), "eth0 is connected")
        wait_until(lambda: states(self.guest).get("eth1", "").startswith("connect"), "eth1, too")


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

    def test_the_doctor_s_command_takes_the_primary_away_from_it(self):
        """nmcli device set {} managed no"""
        self.check()
        self.guest.run("nmcli device set eth1 managed yes")
        told = wait_until(lambda: self.finding("eth1"), "it is found")
        self.assertEqual(told["remedy"], "nmcli device set eth1 managed no")
        self.guest.run(told["remedy"])
        wait_until(lambda: not self.finding("eth1"), "the remedy mends it")
        self.check()

    def finding(self, what):
        found = json.loads(self.guest.run("hitless doctor -j", check=False))["findings"]
        return next((f for f in found if f["what"] == what and f["grade"] != "ok"), None)
