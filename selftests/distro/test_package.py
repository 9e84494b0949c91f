# SPDX-License-Identifier: BSD-2-Clause
"""The package's life under traffic: installed, restarted, killed, upgraded, removed. 500 pings a second."""
import os
import re
import subprocess
import tempfile
import time

from bed import ADDRESS, PACKAGE, DistroCase, Ping, wait_until

STATIC = f"auto eth0\niface eth0 inet static\n  address {ADDRESS}/24\n"
CAPABILITIES = {"cap_bpf", "cap_perfmon", "cap_net_admin", "cap_net_raw"}


class Life(DistroCase):
    """In the order of the names, as a package lives."""
    options = {"package": False, "managers": ("networking.service",),
               "files": {"/etc/network/interfaces": STATIC}}

    def controller(self):
        return int(self.guest.run("systemctl show -P MainPID hitless.service"))

    def unharmed(self, what):
        """Does it between two halves of a second of traffic and returns what it returned."""
        ping = Ping(self.guest)
        time.sleep(0.5)  # traffic before, not waiting for anything
        result = what()
        time.sleep(0.5)
        sent, lost = ping.end()
        self.assertGreater(sent, 300)
        self.assertEqual(lost, 0, f"of {sent}")
        return result

    def give(self, version):
        """The package in the guest, under another version."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-R", PACKAGE, f"{folder}/tree"], check=True)
            control = f"{folder}/tree/DEBIAN/control"
            with open(control) as file:
                text = re.sub("(?m)^Version: .*", f"Version: {version}", file.read())
            with open(control, "w") as file:
                file.write(text)
            package = f"{self.guest.work}/merged/root/hitless.deb"
            target = f"/proc/{self.guest.pid}/root/root/hitless.deb"
            self.assertFalse(os.path.ismount(package))
            subprocess.run(["dpkg-deb", "-b", f"{folder}/tree", target], check=True, stdout=subprocess.DEVNULL)

    def test_1_installed_it_pairs_within_two_seconds(self):
        self.give("0.1.0~test1")
        def install():
            self.guest.run("dpkg -i /root/hitless.deb")
            start = time.monotonic()
            self.wait_paired()
            return time.monotonic() - start
        self.assertLess(self.unharmed(install), 2)
        self.assertEqual(self.guest.run("systemctl is-enabled hitless.service").strip(), "enabled")

    def test_2_its_capabilities_are_those_that_it_needs(self):
        shown = self.guest.run(f"grep CapBnd /proc/{self.controller()}/status").split()[1]
        # cap_net_admin 12, cap_net_raw 13, cap_perfmon 38, cap_bpf 39: linux/capability.h
        numbers = {"cap_net_admin": 12, "cap_net_raw": 13, "cap_perfmon": 38, "cap_bpf": 39}
        self.assertEqual(int(shown, 16), sum(1 << numbers[name] for name in CAPABILITIES))

    def test_3_restarted_it_adopts(self):
        before = self.controller()
        self.unharmed(lambda: self.guest.run("systemctl restart hitless.service"))
        self.assertNotEqual(self.controller(), before)
        self.assertEqual(self.wait_paired()["active"], "primary")

    def test_4_killed_it_comes_back(self):
        before = self.controller()
        self.unharmed(lambda: self.guest.run("systemctl kill -s KILL hitless.service"))
        wait_until(lambda: self.controller() not in (0, before), "systemd has started another")

    def test_5_a_controller_that_hangs_is_ended_by_the_watchdog(self):
        """With a watchdog of two seconds for this test."""
        self.guest.run("mkdir -p /run/systemd/system/hitless.service.d && printf '[Service]\\nWatchdogSec=2\\n' "
                       "> /run/systemd/system/hitless.service.d/quick.conf && systemctl daemon-reload && "
                       "systemctl restart hitless.service")
        before = self.controller()
        self.guest.run(f"kill -STOP {before}")
        wait_until(lambda: self.controller() not in (0, before), "the watchdog has replaced it")
        self.assertIn("Watchdog timeout", self.guest.journal("hitless.service"))
        self.assertEqual(self.wait_paired()["active"], "primary")

    def test_6_upgraded(self):
        before = self.controller()
        flips = self.wait_paired()["flips"]
        self.give("0.1.0~test2")
        self.unharmed(lambda: self.guest.run("dpkg -i /root/hitless.deb"))
        wait_until(lambda: self.controller() not in (0, before), "the controller is the new one")
        self.assertEqual(self.wait_paired()["flips"], flips)

    def test_7_removed_and_purged_traffic_goes_on(self):
        """What is attached stays: nobody wants a package manager to cut the network."""
        self.unharmed(lambda: self.guest.run("dpkg -P hitless"))
        self.assertIn("bpf /run/hitless/bpf", self.guest.run("cat /proc/mounts"))
        left = self.guest.run("dpkg -L hitless; ls /usr/lib/udev/rules.d/70-hitless.rules /lib/systemd/system/hitless*",
                              check=False)
        self.assertEqual(left, "")


class Attach(DistroCase):
    """A static pair by hitless-attach@, without a controller."""
    options = {"managers": ("networking.service",),
               "files": {"/etc/network/interfaces": STATIC, "/etc/default/hitless": None,
                         "/etc/default/hitless-attach": "HITLESS_ATTACH=--primary mac\n"}}

    def test_starts_and_stops_the_pair(self):
        self.guest.run("systemctl stop hitless.service")
        self.assertEqual(self.guest.status(), [])
        self.guest.run("systemctl start hitless-attach@eth0.service")
        self.wait_paired()
        self.guest.run("systemctl stop hitless-attach@eth0.service")
        self.assertEqual(self.guest.status(), [])
