# SPDX-License-Identifier: BSD-2-Clause
"""Runs cases, some at once, each as a process of its own; one table at the end."""
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import cache, junit, machine, sandbox, scenario
from .cache import LabError
from .junit import FAILED, PASSED, SKIPPED

RUNS_KEPT = 20


def run_case(case: scenario.Case, logs: Path, build: Path) -> int:
    """The process of one case: writes its verdict to result.json."""
    sandbox.die_with_parent()
    _urgent_as_a_group()
    logs.mkdir(parents=True, exist_ok=True)

    def task() -> int:
        result = {"verdict": FAILED, "note": "", "outcomes": []}
        try:
            trial = scenario.perform(case, logs, build)
            result["verdict"] = FAILED if trial.failures else PASSED
            result["note"] = "; ".join(trial.failures + [f"open: {sentence}" for sentence in trial.open])
            result["outcomes"] = [dataclasses.asdict(outcome) for outcome in trial.outcomes]
        except scenario.Skip as reason:
            result.update(verdict=SKIPPED, note=str(reason))
        except LabError as error:
            result["note"] = str(error)
            result["crashed"] = isinstance(error, machine.QemuCrashed)
        (logs / "result.json").write_text(json.dumps(result, indent=1))
        return 0

    return sandbox.run(task)


def _urgent_as_a_group() -> None:
    """Where sessions share the CPU as groups (autogroup), a nice value only counts within its own."""
    group = Path("/proc/self/autogroup")
    if (nice := os.getpriority(os.PRIO_PROCESS, 0)) < 0 and group.exists():
        group.write_text(str(nice))


def run(cases: list[scenario.Case], jobs: int, build: Path, logs: Path | None,
        junit_file: Path | None = None) -> int:
    begin = time.monotonic()
    rows = collect(cases, jobs, build, logs)
    if junit_file:
        junit.write(junit_file, rows)
    _table(rows)
    return _total(rows, time.monotonic() - begin)


def collect(cases: list[scenario.Case], jobs: int, build: Path, logs: Path | None) -> list[dict]:
    """Runs them; returns a row for each: its name, verdict, note, seconds and outcomes."""
    logs = logs or _new_run()
    waiting, running, rows, again = list(cases), [], [], set()
    print(f"{len(cases)} cases, {jobs} at a time; logs in {logs}")
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Process(waiting.pop(0), logs, build))
            time.sleep(0.05)
            for process in [p for p in running if p.ended()]:
                running.remove(process)
                if process.qemu_crashed() and process.case not in again:
                    again.add(process.case)
                    waiting.append(process.case)
                    print(f"{process.case.name}: QEMU itself crashed; once more", flush=True)
                    continue
                rows.append(process.row())
                print(_line(rows[-1]), flush=True)
    finally:
        for process in running:
            process.kill()
    return sorted(rows, key=lambda row: row["name"])


class _Process:
    def __init__(self, case: scenario.Case, logs: Path, build: Path):
        self.case, self.folder, self.begin = case, logs / case.name.replace(":", "_"), time.monotonic()
        self.timeout = scenario.load(case.scenario).MATRIX.timeout
        self.late = False
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with open(self.folder / "output.log", "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve().parent.parent / "lab"), "case", case.name,
                 "--logs", str(self.folder), "--build", str(build)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ended(self) -> bool:
        if self.process.poll() is None and time.monotonic() > self.begin + self.timeout:
            self.late = True
            self.kill()
        return self.process.poll() is not None

    def qemu_crashed(self) -> bool:
        return self._result().get("crashed", False)

    def _result(self) -> dict:
        path = self.folder / "result.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def row(self) -> dict:
        result = self._result() or \
            {"verdict": FAILED, "note": f"no result, exit {self.process.returncode}: see output.log"}
        if self.late:
            result["note"] = f"not done in {self.timeout} s"
        return {**result, "name": self.case.name, "seconds": time.monotonic() - self.begin}


def _line(row: dict) -> str:
    return f"{row['verdict']:8} {row['seconds']:6.1f} s  {row['name']:46} {row['note']}".rstrip()


def _table(rows: list[dict]) -> None:
    print()
    for row in rows:
        print(_line(row))
        for outcome in row.get("outcomes", ()):
            sides = [f"{side} {_tally(outcome[side])}" for side in ("up", "down") if outcome[side]]
            ways = f" ({outcome['before']} -> {outcome['after']}, starved {outcome['starved']:.0%})" \
                if sides else ""
            print(f"{'':18} {outcome['event']}{ways}: {'; '.join(sides) or outcome['proof']}")


def _total(rows: list[dict], seconds: float) -> int:
    count = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in (PASSED, FAILED, SKIPPED)}
    print(f"\n{seconds / 60:.1f} min")
    print(f"{count[PASSED]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped")
    return 1 if count[FAILED] else 0


def _tally(tally: dict) -> str:
    return (f"{tally['lost']}/{tally['frames']} lost, {tally['duplicated']} dup, "
            f"{tally['reordered']} reordered, gap {tally['gap_ms']:.1f} ms")


def _new_run() -> Path:
    runs = cache.root() / "runs"
    runs.mkdir(exist_ok=True)
    for old in sorted(runs.iterdir())[:-RUNS_KEPT]:
        shutil.rmtree(old)
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir()
    return folder
