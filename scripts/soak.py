# SPDX-License-Identifier: BSD-2-Clause
"""Changes a running pair at random, and holds it to two sentences after each change:

- after a harmless change `hitless status` is 0 again, and pings pass;
- after any change pings pass, or `hitless status` is not 0.

A seed gives the same trace again. When a sentence does not hold, the trace is made as short as it can be and
still fail, and printed with the seed, what `status` and `doctor` say and what the controller logged.

    scripts/soak --events 500 --seed 7
    scripts/soak --seed 7 --trace "filter_in,undo,switch_standby"     # one trace, by name
"""
import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HITLESS = os.environ.get("HITLESS", "hitless")
MAC = "02:00:00:00:00:01"
GUEST, FAR = "192.0.2.2", "192.0.2.1"
PATIENCE = 30  # seconds for what ought to happen at all
SEES = ("bpf", "bytecode", "1,6 0 0 0", "flowid", "1:1")  # a filter that lets every frame go on
TAKES = ("u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect", "dev", "lo")  # and one that does not
MS_REC, MS_PRIVATE, CLONE_NEWNS = 0x4000, 0x40000, 0x20000

libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """One of the two sentences does not hold."""


def run(*command, env=None):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, timeout=120,
                          check=False)


def until(predicate, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > end:
            return value
        time.sleep(0.02)
    return value


class Bed:
    """A guest with two NICs of one MAC, a switch that learns, a host behind it, and the product."""

    def __init__(self):
        self.name = f"soak-{os.getpid()}-{random.SystemRandom().randrange(1 << 20)}"
        self.g, self.s, self.f, self.away = (f"{self.name}-{end}" for end in "gsfx")
        self.state = tempfile.mkdtemp(prefix="hitless-soak-")
        self.env = {**os.environ, "HITLESS_STATE_DIR": self.state, "LC_ALL": "C"}
        self.controller = None
        self.log = tempfile.TemporaryFile("w+")

    def __enter__(self):
        for netns in (self.g, self.s, self.f, self.away):
            self.must("ip", "netns", "add", netns)
        self.must("ip", "-n", self.s, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.must("ip", "-n", self.s, "link", "set", "br0", "up")
        self.plug("eth0")
        self.plug("eth1")
        self.must("ip", "-n", self.f, "link", "add", "lan", "type", "veth", "peer", "name", "swf", "netns", self.s)
        self.must("ip", "-n", self.s, "link", "set", "swf", "master", "br0", "up")
        for netns, device, address in ((self.f, "lan", FAR), (self.g, "eth0", GUEST)):
            self.must("ip", "-n", netns, "addr", "add", f"{address}/24", "dev", device)
            self.must("ip", "-n", netns, "link", "set", device, "up")
        self.must(*self.inside, HITLESS, "attach", "eth0", "--primary", "eth1", "--hold-down", "20")
        self.start()
        if not until(self.is_healthy):
            raise Broken("the pair does not become healthy at the start")
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGTERM)
        run(*self.inside, HITLESS, "detach", "--all", env=self.env)
        for netns in (self.g, self.s, self.f, self.away):
            run("ip", "netns", "del", netns)
        run("umount", "-l", f"{self.state}/bpf")
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def inside(self):
        return ("nsenter", f"--net=/run/netns/{self.g}")

    def must(self, *command):
        done = run(*command, env=self.env)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def plug(self, nic):
        """As a hypervisor does: down, with its MAC."""
        port = f"sw{nic[3:]}"
        self.must("ip", "-n", self.g, "link", "add", nic, "address", MAC, "type", "veth", "peer", "name", port,
                  "netns", self.s)
        self.must("ip", "-n", self.s, "link", "set", port, "master", "br0", "up")

    def start(self):
        self.controller = subprocess.Popen([*self.inside, HITLESS, "run"], env=self.env, stdout=self.log,
                                           stderr=self.log)

    def stop(self, by):
        if self.controller:
            self.controller.send_signal(by)
            self.controller.wait(timeout=PATIENCE)
        self.controller = None

    def hitless(self, *words):
        return run(*self.inside, HITLESS, *words, env=self.env)

    def status(self):
        return self.hitless("status").returncode

    def is_healthy(self):
        return self.status() == 0

    def pings(self):
        return run("ip", "netns", "exec", self.g, "ping", "-c", "3", "-i", "0.05", "-W", "1", FAR).returncode == 0

    def guest(self, *command):
        return self.must("ip", "netns", "exec", self.g, *command)

    def said(self):
        self.log.seek(0)
        return self.log.read()


# Each change: name -> (do, undo or None, harmless). A harmless one leaves the pair as healthy as it was. Others
# may harm it; their undoing is harmless again once the product has had time.
def changes(bed):
    ip = lambda *words: bed.must("ip", "-n", bed.g, *words)
    switch = lambda *words: bed.must("ip", "-n", bed.s, *words)
    tc = lambda *words: bed.must("tc", "-n", bed.g, *words)

    def restart(by):
        bed.stop(by)
        bed.start()

    def attach_again():
        if bed.hitless("detach", "eth0").returncode == 0:
            bed.must(*bed.inside, HITLESS, "attach", "eth0", "--primary", "eth1", "--hold-down", "20")

    def replug():
        ip("link", "del", "eth1")
        bed.plug("eth1")

    def remove_pins():
        for pair in os.listdir(f"{bed.state}/bpf"):
            for pin in ("twins", "knobs"):
                if os.path.exists(f"{bed.state}/bpf/{pair}/{pin}"):
                    os.unlink(f"{bed.state}/bpf/{pair}/{pin}")

    def filters(device, half):
        tc("filter", "add", "dev", device, half, "prio", "7", *SEES)

    def mtu(value):
        switch("link", "set", "sw0", "mtu", value)
        switch("link", "set", "sw1", "mtu", value)
        ip("link", "set", "eth0", "mtu", value)

    nothing = None
    return {
        # What a pair must bear.
        "switch_standby": (lambda: bed.hitless("switch", "eth0", "standby", "--wait"),
                           lambda: bed.hitless("switch", "eth0", "auto", "--wait"), True),
        "killed": (lambda: restart(signal.SIGKILL), nothing, True),
        "restarted": (lambda: restart(signal.SIGTERM), nothing, True),
        "attached_again": (attach_again, nothing, True),
        "replugged": (replug, nothing, True),
        "renamed": (lambda: (ip("link", "set", "eth1", "down"), ip("link", "set", "eth1", "name", "vf0"),
                             ip("link", "set", "vf0", "name", "eth1"), ip("link", "set", "eth1", "up")), nothing, True),
        "ingress_qdisc": (lambda: (run("tc", "-n", bed.g, "qdisc", "del", "dev", "eth0", "clsact"),
                                   tc("qdisc", "add", "dev", "eth0", "ingress"),
                                   tc("filter", "add", "dev", "eth0", "parent", "ffff:", "prio", "7", *SEES)),
                          lambda: tc("qdisc", "del", "dev", "eth0", "ingress"), True),
        "filter_out": (lambda: (tc("qdisc", "replace", "dev", "eth0", "clsact"), filters("eth0", "egress")),
                       lambda: tc("filter", "del", "dev", "eth0", "egress", "prio", "7"), True),
        "queue": (lambda: tc("qdisc", "replace", "dev", "eth0", "root", "pfifo"),
                     lambda: tc("qdisc", "del", "dev", "eth0", "root"), True),
        "address": (lambda: ip("addr", "add", "198.51.100.2/24", "dev", "eth0"),
                    lambda: ip("addr", "del", "198.51.100.2/24", "dev", "eth0"), True),
        "mtu": (lambda: mtu("1400"), lambda: mtu("1500"), True),
        "neighbours_flushed": (lambda: ip("neigh", "flush", "dev", "eth0"), nothing, True),
        "tables_flushed": (lambda: run("bridge", "-n", bed.s, "fdb", "flush", "dev", "br0"), nothing, True),
        "macvlan": (lambda: ip("link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "private"),
                    lambda: ip("link", "del", "mv0"), True),
        # What may harm it, and must then be said.
        "carrier": (lambda: switch("link", "set", "sw1", "down"), lambda: switch("link", "set", "sw1", "up"), False),
        "standby_carrier": (lambda: switch("link", "set", "sw0", "down"), lambda: switch("link", "set", "sw0", "up"),
                            False),
        "hole": (lambda: bed.must("bridge", "-n", bed.s, "link", "set", "dev", "sw1", "state", "0"),
                 lambda: bed.must("bridge", "-n", bed.s, "link", "set", "dev", "sw1", "state", "3"), False),
        "unplugged": (lambda: ip("link", "del", "eth1"), lambda: bed.plug("eth1"), False),
        "moved_away": (lambda: ip("link", "set", "eth1", "netns", bed.away),
                       lambda: bed.must("ip", "-n", bed.away, "link", "set", "eth1", "netns", bed.g), False),
        "no_controller": (lambda: bed.stop(signal.SIGKILL), lambda: bed.start(), False),
        "stopped": (lambda: bed.controller.send_signal(signal.SIGSTOP),
                    lambda: bed.controller.send_signal(signal.SIGCONT), False),
        "shaped": (lambda: tc("qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "8mbit", "burst", "32k",
                              "limit", "100k"), lambda: tc("qdisc", "del", "dev", "eth0", "root"), False),
        "clsact_removed": (lambda: (tc("qdisc", "replace", "dev", "eth0", "clsact"), filters("eth0", "egress"),
                                    tc("qdisc", "del", "dev", "eth0", "clsact")), nothing, False),
        "filtered_in": (lambda: (tc("qdisc", "replace", "dev", "eth1", "clsact"),
                                 tc("filter", "add", "dev", "eth1", "ingress", "prio", "7", *TAKES)), lambda: tc("qdisc", "del", "dev", "eth1", "clsact"), False),
        # The route of whoever has it first is used, and nobody answers the primary's questions for neighbours.
        "own_address": (lambda: (ip("addr", "add", f"{GUEST}/24", "dev", "eth1"),
                                 ip("addr", "del", f"{GUEST}/24", "dev", "eth0"),
                                 ip("addr", "add", f"{GUEST}/24", "dev", "eth0")),
                        lambda: ip("addr", "flush", "dev", "eth1"), False),
        "allmulti": (lambda: ip("link", "set", "eth1", "allmulticast", "off"), nothing, False),
        "primary_mtu": (lambda: ip("link", "set", "eth1", "mtu", "1300"),
                        lambda: ip("link", "set", "eth1", "mtu", "1500"), False),
        "primary_mac": (lambda: ip("link", "set", "eth1", "address", "02:00:00:00:00:99"),
                        lambda: ip("link", "set", "eth1", "address", MAC), False),
        "pins_removed": (remove_pins, attach_again, False),
        "detached": (lambda: bed.hitless("detach", "eth0"),
                     lambda: bed.must(*bed.inside, HITLESS, "attach", "eth0", "--primary", "eth1"), False),
    }


def judge(bed, name, harmless):
    """The two sentences. A change is given time: what it harms may be noticed, or mended, a moment later."""
    if harmless:
        if not until(lambda: bed.is_healthy() and bed.pings()):
            raise Broken(f"{name} is harmless, and status says {bed.status()}, pings "
                         f"{'pass' if bed.pings() else 'do not pass'}")
    elif not until(lambda: bed.pings() or bed.status() != 0):
        raise Broken(f"after {name} no ping passes, and status says 0")


def play(trace, progress=lambda done: None):
    """None, or what does not hold, at which step, and what there is to see."""
    with Bed() as bed:
        known = changes(bed)
        for at, name in enumerate(trace):
            do, undo, harmless = known[name]
            try:
                do()
                judge(bed, name, harmless)
                if undo:
                    undo()
                judge(bed, f"undoing {name}" if undo else f"the end of {name}", True)
            except (Broken, OSError) as error:
                seen = "".join(f"$ hitless {' '.join(words)}\n{(done := bed.hitless(*words)).stdout}{done.stderr}"
                               for words in (["status"], ["explain"], ["doctor"]))
                return at, str(error), seen + "controller:\n" + bed.said()
            progress(at + 1)
    return None


def shorten(trace, tries):
    """Leaves out what need not be there, the longest stretches first."""
    last, size = trace[-1], max(1, (len(trace) - 1) // 2)
    before = trace[:-1]
    while size and before and tries:
        for start in range(0, len(before), size):
            shorter = before[:start] + before[start + size:]
            tries -= 1
            if play([*shorter, last]):
                before = shorter
                break
            if not tries:
                break
        else:
            size //= 2
        size = min(size, len(before))
    return [*before, last]


def parse():
    parser = argparse.ArgumentParser(prog="scripts/soak", description="changes a running pair at random")
    parser.add_argument("--events", type=int, metavar="N", help="how many changes (default: 100)")
    parser.add_argument("--seconds", type=int, metavar="S", help="stop after that long instead")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), metavar="S")
    parser.add_argument("--trace", metavar="NAME,...", help="play these changes, not random ones")
    parser.add_argument("--tries", type=int, default=20, metavar="N", help="runs to make a failing trace shorter")
    parser.add_argument("-j", dest="json", action="store_true", help="the result as JSON")
    return parser.parse_args()


def isolate_mounts():
    """The bpffs of this run goes with it."""
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        sys.exit(f"soak: needs root: {os.strerror(ctypes.get_errno())}")


def main():
    asked = parse()
    isolate_mounts()
    names = sorted(changes(None))
    chance = random.Random(asked.seed)
    count = asked.events or (10_000 if asked.seconds else 100)
    trace = asked.trace.split(",") if asked.trace else [chance.choice(names) for _ in range(count)]
    if unknown := set(trace) - set(names):
        sys.exit(f"soak: no such change: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    print(f"seed {asked.seed}", flush=True)
    end = time.monotonic() + asked.seconds if asked.seconds else None
    passed, failure = 0, None
    # In pieces, each on a bed of its own: a failure is found again in seconds.
    while passed < len(trace) and not failure and not (end and time.monotonic() > end):
        piece = trace[passed:passed + 20]
        failure = play(piece, lambda done, base=passed: print(f"\r{base + done} changes", end="", file=sys.stderr))
        passed += failure[0] if failure else len(piece)
    print(file=sys.stderr)
    result = {"version": 1, "ok": not failure, "seed": asked.seed, "events": passed}
    if failure:
        at, why, seen = failure
        shortest = shorten(piece[:at + 1], asked.tries)
        print(f"FAILED: {why}\n{seen}\nagain: scripts/soak --seed {asked.seed} --trace {','.join(shortest)}")
        result |= {"why": why, "trace": shortest}
    print(json.dumps(result) if asked.json else f"{passed} changes, {1 if failure else 0} failed")
    sys.exit(1 if failure else 0)


if __name__ == "__main__":
    main()
