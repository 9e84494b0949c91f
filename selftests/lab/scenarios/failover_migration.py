# SPDX-License-Identifier: BSD-2-Clause
"""Live migration with QEMU's own failover: it unplugs the primary, moves, and plugs it in again."""
import time

from hllab import migration, nics
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), peers=("net_failover",), rate=1000)


def run(trial):
    trial.on_primary()
    with migration.destination(trial.guest, with_primary=True) as target:
        def move():
            proof = migration.migrate(trial.guest, target)
            trial.guest = target
            target.until("the primary is back",
                         f"[ -e /sys/devices/pci0000:00/{nics.PRIMARY.bdf}/0000:*:*.0/net ]")
            time.sleep(1)
            return proof

        trial.measure("migration", move, settle=2)
        trial.on_primary()
