# SPDX-License-Identifier: BSD-2-Clause
"""Every event of ACPI hotplug happens, on every kernel and to every NIC model."""
from hllab.scenario import Matrix

MATRIX = Matrix(qemus=("7", "10"), primaries=("virtio", "e1000e", "vmxnet3", "igb"))


def run(trial):
    trial.event("carrier off")
    trial.event("carrier on")
    trial.event("planned unplug")
    trial.event("hot-add")
    trial.event("driver unbound")
    trial.event("guest reboot")
    trial.carrier_up()
    trial.event("silent surprise eject")
