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

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
KERNELS = ("6.1", "6.12")


class Skip(Exception):
    pass


@dataclass(frozen=True)
class Matrix:
    kernels: tuple[str, ...] = KERNELS
    qemus: tuple[str, ...] = ("newest",)   # that is in the cache
    primaries: tuple[str, ...] = ("e1000e",)
    peers: tuple[str, ...] = ("none",)
    native_hotplug: tuple[bool, ...] = (False,)
    rate: int = 0          # frames a second each way while `run` runs; 0: no traffic
    silent: bool = False   # the guest only receives
    timeout: int = 120
    programs: tuple[str, ...] = ()  # host-built, beside what peer and traffic need


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
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def cases(name: str) -> list[Case]:
    matrix = load(name).MATRIX
    newest = "10" if fetch.BUNDLES["qemu-10"].present else "7"
    qemus = dict.fromkeys(newest if qemu == "newest" else qemu for qemu in matrix.qemus)
    return [Case(name, *words) for words in itertools.product(
        matrix.kernels, qemus, matrix.primaries, matrix.peers, matrix.native_hotplug)]


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


@dataclass
class Trial:
    case: Case
    guest: machine.Machine
    peer: peers.Peer
    master: str
    traffic: Traffic | None
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def event(self, name: str, settle: float = 1.0) -> Outcome:
        """Makes it happen; counts from just before to `settle` seconds after its proof."""
        return self.measure(name, lambda: self.event_only(name), settle)

    def event_only(self, name: str) -> str:
        return events.EVENTS[name](self.guest)

    def measure(self, name: str, action, settle: float = 1.0) -> Outcome:
        before = self.path() if self.traffic else ""
        machine_before, waited, begin = self.guest, self.guest.starved(), time.monotonic()
        mark = self.traffic.mark() if self.traffic else None
        outcome = Outcome(name, action() or "")
        if self.traffic:
            time.sleep(settle)
            outcome.up, outcome.down = self.traffic.since(mark)
            outcome.before, outcome.after = before, self.path()
        if self.guest is machine_before and self.guest.process:
            outcome.starved = (self.guest.starved() - waited) / (time.monotonic() - begin)
        self.outcomes.append(outcome)
        self.guest.log(f"event {name}: {outcome}")
        return outcome

    def path(self) -> str:
        return network.path_down() if self.traffic.silent else network.path_up()

    def use_primary(self) -> None:
        """A silent guest shows no path of its own; the network's is where it last spoke, so it says a
        word by the NIC it uses now."""
        self.peer.use_primary(self.guest)
        self.guest.agent.run("ping", "-c", "3", "-i", "0.3", network.FAR_IP)

    def on_primary(self, patience: float = 5) -> None:
        """Until the traffic takes the primary: an event on an idle NIC shows nothing."""
        self.peer.use_primary(self.guest)
        deadline = time.monotonic() + patience
        while (path := self.path()) != nics.PRIMARY.name:
            if time.monotonic() > deadline:
                raise LabError(f"{self.case.peer} does not use the primary but: {path or 'nothing'}")

    def expect(self, condition: bool, sentence: str) -> None:
        if not condition:
            self.failures.append(sentence)
            self.guest.log(f"expected: {sentence}")

    def carrier_up(self) -> None:
        """Until the primary is up and has carrier: how an event should find it."""
        name = self.guest.ifname(nics.PRIMARY)
        self.guest.agent.sh(f"ip link set {name} up")
        self.guest.until(f"carrier on {name}", f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]')


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
    wanted = (*peer.needs, *matrix.programs, *(["hl-traffic"] if matrix.rate else []))
    found = {name: binaries.find(build, name) for name in wanted}
    if missing := [name for name, path in found.items() if not path]:
        raise Skip(f"{', '.join(missing)} not built in {build}")
    spec = peers.spec_for(peer, machine.Spec(
        case.kernel, case.qemu, case.primary, native_hotplug=case.native, binaries=list(found.values())))
    network.up()
    with contextlib.ExitStack() as stack:
        guest = stack.enter_context(machine.Machine(spec, logs))
        master = peer.start(guest)
        traffic = None
        if matrix.rate:
            traffic = stack.enter_context(
                Traffic(guest, found["hl-traffic"], matrix.rate, matrix.silent))
        trial = Trial(case, guest, peer, master, traffic)
        trial.carrier_up()
        module.run(trial)
        return trial
