# SPDX-License-Identifier: BSD-2-Clause
"""What a scenario file says, and the trial that its `run` is given.

A file in scenarios/ has a docstring (its first line is the title), a MATRIX of what to run it on, and
a function `run(trial)`. Every combination of the matrix is a case: its own sandbox, guest and log.
"""
import contextlib
import importlib.util
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import binaries, events, fetch, machine, network, nics, peers
from .cache import LabError
from .traffic import Tally, Traffic

STARVED = 0.2  # share of the time without a CPU from which a figure is no longer the guest's
MARGIN = 30  # frames: an emulated NIC on a shared host says late that its carrier is gone
PATIENCE = 30  # seconds for what takes one: the host may be slow, and busy with others
GLANCE = 0.2  # seconds in which one sees whether frames flow
FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
KERNELS = ("6.1", "6.12")


class Skip(Exception):
    pass


@dataclass(frozen=True)
class Matrix:
    kernels: tuple[str, ...] = KERNELS     # "newest": that is in the cache
    qemus: tuple[str, ...] = ("newest",)
    primaries: tuple[str, ...] = ("e1000e",)
    peers: tuple[str, ...] = ("none",)
    native_hotplug: tuple[bool, ...] = (False,)
    rate: int = 0          # frames a second each way while `run` runs; 0: no traffic
    silent: bool = False   # the guest only receives
    timeout: int = 400
    programs: tuple[str, ...] = ()  # host-built, beside what peer and traffic need
    host: tuple[str, ...] = ()      # what is installed here, by path: programs for /usr/bin, files as they are
    by_default: bool = True         # part of `lab run` without arguments


@dataclass(frozen=True)
class Case:
    scenario: str
    kernel: str
    qemu: str
    primary: str
    peer: str
    native: bool

    @property
    def name(self) -> str:
        words = [self.scenario, self.kernel, f"qemu{self.qemu}", self.primary, self.peer]
        return ":".join(words + (["native"] if self.native else []))


def load(name: str):
    path = FOLDER / f"{name}.py"
    if not path.exists():
        raise LabError(f"no scenario {name} in {FOLDER}")
    description = importlib.util.spec_from_file_location(f"scenario_{name}", path)
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


def names() -> list[str]:
    """Of the scenarios that run by default."""
    every = sorted(path.stem for path in FOLDER.glob("*.py"))
    return [name for name in every if load(name).MATRIX.by_default]


def cases(name: str) -> list[Case]:
    matrix = load(name).MATRIX
    kernels = dict.fromkeys(newest("kernel", KERNELS) if k == "newest" else k for k in matrix.kernels)
    qemus = dict.fromkeys(newest("qemu", ("7", "10")) if q == "newest" else q for q in matrix.qemus)
    return [Case(name, *words) for words in itertools.product(
        kernels, qemus, matrix.primaries, matrix.peers, matrix.native_hotplug)]


def newest(kind: str, versions: tuple[str, ...]) -> str:
    """The last of the versions that is in the cache; the first when none is."""
    present = [version for version in versions if fetch.BUNDLES[f"{kind}-{version}"].present]
    return (present or versions)[-1 if present else 0]


@dataclass
class Outcome:
    """One event under traffic. Without traffic there is only the proof."""
    event: str
    proof: str
    up: Tally | None = None
    down: Tally | None = None
    before: str = ""      # the slot that carried the traffic
    after: str = ""
    starved: float = 0.0  # share of the time for which QEMU waited for a CPU of the host
    silent: bool = False  # the guest only received
    flowed: bool = True   # just before the event, whichever way is counted
    up_back: bool = True  # frames arrived again at the end of the time given
    down_back: bool = True


