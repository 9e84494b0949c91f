# SPDX-License-Identifier: BSD-2-Clause
"""The packages' life under traffic: installed, restarted, killed, upgraded, removed. Numbered frames both ways."""
import glob
import os
import re
import sys
import tempfile
import time
import unittest

from bed import ADDRESS, HERE, PACKAGE, DistroCase, sh, shell_quote, wait_until
from stream import Stream

DEBIAN = f"{HERE}/../../packaging/debian"
STATIC = f"auto eth0\niface eth0 inet static\n  address {ADDRESS}/24\n"
CONTROLLER = """import ctypes as c
lib, handle, pid = c.CDLL("libhitless.so.1"), c.c_void_p(), c.c_int()
assert lib.hitless_open(c.byref(handle)) == 0
assert lib.hitless_controller_pid(handle, c.byref(pid)) == 0
print(pid.value)
"""
# linux/capability.h
CAPABILITIES = {"cap_net_admin": 12, "cap_net_raw": 13, "cap_perfmon": 38, "cap_bpf": 39}
AROUND = 600  # frames before and after what is done: 0.3 s


def say(text):
    print(f"\n  {text}", file=sys.stderr)


def library(name):
    return glob.glob(f"{os.path.dirname(PACKAGE)}/{name}_*.deb")[0]


def renamed(package, version, target):
    """The same package under another version."""
    with tempfile.TemporaryDirectory() as folder:
        sh(f"dpkg-deb -R {package} {folder}/tree && "
           f"sed -i 's/^Version: .*/Version: {version}/' {folder}/tree/DEBIAN/control && "
           f"dpkg-deb -Znone -b {folder}/tree {target}")


class PackageCase(DistroCase):
    def unharmed(self, what, act):
        """Does it while frames are numbered, and returns what it returned."""
        with Stream(self.guest) as stream:
            stream.passed(AROUND)
            result = act()
            stream.passed(AROUND)
            up, down = stream.tally()
        say(f"{what}: up {up}; down {down}")
        for way in (up, down):
            self.assertGreaterEqual(way.frames, 2 * AROUND)
            self.assertEqual((way.lost, way.duplicated, way.socket_drops), (0, 0, 0))
        return result

    def show(self, unit, *properties):
        return [self.guest.run(f"systemctl show -P {name} {unit}").strip() for name in properties]


