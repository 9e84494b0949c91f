# SPDX-License-Identifier: BSD-2-Clause
"""The guest only listens: without an announcement the network goes on sending to the dead NIC."""
from hllab.scenario import Matrix

PEERS = ("bond-100", "bond-10", "team", "net_failover", "hitless")
MATRIX = Matrix(peers=PEERS, rate=1000, silent=True)

DOWN = 10


def run(trial):
    trial.on_primary()
    for event in ("carrier off", "planned unplug"):
        outcome = trial.event(event, settle=2)
        if trial.case.peer == "hitless":
            lost = outcome.down.lost
            trial.expect_one_day(lost <= DOWN, f"{event}: {lost} lost, not <= {DOWN}")
            trial.expect_of(outcome)(outcome.down_back, f"{event}: nothing arrived again")
        if event == "carrier off":
            trial.event("carrier on", settle=3)
            trial.on_primary()
