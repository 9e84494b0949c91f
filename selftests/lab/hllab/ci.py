# SPDX-License-Identifier: BSD-2-Clause
"""The cases of a pull request: both kernels, the events on two NIC models, hitless under traffic,
and the tests that run on the host too, in the guests."""
from . import scenario

WANTED = (
    ("in_guest", {}),
    ("failover", {"peer": ("hitless",)}),
    ("silent_receiver", {"peer": ("hitless",)}),
    ("private_nics", {"kernel": ("6.12",)}),
    ("vrf", {"kernel": ("6.12",)}),
    ("bond", {"kernel": ("6.12",)}),
    ("remedies", {}),
    ("lro", {}),
    ("coexistence", {}),
    ("acpi_events", {"primary": ("e1000e", "vmxnet3")}),
    ("pciehp_events", {"kernel": ("6.12",)}),
    ("migration", {"kernel": ("6.12",)}),
    ("failover_migration", {"peer": ("hitless",)}),
    ("host_monitor", {}),
    ("host_reset", {}),
    ("host_port", {}),
    ("host_kernel", {}),
    ("vf_delivery", {}),
)


def cases() -> list[scenario.Case]:
    """With the newest QEMU there is: the long ones first, so that none is left alone at the end."""
    qemu = scenario.newest("qemu", ("7", "10"))
    return [case for name, only in WANTED for case in scenario.cases(name)
            if case.qemu == qemu and all(getattr(case, key) in values for key, values in only.items())]
