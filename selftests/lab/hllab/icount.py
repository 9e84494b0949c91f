# SPDX-License-Identifier: BSD-2-Clause
"""`lab icount`: what a packet costs in instructions, through each peer and through the plain NIC.

The guest's clock counts instructions, so a run repeats to a fraction of a percent however busy the
host is. Primary and a far NIC of the same guest, in a network namespace of its own, share a hub inside
QEMU; the standby has one to itself. guest/count.c counts.
"""
import dataclasses
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from . import binaries, cache, comparison, image, machine, network, nics, peers, report, sandbox, scenario
from .cache import LabError

BURSTS, BURST, SIZE, ROUNDS = 50, 32, 64, 3
PEERS = {
    "plain": peers.PEERS["plain"],
    "net_failover": peers.PEERS["net_failover"],
    "bond": peers.PEERS["bond-100"],
    "hitless, cast": peers.hitless("cast"),
    "hitless, probe-read": peers.hitless("probe-read"),
    "hitless, three": peers.hitless("cast", "three"),
    "hitless, hidden": peers.hitless("cast", "hidden"),
    "hitless, one": peers.hitless("cast", "one"),
}
FAR_NIC = "farnic"


def run(build: Path, redraw: bool) -> int:
    target = comparison.RESULTS / "instructions.json"
    if not redraw:
        kernel, qemu = scenario.newest("kernel", scenario.KERNELS), scenario.newest("qemu", ("7", "10"))
        case = scenario.Case("icount", kernel, qemu, "e1000e", "", False)
        data = {"caption": comparison.caption(case), "packets": BURSTS * BURST, "burst": BURST,
                "size": SIZE, "runs": {}}
        with tempfile.TemporaryDirectory(dir=cache.root(), prefix="icount-") as work:
            count = Path(work) / "count"
            subprocess.run(["cc", "-static", "-O2", "-o", count, image.GUEST / "count.c"], check=True)
            for name in PEERS:
                data["runs"][name] = _one(name, case, build, count, Path(work))
        comparison.RESULTS.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(data, indent=1) + "\n")
    data = json.loads(target.read_text())
    (comparison.RESULTS / "instructions.md").write_text(report.instructions(data))
    print(f"wrote {comparison.RESULTS}/instructions.md")
    return 0


def _one(name: str, case: scenario.Case, build: Path, count: Path, work: Path) -> dict:
    """Each peer in a sandbox, hence a process, of its own."""
    result = work / f"{name}.json"
    child = _fork(lambda: result.write_text(json.dumps(_measure(PEERS[name], case, build, count, work))))
    if child or not result.exists():
        raise LabError(f"{name}: nothing was measured")
    runs = json.loads(result.read_text())
    print(f"{name:20} " + "  ".join(f"{way} {statistics.median(runs[way]):.0f}" for way in runs), flush=True)
    return runs


def _fork(task) -> int:
    child = os.fork()
    if child == 0:
        sandbox.die_with_parent()
        os._exit(sandbox.run(lambda: task() and 0))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _measure(peer: peers.Peer, case: scenario.Case, build: Path, count: Path, work: Path) -> dict:
    programs = [binaries.find(build, name) for name in peer.needs]
    if not all(programs):
        raise LabError(f"{', '.join(peer.needs)} not built in {build}")
    far = nics.device(nics.MODELS["virtio"], nics.SPARE, tx="timer", mac=network.FAR_MAC)
    spec = peers.spec_for(peer, machine.Spec(
        case.kernel, case.qemu, case.primary, binaries=[count, *programs],
        hubs={nics.STANDBY: 1, nics.PRIMARY: 2, nics.SPARE: 2},
        extra=["-icount", "shift=0,sleep=off", "-device", nics.as_option(far)]))
    spec = dataclasses.replace(spec, standby_options={**spec.standby_options, "tx": "timer"})
    network.up()
    with machine.Machine(spec, work) as guest:
        name = guest.ifname(nics.SPARE)
        guest.agent.sh(
            f"set -e; ip netns add far; ip link set {name} netns far name {FAR_NIC}\n"
            f"ip -n far addr add {network.FAR_IP}/{network.PREFIX} dev {FAR_NIC}\n"
            f"ip -n far link set {FAR_NIC} up\n"
            f"ip -n far neigh replace {network.GUEST_IP} lladdr {nics.MAC} dev {FAR_NIC} nud permanent")
        peer.start(guest)
        runs = {}
        for way in ("tx", "rx"):
            guest.qmp("set_link", name=nics.SPARE.name, up=way == "rx")
            runs[way] = [_count(guest, way) for _ in range(ROUNDS)]
        return runs


def _count(guest: machine.Machine, way: str) -> float:
    words = guest.agent.sh(f"count {way} far {network.GUEST_IP} {network.FAR_IP} {BURSTS}", timeout=120).split()
    packets, received = int(words[1]), int(words[2])
    if way == "rx" and received != packets:
        raise LabError(f"count rx: {received} of {packets} packets arrived")
    empty, full = float(words[3]), float(words[4])
    return round((full - empty) / BURST, 1)
