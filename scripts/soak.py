# SPDX-License-Identifier: BSD-2-Clause
"""Changes a running pair at random, and holds it to three sentences after each change:

- after a harmless change `hitless status` is 0 again, and pings pass;
- after any change pings pass, or `hitless status` is not 0;
- after a change that docs/ says is named `hitless status` is not 0, whether pings pass or not.

With --overlap 2 a change is undone after the next one only, so that two are there at once; the first sentence then
holds when none of them may harm. A seed gives the same trace again. When a sentence does not hold, the trace is made
as short as it can be and still fail, and printed with the seed, what `status` and `doctor` say and what the controller
logged.

    scripts/soak --events 500 --seed 7 --overlap 2
    scripts/soak --seed 7 --trace filtered_in,switch_standby     # one trace, by name
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

from small_programs import TCX_NEXT, TCX_PASS, XDP_DROP, Attached

HITLESS = os.environ.get("HITLESS", "hitless")
MAC = "02:00:00:00:00:01"
GUEST, FAR = "192.0.2.2", "192.0.2.1"
PATIENCE = 30  # seconds for what ought to happen at all
SEES = ("bpf", "bytecode", "1,6 0 0 0", "flowid", "1:1")  # a filter that lets every frame go on
TAKES = ("u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect", "dev", "lo")  # and one that does not
MS_REC, MS_PRIVATE, CLONE_NEWNS, CLONE_NEWNET = 0x4000, 0x40000, 0x20000, 0x40000000
WITH_TCX = ("program_out", "tcx_ends", "tcx_ends_in")
HARMLESS, HARMFUL, NAMED = "harmless", "harmful", "named"

libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """One of the three sentences does not hold."""


def run(*command, env=None):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, timeout=120,
                          check=False)


def until(predicate):
    end = time.monotonic() + PATIENCE
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
        self.others = {}  # programs of somebody else's, by the change that brought them
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
        for name in list(self.others):
            self.take_other(name)
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
        if self.controller and self.controller.poll() is None:
            return
        self.controller = subprocess.Popen([*self.inside, HITLESS, "run"], env=self.env, stdout=self.log,
                                           stderr=self.log)

    def stop(self, by):
        if self.controller:
            self.controller.send_signal(by)
            self.controller.send_signal(signal.SIGCONT)  # it may be stopped
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

    def attach(self):
        """Anew: its primary may be away."""
        self.must(*self.inside, HITLESS, "attach", "eth0", "--primary", "mac", "--hold-down", "20")

    def attach_other(self, name, device, place, verdict):
        """A program of somebody else's on a device of the guest. OSError where the kernel has no such place."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            with open(f"/run/netns/{self.g}", encoding="ascii") as guest:
                libc.setns(guest.fileno(), CLONE_NEWNET)
            self.others[name] = Attached(device, place, verdict)
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)

    def take_other(self, name):
        self.others.pop(name).close()

    def pairs(self):
        """By their directories, of whatever namespace."""
        return [name for name in os.listdir(f"{self.state}/bpf") if "." not in name]

    def said(self):
        self.log.seek(0)
        return self.log.read()


