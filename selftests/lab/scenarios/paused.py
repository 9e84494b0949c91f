# SPDX-License-Identifier: BSD-2-Clause
"""The guest stands still for a minute, as for a snapshot: no path is doubted for the time it missed."""
import json
import time

from hllab.scenario import Matrix

SECONDS = 60
MATRIX = Matrix(peers=("hitless",), rate=500)


def run(trial):
    trial.on_primary()
    before = flips(trial.guest)
    outcome = trial.measure("paused 60 s", lambda: paused(trial.guest), settle=3)
    turned = flips(trial.guest) - before
    trial.expect(turned == 0, f"{turned} flips for a pause")
    trial.expect_of(outcome)(outcome.up.lost == 0, f"{outcome.up.lost} lost up")
    trial.expect(outcome.up_back and outcome.down_back, "nothing arrives any more")


def flips(guest) -> int:
    return json.loads(guest.agent.sh("hitless status -j || true"))["pairs"][0]["flips"]


def paused(guest) -> str:
    guest.qmp("stop")
    state = guest.qmp("query-status")["status"]
    time.sleep(SECONDS)
    guest.before_resuming()
    guest.qmp("cont")
    return f"QEMU said \"{state}\" for {SECONDS} s"
