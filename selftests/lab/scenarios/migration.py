# SPDX-License-Identifier: BSD-2-Clause
"""Live migration: the primary is unplugged, the guest moves, a primary is plugged in over there."""
from hllab import migration
from hllab.scenario import Matrix

MATRIX = Matrix(qemus=("7", "10"))


def run(trial):
    trial.event("planned unplug")
    with migration.destination(trial.guest, with_primary=False) as target:
        trial.measure("migration", lambda: migration.moving(trial, target))
        trial.event("hot-add")
