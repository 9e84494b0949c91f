# SPDX-License-Identifier: BSD-2-Clause
"""Frames lost to each event, both directions busy, for hitless and the peers beside it."""
from hllab.scenario import Matrix

PEERS = ("bond-100", "bond-10", "team", "net_failover", "hitless")
MATRIX = Matrix(peers=PEERS, rate=1000)

# Peers are measured, not judged: only hitless has figures to reach.
UP, DOWN = 0, 3


def run(trial):
    trial.on_primary()
    control = trial.measure("nothing", lambda: "the control: no event")
    judge(trial, control, down=0)
    judge(trial, trial.event("carrier off"))
    judge(trial, trial.event("carrier on", settle=3))
    trial.on_primary()
    judge(trial, trial.event("planned unplug"), down=5)
    judge(trial, trial.measure("hot-add", lambda: returned(trial), settle=4), down=0)
    trial.on_primary()
    judge(trial, trial.event("silent surprise eject", settle=2), up=50, down=50)


def returned(trial):
    proof = trial.event_only("hot-add")
    trial.peer.readd(trial.guest)
    return proof


def judge(trial, outcome, up=UP, down=DOWN):
    if trial.case.peer == "hitless":
        trial.expect_lost(outcome, up, down)