# Each change: name -> (do, undo or None, what it is). A harmless one leaves the pair as healthy as it was. Others
# may harm it; their undoing is harmless again once the product has had time. Of some of these docs/ says that they are
# named.
def changes(bed):
    ip = lambda *words: bed.must("ip", "-n", bed.g, *words)
    switch = lambda *words: bed.must("ip", "-n", bed.s, *words)
    tc = lambda *words: bed.must("tc", "-n", bed.g, *words)

    def restart(by):
        bed.stop(by)
        bed.start()

    def signal_controller(number):
        if bed.controller:
            bed.controller.send_signal(number)

    def attach_again():
        if bed.hitless("detach", "eth0").returncode == 0:
            bed.attach()

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

    def delete_a_namespace():
        """With a pair of its own there, and without a word to anybody."""
        name = f"{bed.name}-o"
        try:
            bed.must("ip", "netns", "add", name)
            for nic in ("eth0", "eth1"):
                bed.must("ip", "-n", name, "link", "add", nic, "address", MAC, "type", "veth", "peer", "name", f"far-{nic}")
                bed.must("ip", "-n", name, "link", "set", nic, "up")
            bed.must(HITLESS, "-n", name, "attach", "eth0", "--primary", "eth1")
        finally:
            run("ip", "netns", "del", name)

    def collect():
        attach_again()
        if len(left := bed.pairs()) > 1:
            raise Broken(f"the pair of a namespace that is gone is still there after an attach: {left}")

    def mtu(value):
        switch("link", "set", "sw0", "mtu", value)
        switch("link", "set", "sw1", "mtu", value)
        ip("link", "set", "eth0", "mtu", value)

    nothing = None
    return {
        # What a pair must bear.
        "switch_standby": (lambda: bed.hitless("switch", "eth0", "standby", "--wait"),
                           lambda: bed.hitless("switch", "eth0", "auto", "--wait"), HARMLESS),
        "killed": (lambda: restart(signal.SIGKILL), nothing, HARMLESS),
        "restarted": (lambda: restart(signal.SIGTERM), nothing, HARMLESS),
        "attached_again": (attach_again, nothing, HARMLESS),
        "replugged": (replug, nothing, HARMLESS),
        "renamed": (lambda: (ip("link", "set", "eth1", "down"), ip("link", "set", "eth1", "name", "vf0"),
                             ip("link", "set", "vf0", "name", "eth1"), ip("link", "set", "eth1", "up")), nothing, HARMLESS),
        "ingress_qdisc": (lambda: (run("tc", "-n", bed.g, "qdisc", "del", "dev", "eth0", "clsact"),
                                   tc("qdisc", "add", "dev", "eth0", "ingress"),
                                   tc("filter", "add", "dev", "eth0", "parent", "ffff:", "prio", "7", *SEES)),
                          lambda: tc("qdisc", "del", "dev", "eth0", "ingress"), HARMLESS),
        "filter_out": (lambda: (tc("qdisc", "replace", "dev", "eth0", "clsact"), filters("eth0", "egress")),
                       lambda: tc("filter", "del", "dev", "eth0", "egress", "prio", "7"), HARMLESS),
        "queue": (lambda: tc("qdisc", "replace", "dev", "eth0", "root", "pfifo"),
                     lambda: tc("qdisc", "del", "dev", "eth0", "root"), HARMLESS),
        "address": (lambda: ip("addr", "add", "198.51.100.2/24", "dev", "eth0"),
                    lambda: ip("addr", "del", "198.51.100.2/24", "dev", "eth0"), HARMLESS),
        "mtu": (lambda: mtu("1400"), lambda: mtu("1500"), HARMLESS),
        "neighbours_flushed": (lambda: ip("neigh", "flush", "dev", "eth0"), nothing, HARMLESS),
        "tables_flushed": (lambda: run("bridge", "-n", bed.s, "fdb", "flush", "dev", "br0"), nothing, HARMLESS),
        "macvlan": (lambda: ip("link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "private"),
                    lambda: ip("link", "del", "mv0"), HARMLESS),
        "program_out": (lambda: bed.attach_other("program_out", "eth0", "tcx_egress", TCX_NEXT),
                        lambda: bed.take_other("program_out"), HARMLESS),
        "netns_deleted": (delete_a_namespace, collect, HARMLESS),
        # What may harm it, and must then be said.
        "carrier": (lambda: switch("link", "set", "sw1", "down"), lambda: switch("link", "set", "sw1", "up"), HARMFUL),
        "standby_carrier": (lambda: switch("link", "set", "sw0", "down"), lambda: switch("link", "set", "sw0", "up"),
                            HARMFUL),
        "hole": (lambda: bed.must("bridge", "-n", bed.s, "link", "set", "dev", "sw1", "state", "0"),
                 lambda: bed.must("bridge", "-n", bed.s, "link", "set", "dev", "sw1", "state", "3"), HARMFUL),
        "unplugged": (lambda: ip("link", "del", "eth1"), lambda: bed.plug("eth1"), HARMFUL),
        "moved_away": (lambda: ip("link", "set", "eth1", "netns", bed.away),
                       lambda: bed.must("ip", "-n", bed.away, "link", "set", "eth1", "netns", bed.g), HARMFUL),
        "no_controller": (lambda: bed.stop(signal.SIGKILL), lambda: bed.start(), HARMFUL),
        "stopped": (lambda: signal_controller(signal.SIGSTOP), lambda: signal_controller(signal.SIGCONT), HARMFUL),
        "shaped": (lambda: tc("qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "8mbit", "burst", "32k",
                              "limit", "100k"), lambda: tc("qdisc", "del", "dev", "eth0", "root"), NAMED),
        "clsact_removed": (lambda: (tc("qdisc", "replace", "dev", "eth0", "clsact"), filters("eth0", "egress"),
                                    tc("qdisc", "del", "dev", "eth0", "clsact")), nothing, HARMFUL),
        "filtered_in": (lambda: (tc("qdisc", "replace", "dev", "eth1", "clsact"),
                                 tc("filter", "add", "dev", "eth1", "ingress", "prio", "7", *TAKES)), lambda: tc("qdisc", "del", "dev", "eth1", "clsact"), HARMFUL),
        # The route of whoever has it first is used, and nobody answers the primary's questions for neighbours.
        "own_address": (lambda: (ip("addr", "add", f"{GUEST}/24", "dev", "eth1"),
                                 ip("addr", "del", f"{GUEST}/24", "dev", "eth0"),
                                 ip("addr", "add", f"{GUEST}/24", "dev", "eth0")),
                        lambda: ip("addr", "flush", "dev", "eth1"), NAMED),
        "route": (lambda: ip("route", "add", "203.0.113.0/24", "dev", "eth1"),
                  lambda: ip("route", "del", "203.0.113.0/24", "dev", "eth1"), NAMED),
        "xdp_drop": (lambda: bed.attach_other("xdp_drop", "eth1", "xdp", XDP_DROP),
                     lambda: bed.take_other("xdp_drop"), NAMED),
        "tcx_ends": (lambda: bed.attach_other("tcx_ends", "eth0", "tcx_egress", TCX_PASS),
                     lambda: bed.take_other("tcx_ends"), NAMED),
        "tcx_ends_in": (lambda: bed.attach_other("tcx_ends_in", "eth1", "tcx_ingress", TCX_PASS),
                        lambda: bed.take_other("tcx_ends_in"), NAMED),
        "allmulti": (lambda: ip("link", "set", "eth1", "allmulticast", "off"), nothing, HARMFUL),
        "primary_mtu": (lambda: ip("link", "set", "eth1", "mtu", "1300"),
                        lambda: ip("link", "set", "eth1", "mtu", "1500"), HARMFUL),
        "primary_mac": (lambda: ip("link", "set", "eth1", "address", "02:00:00:00:00:99"),
                        lambda: ip("link", "set", "eth1", "address", MAC), HARMFUL),
        "pins_removed": (remove_pins, attach_again, HARMFUL),
        "detached": (lambda: bed.hitless("detach", "eth0"),
                     lambda: bed.attach(), HARMFUL),
    }


def judge(bed, name, what):
    """The three sentences. A change is given time: what it harms may be noticed, or mended, a moment later."""
    if what == HARMLESS:
        if not until(lambda: bed.is_healthy() and bed.pings()):
            raise Broken(f"{name} is harmless, and status says {bed.status()}, pings "
                         f"{'pass' if bed.pings() else 'do not pass'}")
    elif what == NAMED:
        if not until(lambda: bed.status() != 0):
            raise Broken(f"after {name} status says 0, and docs/ says that it is named")
    elif not until(lambda: bed.pings() or bed.status() != 0):
        raise Broken(f"after {name} no ping passes, and status says 0")


class Play:
    """One trace on one bed. Of the changes that can be undone, `overlap` - 1 are left in place beside the next."""

    def __init__(self, bed, overlap):
        self.bed, self.overlap, self.known = bed, overlap, changes(bed)
        self.pending, self.refused = [], False

    def step(self, name):
        do, undo, what = self.known[name]
        while any(other == name for other, _ in self.pending):
            self.undo_first()
        alone = not self.pending
        try:
            do()
        except OSError:
            if alone:
                raise
            self.refused = True  # beside what is there: a NIC is gone, a place is taken
            return
        if undo:
            self.pending.append((name, undo))
        if alone or (what == HARMLESS and self.harmless()):
            judge(self.bed, name, what)
        else:
            others = ", ".join(other for other, _ in self.pending if other != name)
            judge(self.bed, f"{name} beside {others}", HARMFUL)
        while len(self.pending) >= self.overlap:
            self.undo_first()
        if not undo and not self.pending:
            judge(self.bed, f"the end of {name}", HARMLESS)

    def harmless(self):
        """Beside an operator's choice of the standby nothing is proved (ADR 7), and status may say so."""
        return all(self.known[name][2] == HARMLESS and name != "switch_standby" for name, _ in self.pending)

    def undo_first(self):
        name, undo = self.pending.pop(0)
        try:
            undo()
        except OSError:
            if self.overlap == 1:
                raise
            self.refused = True  # it may have gone with the device, or not go yet
        self.attach_again()
        judge(self.bed, f"undoing {name}", HARMLESS if self.harmless() else HARMFUL)

    def attach_again(self):
        """What was refused beside an address of the primary's own."""
        if self.refused and all(name != "detached" for name, _ in self.pending) and self.bed.status() == 3:
            try:
                self.bed.attach()
            except OSError:
                if not self.pending:
                    raise

    def end(self):
        while self.pending:
            self.undo_first()


def play(trace, overlap, progress=lambda done: None):
    """None, or what does not hold, at which step, and what there is to see."""
    with Bed() as bed:
        game, at = Play(bed, overlap), 0
        try:
            for at, name in enumerate(trace):
                game.step(name)
                progress(at + 1)
            game.end()
        except (Broken, OSError) as error:
            seen = "".join(f"$ hitless {' '.join(words)}\n{(done := bed.hitless(*words)).stdout}{done.stderr}"
                           for words in (["status"], ["explain"], ["doctor"]))
            return at, str(error), seen + "controller:\n" + bed.said()
    return None


def shorten(trace, overlap, tries):
    """Leaves out what need not be there, the longest stretches first."""
    last, size = trace[-1], max(1, (len(trace) - 1) // 2)
    before = trace[:-1]
    while size and before and tries:
        for start in range(0, len(before), size):
            shorter = before[:start] + before[start + size:]
            tries -= 1
            if play([*shorter, last], overlap):
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
    parser.add_argument("--overlap", type=int, default=1, metavar="N", help="how many are there at once (default: 1)")
    parser.add_argument("--tries", type=int, default=20, metavar="N", help="runs to make a failing trace shorter")
    parser.add_argument("--patience", type=int, default=PATIENCE, metavar="S",
                        help="how long a sentence may take to hold (default: %(default)s)")
    parser.add_argument("-j", dest="json", action="store_true", help="the result as JSON")
    return parser.parse_args()


def has_tcx():
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (6, 6)


def isolate_mounts():
    """The bpffs of this run goes with it."""
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        sys.exit(f"soak: needs root: {os.strerror(ctypes.get_errno())}")


def main():
    global PATIENCE
    asked = parse()
    PATIENCE = asked.patience
    isolate_mounts()
    names = sorted(name for name in changes(None) if has_tcx() or name not in WITH_TCX)
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
        failure = play(piece, asked.overlap, lambda done, base=passed: print(f"\r{base + done} changes", end="", file=sys.stderr))
        passed += failure[0] if failure else len(piece)
    print(file=sys.stderr)
    result = {"version": 1, "ok": not failure, "seed": asked.seed, "events": passed}
    if failure:
        at, why, seen = failure
        shortest = shorten(piece[:at + 1], asked.overlap, asked.tries)
        print(f"FAILED: {why}\n{seen}\nagain: scripts/soak --seed {asked.seed} --overlap {asked.overlap} --trace "
              f"{','.join(shortest)}")
        result |= {"why": why, "trace": shortest}
    print(json.dumps(result) if asked.json else f"{passed} changes, {1 if failure else 0} failed")
    sys.exit(1 if failure else 0)


if __name__ == "__main__":
    main()
