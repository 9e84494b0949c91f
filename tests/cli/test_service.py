# SPDX-License-Identifier: BSD-2-Clause
"""What a service manager hears from `hitless run`, and the units, as systemd itself judges them."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from bed import HERE, HITLESS, Case, NetCase, wait_until

UNITS = os.path.join(HERE, "..", "..", "packaging", "systemd")
EXPOSURE = 2.3  # of 10, as `systemd-analyze security` counts; docs/operating.md says what is left and why


class Notify(NetCase):
    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(f"{self.state}/notify")
        self.socket.setblocking(False)
        self.heard = []

    def hears(self, message):
        try:
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard.count(message)

    def run_service(self, *command, **env):
        log = tempfile.TemporaryFile("w+")
        self.addCleanup(log.close)
        process = subprocess.Popen([HITLESS, *(command or ("run",))], stdout=log, stderr=log,
                                   env={**self.env, "NOTIFY_SOCKET": f"{self.state}/notify", **env})
        self.addCleanup(self.end, process)
        return process

    def test_ready_when_the_pairs_are_in_its_care(self):
        self.attach()
        process = self.run_service()
        wait_until(lambda: self.hears("READY=1"), "READY=1")
        self.assertIn("STATUS=sby: managed", self.heard)
        self.assertEqual(self.owner(), process.pid)
        self.assertEqual(self.hears("STOPPING=1"), 0)
        self.assertEqual(self.end(process), 0)
        self.assertEqual(self.hears("STOPPING=1"), 1)
        self.assertEqual(self.hears("WATCHDOG=1"), 0, "nobody asked for it")

    def test_the_watchdog_is_answered_while_nothing_happens(self):
        self.answers_from_its_loop(self.run_service(WATCHDOG_USEC="40000"))

    def test_a_host_does_the_same(self):
        with open(f"{self.state}/host.toml", "w") as config:
            config.write('[[guest]]\nname = "web1"\nmac = "02:00:00:00:00:77"\nstandby = "tap1"\n'
                         'primary = { port = "vf1" }\n')
        process = self.run_service("host", "run", "--config", config.name, WATCHDOG_USEC="40000")
        wait_until(lambda: self.hears("READY=1"), "READY=1")
        self.answers_from_its_loop(process)
        self.assertEqual(self.hears("STOPPING=1"), 0)
        self.assertEqual(self.end(process), 0)
        self.assertEqual(self.hears("STOPPING=1"), 1)

    def answers_from_its_loop(self, process):
        wait_until(lambda: self.hears("WATCHDOG=1") >= 5, "five answers")
        process.send_signal(19)  # SIGSTOP: no answer comes from anywhere but the loop
        wait_until(lambda: self.stopped(process), "stopped")
        self.hears("WATCHDOG=1")
        self.heard = []
        self.assertRaises(AssertionError, wait_until, lambda: self.hears("WATCHDOG=1"), "an answer", 0.3)
        process.send_signal(18)
        wait_until(lambda: self.hears("WATCHDOG=1"), "an answer after going on")

    @staticmethod
    def stopped(process):
        with open(f"/proc/{process.pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"

    def test_one_that_fails_is_never_ready(self):
        first = self.controller()
        second = self.run_service()
        self.assertEqual(second.wait(timeout=30), 75)
        self.assertEqual(self.hears("READY=1"), 0)
        self.assertIsNone(first.poll())

    def test_a_manager_that_is_not_there_does_not_matter(self):
        process = self.run_service(NOTIFY_SOCKET=f"{self.state}/nobody")
        wait_until(lambda: self.owner() == process.pid, "the controller owns the namespace")
        self.assertEqual(self.end(process), 0)


@unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd")
class Units(Case):
    def units(self):
        return sorted(os.path.join(UNITS, name) for name in os.listdir(UNITS)
                      if name.endswith((".service", ".mount")))

    def test_systemd_takes_every_line(self):
        """Units with the binary of this build in the place of the installed one."""
        with tempfile.TemporaryDirectory() as folder:
            for unit in self.units():
                with open(unit) as file, open(f"{folder}/{os.path.basename(unit)}", "w") as out:
                    out.write(file.read().replace("/usr/sbin/hitless", HITLESS))
            names = [f"{folder}/{n.replace('@.', '@eth0.')}" for n in os.listdir(folder)]
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
                                  capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_exposure(self):
        for unit in self.units():
            if unit.endswith(".service"):
                done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                                       f"--threshold={EXPOSURE * 10:.0f}", unit], capture_output=True, text=True)
                level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
                with self.subTest(unit, level=level and level[1]):
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertLessEqual(float(level[1]), EXPOSURE)

    def test_both_services_are_confined_alike(self):
        """All that hardens but what follows from the one being a daemon."""
        def hardening(unit):
            with open(f"{UNITS}/{unit}") as file:
                return [l for l in file.read().splitlines()
                        if re.match("(Protect|Private|Restrict[A-Z][a-z]+(es|s|time|SUIDSGID)|SystemCall|Cap|NoNew|Memory|Lock|Device|IP|U|Key|Read)", l)
                        and not l.startswith("RestartPrevent")]
        self.assertEqual(hardening("hitless.service"), hardening("hitless-attach@.service"))


if __name__ == "__main__":
    unittest.main()
