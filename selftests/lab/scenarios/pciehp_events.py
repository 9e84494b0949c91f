# SPDX-License-Identifier: BSD-2-Clause
"""Planned unplug and surprise removal by native PCIe hotplug."""
from hllab.scenario import Matrix

MATRIX = Matrix(qemus=("7", "10"), primaries=("e1000e",), native_hotplug=(True,))


def run(trial):
    trial.event("planned unplug")
    trial.event("hot-add")
    trial.carrier_up()
    trial.event("surprise removal")
    trial.event("hot-add")