@dataclass
class Trial:
    case: Case
    guest: machine.Machine
    peer: peers.Peer
    master: str
    programs: dict[str, Path]
    traffic: Traffic | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)  # figures to reach one day, not reached today

    @contextlib.contextmanager
    def flow(self, rate: int, silent: bool = False, **where):
        """Numbered frames both ways, or only to the guest, for the length of the block."""
        with Traffic(self.guest, self.programs["hl-traffic"], rate, silent, **where) as self.traffic:
            yield
        self.traffic = None

    def event(self, name: str, settle: float = 1.0, patience: float = 0) -> Outcome:
        """Makes it happen; counts from just before to `settle` seconds after its proof, and when
        nothing arrives by then, until it does or `patience` seconds are over."""
        return self.measure(name, lambda: self.event_only(name), settle, patience)

    def event_only(self, name: str) -> str:
        return events.EVENTS[name](self.guest)

    def measure(self, name: str, action, settle: float = 1.0, patience: float = 0) -> Outcome:
        if not self.traffic:
            outcome = Outcome(name, action() or "")
        else:
            outcome = self._counted(name, action, settle, patience)
        self.outcomes.append(outcome)
        self.guest.log(f"event {name}: {outcome}")
        return outcome

    def _counted(self, name: str, action, settle: float, patience: float) -> Outcome:
        traffic, machine = self.traffic, self.guest
        before = self.path()
        earlier = traffic.mark()
        time.sleep(GLANCE)
        waited, begin, mark = machine.starved(), time.monotonic(), traffic.mark()
        flowed = all(_flows(tally) for tally in traffic.between(earlier, mark))
        resumed = []  # what is sent to a guest whose CPU stands still is the emulator's loss
        machine.before_resuming = lambda: resumed.append(traffic.mark_down())
        outcome = Outcome(name, action() or "", before=before, silent=traffic.silent, flowed=flowed)
        mark = (mark[0], *(resumed or [mark[1]])[-1:])
        deadline = time.monotonic() + patience
        time.sleep(max(0.0, settle - GLANCE))
        while True:
            late = traffic.mark()
            time.sleep(GLANCE)
            end = traffic.mark()
            outcome.up_back, outcome.down_back = (_flows(tally) for tally in traffic.between(late, end))
            if outcome.up_back and outcome.down_back or time.monotonic() > deadline:
                break
        outcome.up, outcome.down = traffic.between(mark, end)
        if self.guest is not machine:
            waited = 0  # the guest has moved: its new QEMU has waited for nothing else
        outcome.starved = (self.guest.starved() - waited) / (time.monotonic() - begin)
        outcome.after = self.path()
        return outcome

    def path(self) -> str:
        return network.path_down() if self.traffic.silent else network.path_up()

    def on_primary(self, patience: float = PATIENCE) -> None:
        """Until the traffic takes the primary: an event on an idle NIC shows nothing. A silent guest
        shows no path of its own; the network's is where it last spoke, so it says a word."""
        # A peer that is sent to a NIC without carrier leaves it again.
        carrier = f"/sys/class/net/{self.guest.ifname(nics.PRIMARY)}/carrier"
        self.guest.until("carrier on the primary", f'[ "$(cat {carrier} 2>/dev/null)" = 1 ]')
        self.peer.use_primary(self.guest)
        deadline = time.monotonic() + patience
        while True:
            if self.traffic.silent:
                self.guest.agent.run("ping", "-c", "1", "-W", "1", network.FAR_IP, check=False)
            if (path := self.path()) == nics.PRIMARY.name:
                return
            if time.monotonic() > deadline:
                raise LabError(f"{self.case.peer} does not use the primary but: {path or 'nothing'}")

    def expect(self, condition: bool, sentence: str) -> None:
        if not condition:
            self.failures.append(sentence)
            self.guest.log(f"expected: {sentence}")

    def expect_one_day(self, condition: bool, sentence: str) -> None:
        """A figure that is known to be open: shown with its number, no failure."""
        if not condition:
            self.open.append(sentence)
            self.guest.log(f"open: {sentence}")

    def expect_of(self, outcome: Outcome):
        """`expect`, unless the host left the guest waiting: then losses are the host's, and shown."""
        return self.expect if outcome.starved < STARVED else self.expect_one_day

    def expect_lost(self, outcome: Outcome, up: int = 0, down: int = 0) -> None:
        """At most so many. Missed by a little it is shown as open; far beyond it, the case fails."""
        for side, tally, most in (("up", outcome.up, up), ("down", outcome.down, down)):
            missed = f"{outcome.event}: {tally.lost} lost {side}, not <= {most}"
            if tally.lost <= most + MARGIN:
                self.expect_one_day(tally.lost <= most, missed)
            else:
                self.expect_of(outcome)(False, missed)

    def carrier_up(self) -> None:
        """Until the primary is up and has carrier: how an event should find it."""
        name = self.guest.ifname(nics.PRIMARY)
        self.guest.agent.sh(f"ip link set {name} up")
        self.guest.until(f"carrier on {name}", f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]')


def _flows(tally: Tally | None) -> bool:
    return tally is None or tally.lost * 2 < tally.frames


def _why_not(case: Case, kernel_bundle: str, qemu_bundle: str) -> str:
    for bundle in (kernel_bundle, qemu_bundle):
        if bundle not in fetch.BUNDLES or not fetch.BUNDLES[bundle].present:
            return f"{bundle} is not in the cache"
    if nics.MODELS[case.primary].oldest_qemu > int(case.qemu):
        return f"QEMU {case.qemu} has no {case.primary}"
    return ""


def perform(case: Case, logs: Path, build: Path) -> Trial:
    """Inside a sandbox: boots the guest, sets the peer up, runs the scenario."""
    module = load(case.scenario)
    matrix, peer = module.MATRIX, peers.PEERS[case.peer]
    if reason := _why_not(case, f"kernel-{case.kernel}", f"qemu-{case.qemu}"):
        raise Skip(reason)
    wanted = (*peer.needs, *matrix.programs, *(["hl-traffic"] if matrix.rate else ()))
    found = {name: binaries.find(build, name) for name in wanted}
    if missing := [name for name, path in found.items() if not path]:
        raise Skip(f"{', '.join(missing)} not built in {build}")
    if missing := [path for path in matrix.host if not Path(path).exists()]:
        raise Skip(f"{', '.join(missing)} not installed")
    tools = [path for path in map(Path, matrix.host) if path.parent.name in ("bin", "sbin")]
    spec = peers.spec_for(peer, machine.Spec(
        case.kernel, case.qemu, case.primary, native_hotplug=case.native,
        binaries=[*found.values(), *tools],
        files={path: Path(path) for path in matrix.host if Path(path) not in tools}))
    network.up()
    with contextlib.ExitStack() as stack:
        guest = stack.enter_context(machine.Machine(spec, logs))
        trial = Trial(case, guest, peer, peer.start(guest), found)
        if matrix.rate:
            stack.enter_context(trial.flow(matrix.rate, matrix.silent))
        trial.carrier_up()
        module.run(trial)
        return trial
