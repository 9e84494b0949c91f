# SPDX-License-Identifier: BSD-2-Clause
"""`lab peers`: runs scenarios/comparison.py and keeps what it measured as docs/results/peers.json,
from which report.py and chart.py make the page and the picture."""
import json
import os
import re
import time
from pathlib import Path

from . import binaries, chart, fetch, kernel, report, runner, scenario
from .cache import LabError

RETURNS = ("carrier on", "hot-add", "migration, move", "migration, re-plug")
RESULTS = binaries.ROOT / "docs/results"


def run(build: Path, jobs: int, only: str, redraw: bool) -> int:
    target, status = RESULTS / "peers.json", 0
    if not redraw:
        cases = [case for case in scenario.cases("comparison") if only in case.peer]
        where = caption(cases[0])
        rows = runner.collect(cases, jobs, build, None)
        measured = {row["name"].split(":")[4]: list(map(sample, row["outcomes"])) for row in rows}
        known = json.loads(target.read_text())["peers"] if only and target.exists() else {}
        order = scenario.load("comparison").PEERS
        peers = {peer: samples for peer in order
                 if (samples := measured.get(peer) or known.get(peer))}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"caption": where, "peers": peers}, indent=1) + "\n")
        status = int(any(row["verdict"] == runner.FAILED for row in rows))
    return draw() or status


def draw() -> int:
    data = json.loads((RESULTS / "peers.json").read_text())
    (RESULTS / "peers.md").write_text(report.peers(data, instructions()))
    (RESULTS / "peers.svg").write_text(chart.peers(data))
    print(f"wrote {RESULTS}/peers.md and peers.svg")
    return 0


def instructions() -> dict | None:
    file = RESULTS / "instructions.json"
    return json.loads(file.read_text()) if file.exists() else None


def caption(case: scenario.Case) -> dict:
    """Where and when: what a figure is worth nothing without."""
    packages = (fetch.BUNDLES[f"qemu-{case.qemu}"].path / "PACKAGES").read_text()
    version = re.search(r"qemu-system-x86_(?:\d+%3a)?([^_~+-]+)", packages)
    if not version:
        raise LabError("the cache does not say which QEMU it has")
    return {"kernel": kernel.get(case.kernel).release, "qemu": version[1], "primary": case.primary,
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "load": round(os.getloadavg()[0], 1),
            "cpus": os.cpu_count()}


def sample(outcome: dict) -> dict:
    """What is kept of one event; `back` is false when frames no longer arrived in the end."""
    sides = {}
    for side in ("up", "down"):
        if tally := outcome[side]:
            sides[side] = {key: tally[key] for key in ("frames", "lost", "duplicated", "reordered")}
            sides[side] |= {"gap_ms": round(tally["gap_ms"], 1), "back": outcome[f"{side}_back"]}
    # An event on a NIC that carries nothing shows nothing.
    idle = outcome["event"] not in RETURNS and outcome["before"] != "primary"
    return {"event": outcome["event"], "silent": outcome["silent"], "flowed": outcome["flowed"] and not idle,
            "starved": round(outcome["starved"], 3), **sides}
