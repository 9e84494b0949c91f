# SPDX-License-Identifier: BSD-2-Clause
"""Many pairs, many losses at once, many link events. HITLESS_SCALE=256 is the full size."""
import os
import signal
import socket
import statistics
import subprocess
import time
import unittest

from bed import NetCase, netns_cookie, sh, wait_until
from cost import figure
from progrun import Program

PAIRS = int(os.environ.get("HITLESS_SCALE", "16"))
EVENTS = 10_000
ROUNDS = 2
RUNS = 60
MOST_BESIDE_OTHERS = 1.25  # a walk over the others would be several times a frame; the figure is 1.03


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

    def whole(self):
        """Pairs that are published; "stage" is one being made."""
        return [name for name in self.pins() if "-" in name]

    def pair_up(self, count):
        """Seconds until a new controller had so many, of all; it lives on until they are used."""
        there = len(self.whole())
        marks = [there + (count - there) * part // 4 for part in range(1, 5)]
        start = time.monotonic()
        took = []
        controller = self.controller("--config", self.config(count))
        for mark in marks:
            wait_until(lambda so_many=mark: len(self.whole()) >= so_many, "all are paired", 300)
            took.append((mark, time.monotonic() - start))
        wait_until(lambda: all(pair["active"] == "primary" for pair in self.status(0, 2)), "all are used", 300)
        controller.kill()
        controller.wait()
        return took

    def test_losses_of_all_at_once_need_no_userspace(self):
        self.make_nics(PAIRS)
        took = self.pair_up(PAIRS)
        print(f"{PAIRS} pairs by one controller, ms of attach each, by quarters: " + "  ".join(
            f"to {mark}: {(at - before) / (mark - first) * 1e3:.1f}"
            for (mark, at), (first, before) in zip(took, [(0, 0), *took])))
        half, rest = took[1][1], took[3][1] - took[1][1]
        self.assertLess(rest, 3 * half, "attach is linear")
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
        print(f"{PAIRS} primaries lost at once, no controller: the next frame of each pair left by its standby")

    def programs(self):
        """Of the first pair, whose NICs are s0 and p0."""
        own, peer = bytes.fromhex("020000010000"), bytes.fromhex("020000000099")
        index = {name: socket.if_nametoindex(name) for name in ("s0", "p0")}
        pins = f"{self.state}/bpf/{netns_cookie()}-{index['s0']}"
        rest = b"\x08\x00" + bytes(50)
        return {"egress": Program(f"{pins}/egress", peer + own + rest, index["s0"]),
                "ingress_primary": Program(f"{pins}/ingress_primary", own + peer + rest, index["p0"])}

    def test_a_frame_costs_the_same_beside_other_pairs(self):
        """The same pair's programs, alone and beside the others, in turns."""
        self.make_nics(PAIRS)
        self.pair_up(1)
        programs = self.programs()
        costs = {(name, count): [] for name in programs for count in (1, PAIRS)}

        def measure(count):
            self.assertEqual(len(self.whole()), count)
            for _ in range(RUNS):
                for name, program in programs.items():
                    costs[name, count].append(program.ns())

        for _ in range(ROUNDS):
            measure(1)
            self.pair_up(PAIRS)
            measure(PAIRS)
            for i in range(1, PAIRS):
                self.expect(0, "detach", f"s{i}")
        for name, program in programs.items():
            program.close()
            alone, beside = costs[name, 1], costs[name, PAIRS]
            ratio = min(beside) / min(alone)
            print(f"{name}: a frame alone {min(alone):.1f} ns (median {statistics.median(alone):.1f}), beside "
                  f"{PAIRS - 1} pairs {min(beside):.1f} ({statistics.median(beside):.1f}): x {ratio:.3f} "
                  f"({statistics.median(beside) / statistics.median(alone):.3f})")
            self.assertLessEqual(ratio, MOST_BESIDE_OTHERS)

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
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it saw the loss")
        figure("right state after 10,000 link events, by status", [1e3 * (time.monotonic() - start)])


if __name__ == "__main__":
    unittest.main()
