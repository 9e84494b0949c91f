# SPDX-License-Identifier: BSD-2-Clause
"""Many pairs, many losses at once, many link events. HITLESS_SCALE=256 is the full size."""
import os
import signal
import socket
import subprocess
import time
import unittest

from bed import NetCase, sh, wait_until

PAIRS = int(os.environ.get("HITLESS_SCALE", "16"))
EVENTS = 10_000


def batch(lines):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)


class Many(NetCase):
    def make_nics(self, count):
        lines = []
        for i in range(count):
            mac = f"02:00:00:01:{i >> 8:02x}:{i & 255:02x}"
            for kind in "sp":
                lines.append(f"link add {kind}{i} up address {mac} type veth peer name {kind}f{i}")
                lines.append(f"link set {kind}f{i} up" + (" group 7" if kind == "p" else ""))
        batch(lines)

    def config(self, count):
        path = f"{self.state}/{count}.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write("auto_pair = false\n")
            for i in range(count):
                file.write(f"[[pair]]\nstandby = 's{i}'\nprimary = 'p{i}'\n")
        return path

    def pair_up(self, count):
        """Seconds until a new controller had them all; it lives on until they are used."""
        start = time.monotonic()
        controller = self.controller("--config", self.config(count))
        wait_until(lambda: len(self.pins()) == count, "all are paired", 60)
        took = time.monotonic() - start
        wait_until(lambda: all(pair["active"] == "primary" for pair in self.status(0, 2)), "all are used", 60)
        controller.kill()
        controller.wait()
        return took

    def test_losses_of_all_at_once_need_no_userspace(self):
        self.make_nics(PAIRS)
        half, rest = self.pair_up(PAIRS // 2), self.pair_up(PAIRS)
        print(f"{PAIRS} pairs: {half / (PAIRS // 2) * 1e3:.1f} ms each for the first half, "
              f"{rest / (PAIRS - PAIRS // 2) * 1e3:.1f} ms for the second")
        self.assertLess(rest, 2 * half + 0.5, "attach is linear")
        pairs = {pair["name"]: pair for pair in self.status()}
        self.assertEqual(len(pairs), PAIRS)
        sh("ip link set group 7 down")
        for i in range(PAIRS):
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
                out.bind((f"s{i}", 0x88B5))
                out.send(b"\xff" * 6 + bytes.fromhex(f"02000001{i:04x}") + b"\x88\xb5" + bytes(46))
        for after in self.status(2):
            before = pairs[after["name"]]
            self.assertEqual(after["active"], "standby", after)
            self.assertIn("down-seen", after["veto"])
            sent = {path: after["counters"][path] - before["counters"][path] for path in ("tx_primary", "tx_standby")}
            self.assertGreaterEqual(sent["tx_standby"], 1, after["name"])

    def test_events_beyond_what_the_socket_holds(self):
        self.attach()
        controller = self.controller("--config", "/dev/null")
        self.assertEqual(self.status()[0]["active"], "primary")
        controller.send_signal(signal.SIGSTOP)
        sh("ip link add noise type veth peer name noise_far")
        batch([f"link set noise txqueuelen {1 + i % 2}" for i in range(EVENTS)])
        sh("ip link set pri down")
        controller.send_signal(signal.SIGCONT)
        start = time.monotonic()
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it saw the loss", 2)
        print(f"{EVENTS} events: right state {1e3 * (time.monotonic() - start):.0f} ms after quiet, by status")
        self.assertLess(time.monotonic() - start, 0.5)


if __name__ == "__main__":
    unittest.main()
