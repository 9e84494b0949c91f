# SPDX-License-Identifier: BSD-2-Clause
"""Live migration under traffic: by QEMU's own failover, and by a host that tells hitless in the guest."""
import re

from hllab import migration
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), peers=("net_failover", "hitless"), rate=1000)

MARGIN = 30  # ms beside the time for which there is no guest anywhere, as QEMU itself reports it


def run(trial):
    trial.on_primary()
    if trial.case.peer == "net_failover":
        migration.by_qemu(trial)
        return
    left, moved, returned = migration.in_steps(trial)
    standstill = int(re.search(r"downtime (\d+) ms", moved.proof)[1])
    for outcome, most in ((left, 0), (moved, standstill + MARGIN), (returned, 0)):
        for side, tally in (("up", outcome.up), ("down", outcome.down)):
            lost = tally.lost
            trial.expect_of(outcome)(lost <= most, f"{outcome.event}: {lost} lost {side}, not <= {most}")
