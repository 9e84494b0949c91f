# SPDX-License-Identifier: BSD-2-Clause
"""`hitless watch` on a terminal of its own: what it shows, that it follows, and what it leaves."""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from bed import HITLESS, NetCase, sh, wait_until
from cost import Cost, in_turns, least

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Watch(NetCase):
    def start(self, *args, columns=80, rows=24, env=None):
        self.near, far = os.openpty()
        self.addCleanup(os.close, far)
        self.resize(columns, rows)
        self.far, self.before, self.seen = far, termios.tcgetattr(far), ""
        self.process = subprocess.Popen([HITLESS, "watch", *args], stdin=far, stdout=far, stderr=far,
                                        env={**self.env, "TERM": "xterm", **(env or {})})
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def resize(self, columns, rows):
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.near], [], [], 0)[0]:
            self.seen += os.read(self.near, 65536).decode()
        return self.seen

    def screen(self):
        """The lines of the last whole picture."""
        pictures = self.read().split("\x1b[H")
        whole = [p for p in pictures[1:] if p.endswith(("\x1b[J", "\x1b[J" + LEAVE))]
        if not whole:
            return []
        return re.split(r"\r+\n", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1]))

    def shows(self, text):
        wait_until(lambda: text in "\n".join(self.screen()), f"'{text}' is shown")

    def ended(self):
        self.assertEqual(self.process.wait(timeout=30), 0)
        text = self.read()
        self.assertTrue(text.startswith(ENTER), repr(text[:40]))
        self.assertTrue(text.endswith(LEAVE), repr(text[-40:]))
        self.assertEqual(termios.tcgetattr(self.far), self.before, "the terminal is as it was")

    def test_follows(self):
        self.attach()
        self.start("--interval", "0.1")
        self.shows("hitless: 1 pair, no controller; q quits")
        self.shows("sby  primary active, healthy, 1 flips")
        self.expect(0, "switch", "sby", "standby")
        self.shows("sby  standby active, healthy, 2 flips")
        self.shows("veto     operator")
        self.shows("sby primary -> standby operator by operator")
        sh("ip link set pri down")
        self.shows("pri (down)")
        self.expect(0, "detach", "sby")
        self.shows("nothing attached")
        os.write(self.near, b"q")
        self.ended()

    def test_counts_rates(self):
        self.attach()
        self.start("--interval", "0.2")
        sh("ip addr add 192.0.2.1/24 dev sby && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:09 dev sby")
        ping = subprocess.Popen(["ping", "-q", "-i", "0.01", "192.0.2.2"], stdout=subprocess.DEVNULL)
        self.addCleanup(ping.wait)
        self.addCleanup(ping.kill)

        def rate():
            found = re.search(r"primary  pri +tx +(\d+)/s", "\n".join(self.screen()))
            return found and 20 < int(found[1]) < 200
        wait_until(rate, "some 100 frames a second")
        os.write(self.near, b"q")
        self.ended()

    def test_signals_end_it(self):
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(how):
                self.start("--interval", "3600")
                self.shows("nothing attached")
                self.process.send_signal(how)
                self.ended()

    def test_other_keys_do_nothing(self):
        self.start("--interval", "0.1")
        self.shows("nothing attached")
        os.write(self.near, b"xyz\x1b[A")
        self.attach()
        self.shows("sby  primary active")
        os.write(self.near, b"q")
        self.ended()

    def test_fits_and_resizes(self):
        self.attach()
        self.start("--interval", "3600", columns=80, rows=24)
        self.shows("sby  primary active")
        self.assertLessEqual(max(map(len, self.screen())), 80)
        self.seen = ENTER
        self.resize(20, 4)
        self.process.send_signal(signal.SIGWINCH)
        wait_until(self.screen, "drawn anew at once")
        self.assertEqual((len(self.screen()), max(map(len, self.screen()))), (4, 20))
        self.resize(0, 0)
        self.process.send_signal(signal.SIGWINCH)
        self.shows("sby  primary active")
        os.write(self.near, b"q")
        self.ended()

    def test_a_terminal_that_goes_ends_it(self):
        self.start()
        self.shows("nothing attached")
        os.close(self.near)
        wait_until(lambda: self.process.poll() is not None, "it ended")

    def test_where_nothing_can_be_redrawn_it_prints_once(self):
        self.attach()
        text = self.expect(0, "watch").stdout
        self.assertIn("sby  primary active, healthy", text)
        self.assertNotIn("\x1b", text)
        self.start(env={"TERM": "dumb"})
        self.assertEqual(self.process.wait(timeout=30), 0)
        self.assertNotIn("\x1b", self.read())

    def test_names_cannot_steer_the_terminal(self):
        sh("ip link set pri down && ip link set pri name $(printf 'p\\033[2J') && ip link set sby down && "
           "ip link set sby up")
        self.expect(0, "attach", "sby", "--primary", "mac")
        self.start("--interval", "0.1")
        self.shows("p?[2J")
        self.assertNotIn("\x1b[2J", self.read())
        os.write(self.near, b"q")
        self.ended()

    def pictures(self):
        return self.read().count("\x1b[H")

    def cpu(self):
        """Of its only thread, in seconds."""
        with open(f"/proc/{self.process.pid}/schedstat", encoding="utf-8") as file:
            return int(file.read().split()[0]) / 1e9

    def test_costs_little(self):
        self.attach()
        self.start()
        self.shows("sby  primary active")
        bare = least(*in_turns(5, lambda: Cost([HITLESS, "--version"], self.env)), "cpu")
        began, drawn, used = time.monotonic(), self.pictures(), self.cpu()
        wait_until(lambda: self.pictures() >= drawn + 3, "it goes on")
        used, pictures = self.cpu() - used, self.pictures() - drawn
        self.assertLessEqual(pictures, time.monotonic() - began + 2, "one a second")
        self.assertLess(used, 3 * pictures * bare, "a picture costs a few starts of the program")
        os.write(self.near, b"q")
        self.ended()


if __name__ == "__main__":
    unittest.main()
