# SPDX-License-Identifier: BSD-2-Clause
"""Live migration: the primary is unplugged, the guest moves, a primary is plugged in over there."""
from hllab import migration
from hllab.scenario import Matrix

MATRIX = Matrix(qemus=("7", "10"))


def run(trial):
    trial.event("planned unplug")
    with migration.destination(trial.guest, with_primary=False) as target:
        def move():
            proof = migration.migrate(trial.guest, target)
            trial.guest = target
            return proof

        trial.measure("migration", move)
        trial.event("hot-add")