class Life(PackageCase):
    """In the order of the names, as a package lives."""
    options = {"package": False, "managers": ("networking.service",),
               "files": {"/etc/network/interfaces": STATIC, "/root/smoke": open(f"{DEBIAN}/tests/smoke").read()}}

    def controller(self):
        return int(self.show("hitless.service", "MainPID")[0])

    def give(self, name):
        """Where in the guest a package is put, for dpkg there."""
        return f"/proc/{self.guest.pid}/root/root/{name}"

    def test_0_control_a_loss_is_seen(self):
        """A switch that forwards nothing for some frames, without the package."""
        with Stream(self.guest) as stream:
            sh(f"bridge -n {self.guest.far} link set dev f-eth0 state 0")
            stream.passed(20)
            sh(f"bridge -n {self.guest.far} link set dev f-eth0 state 3")
            stream.passed(AROUND)
            up, down = stream.tally()
        say(f"control: up {up}; down {down}")
        self.assertGreaterEqual(min(up.lost, down.lost), 20)

    def test_1_installed_it_pairs_within_two_seconds(self):
        renamed(PACKAGE, "0.2.0~test1", self.give("hitless.deb"))

        def install():
            start = time.monotonic()
            self.guest.run("dpkg -i /root/hitless.deb")
            installed = time.monotonic()
            self.wait_paired()
            return installed - start, time.monotonic() - start
        installed, paired = self.unharmed("installed", install)
        say(f"dpkg -i: {installed:.2f} s; from its start to NICs that are paired and proved: {paired:.2f} s")
        self.assertLess(paired, 2)
        self.assertEqual(self.guest.run("systemctl is-enabled hitless.service").strip(), "enabled")

    def test_2_runs_as_it_should(self):
        self.assertEqual(self.show("hitless.service", "Type", "WatchdogUSec", "SubState"), ["notify", "30s", "running"])
        self.assertNotEqual(self.show("hitless.service", "WatchdogTimestampMonotonic"), ["0"], "it has answered")
        shown = self.guest.run(f"grep CapBnd /proc/{self.controller()}/status").split()[1]
        self.assertEqual(int(shown, 16), sum(1 << bit for bit in CAPABILITIES.values()))

    def test_3_restarted_it_adopts(self):
        before = self.controller()
        self.unharmed("restarted", lambda: self.guest.run("systemctl restart hitless.service"))
        self.assertNotEqual(self.controller(), before)
        self.assertEqual(self.wait_paired()["active"], "primary")

    def test_4_killed_it_comes_back(self):
        before = self.controller()
        self.unharmed("killed", lambda: self.guest.run("systemctl kill -s KILL hitless.service"))
        wait_until(lambda: self.controller() not in (0, before), "systemd has started another")

    def test_5_a_controller_that_hangs_is_ended_by_the_watchdog(self):
        """With a watchdog of one second for this test."""
        self.guest.run("mkdir -p /run/systemd/system/hitless.service.d && printf '[Service]\\nWatchdogSec=1\\n' "
                       "> /run/systemd/system/hitless.service.d/quick.conf && systemctl daemon-reload && "
                       "systemctl restart hitless.service")
        before = self.controller()

        def hang():
            self.guest.run(f"kill -STOP {before}")
            wait_until(lambda: self.controller() not in (0, before), "the watchdog has replaced it")
        self.unharmed("hung", hang)
        self.assertIn("Watchdog timeout", self.guest.journal("hitless.service"))
        self.assertEqual(self.wait_paired()["active"], "primary")

    def test_6_upgraded(self):
        before = self.controller()
        flips = self.wait_paired()["flips"]
        renamed(PACKAGE, "0.2.0~test2", self.give("hitless.deb"))
        self.unharmed("upgraded", lambda: self.guest.run("dpkg -i /root/hitless.deb"))
        wait_until(lambda: self.controller() not in (0, before), "the controller is the new one")
        self.assertEqual(self.wait_paired()["flips"], flips)

    def test_7_smoke(self):
        """packaging/debian/tests/smoke, as autopkgtest runs it, beside the pair in use."""
        self.assertIn("enabled", self.unharmed("smoke", lambda: self.guest.run("sh /root/smoke 2>&1")))

    def test_8_the_library_comes_and_goes(self):
        sh(f"cp {library('libhitless1')} {self.give('libhitless1.deb')}")

        def use():
            self.guest.run("dpkg -i /root/libhitless1.deb")
            said = self.guest.run(f"python3 -c {shell_quote(CONTROLLER)}")
            self.guest.run("dpkg -P libhitless1")
            return int(said)
        self.assertEqual(self.unharmed("library", use), self.controller())

    def test_9_removed_and_purged_traffic_goes_on(self):
        """What is attached stays: nobody wants a package manager to cut the network."""
        self.unharmed("purged", lambda: self.guest.run("dpkg -P hitless"))
        self.assertIn("bpf /run/hitless/bpf", self.guest.run("cat /proc/mounts"))
        left = self.guest.run("dpkg -L hitless; ls /usr/lib/udev/rules.d/70-hitless.rules /lib/systemd/system/hitless*",
                              check=False)
        self.assertEqual(left, "")


class Attach(PackageCase):
    """A static pair by hitless-attach@, without a controller: made at boot, under each line that confines it."""
    UNIT = "hitless-attach@eth0.service"
    options = {"managers": ("networking.service", UNIT),
               "files": {"/etc/network/interfaces": STATIC,
                         "/etc/systemd/system/hitless.service.d/never.conf": "[Unit]\nConditionPathExists=/nowhere\n",
                         "/etc/default/hitless-attach": "HITLESS_ATTACH=--primary mac\n"}}

    def test_1_paired_at_boot(self):
        self.wait_paired()
        self.assertEqual(self.show(self.UNIT, "ActiveState", "SubState", "Result"), ["active", "exited", "success"])
        self.assertEqual(self.show("hitless.service", "MainPID"), ["0"])
        began, ended, network = (int(*self.show(unit, stamp)) for unit, stamp in (
            (self.UNIT, "InactiveExitTimestampMonotonic"), (self.UNIT, "ActiveEnterTimestampMonotonic"),
            ("networking.service", "InactiveExitTimestampMonotonic")))
        say(f"{self.UNIT}: {(ended - began) / 1e3:.0f} ms, {(network - ended) / 1e3:.0f} ms before networking.service")
        self.assertLess(ended, network, "before anybody configures the NICs")
        self.assertNotIn("probes", self.guest.journal(self.UNIT), "it may ask who is there")

    def test_2_stops_and_starts_under_traffic(self):
        self.unharmed("stopped", lambda: self.guest.run(f"systemctl stop {self.UNIT}"))
        self.assertEqual(self.guest.status(), [])
        self.unharmed("started", lambda: self.guest.run(f"systemctl start {self.UNIT}"))
        self.wait_paired()


@unittest.skipUnless(PACKAGE, "start it by selftests/distro/run")
class Contents(unittest.TestCase):
    """Which file is in which package, and what dpkg runs."""

    @staticmethod
    def files(package):
        listed = sh(f"dpkg-deb --fsys-tarfile {package} | tar -t").splitlines()
        return {name[1:] for name in listed if not name.endswith("/")}

    def test_the_command_s(self):
        there = self.files(PACKAGE)
        pages = {f.removesuffix(".scd") for f in os.listdir(f"{HERE}/../../docs/man") if f.endswith(".scd")}
        self.assertEqual(pages, {re.sub(r".*/|\.[58]\.gz", "", name) for name in there if "/man/" in name})
        self.assertLessEqual({
            "/usr/sbin/hitless", "/lib/systemd/system/hitless.service", "/lib/systemd/system/hitless-attach@.service",
            "/lib/systemd/system/run-hitless-bpf.mount", "/usr/lib/udev/rules.d/70-hitless.rules",
            "/usr/lib/udev/hitless-primary", "/usr/lib/systemd/network/10-hitless-primary.network",
            "/usr/lib/systemd/network/00-hitless-primary.link",
            "/usr/share/bash-completion/completions/hitless", "/usr/share/zsh/vendor-completions/_hitless",
            "/usr/share/fish/vendor_completions.d/hitless.fish", "/usr/share/initramfs-tools/hooks/hitless"}, there)
        self.assertFalse({name for name in there if "libhitless" in name or "/include/" in name})

    def test_the_library_s(self):
        names = [name for name in self.files(library("libhitless1")) if not name.startswith("/usr/share/doc/")]
        self.assertEqual(len(names), 2, names)
        for name in names:
            self.assertRegex(name, r"^/usr/lib/[^/]+/libhitless\.so\.1")
        there = {os.path.basename(name) for name in self.files(library("libhitless-dev"))}
        self.assertLessEqual({"hitless.h", "hitless.hpp", "libhitless.so", "libhitless.a", "hitless.pc",
                              "hitless-config.cmake"}, there)

    def test_dpkg_runs_nothing_that_ends_a_pair(self):
        """It starts and stops the controller, which pairs do not need; neither a static pair nor the pins' bpffs."""
        for package in (PACKAGE, library("libhitless1"), library("libhitless-dev")):
            with tempfile.TemporaryDirectory() as folder:
                sh(f"dpkg-deb -e {package} {folder}")
                for script in {"preinst", "postinst", "prerm", "postrm"} & set(os.listdir(folder)):
                    with open(f"{folder}/{script}") as file:
                        text = file.read()
                    for word in ("detach", "hitless-attach@", "run-hitless-bpf", "umount"):
                        self.assertNotIn(word, text, f"{package}: {script}")


@unittest.skipUnless(PACKAGE, "start it by selftests/distro/run")
class Development(unittest.TestCase):
    """libhitless1 and libhitless-dev laid over this machine's /usr, for this process alone."""

    def test_programs_are_built_against_it(self):
        """packaging/debian/tests/link, as autopkgtest runs it: by pkg-config and CMake."""
        with tempfile.TemporaryDirectory() as tree:
            for name in ("libhitless1", "libhitless-dev"):
                sh(f"dpkg-deb -x {library(name)} {tree}")
            sh(f"unshare --mount --propagation private sh -ec 'mount -t overlay overlay -o lowerdir={tree}/usr:/usr "
               f"/usr; AUTOPKGTEST_TMP={tree} sh {DEBIAN}/tests/link'")
