# SPDX-License-Identifier: BSD-2-Clause
"""The NIC models a primary can be, and the slots NICs are plugged into. A new model is one entry."""
from dataclasses import dataclass, field

# Standby and primary share it: that is how the guest pairs them.
MAC = "52:54:00:12:34:56"


@dataclass(frozen=True)
class Model:
    device: str                # as QEMU calls it
    driver: str                # as the guest's kernel calls it
    oldest_qemu: int = 7
    options: dict = field(default_factory=dict)


MODELS = {
    "virtio": Model("virtio-net-pci", "virtio_net"),
    "e1000e": Model("e1000e", "e1000e"),
    "vmxnet3": Model("vmxnet3", "vmxnet3"),
    "igb": Model("igb", "igb", oldest_qemu=10),
}


@dataclass(frozen=True)
class Slot:
    """A PCIe root port of the guest with the host's end of the wire behind it."""
    name: str
    address: int  # device number on bus 0, and the slot's number for the guest

    @property
    def port(self) -> str:
        return f"port-{self.name}"

    @property
    def wire(self) -> str:
        return f"wire-{self.name}"

    @property
    def bdf(self) -> str:
        """The root port's address in the guest."""
        return f"0000:00:{self.address:02x}.0"


STANDBY, PRIMARY, SPARE = Slot("standby", 8), Slot("primary", 9), Slot("spare", 10)
SLOTS = (STANDBY, PRIMARY, SPARE)


def device(model: Model, slot: Slot, **options) -> dict:
    """Arguments of -device or device_add. Without a boot ROM: the guest boots from no NIC, and a
    migration's destination refuses a ROM that it did not load itself."""
    return {"driver": model.device, "id": slot.name, "bus": slot.port, "netdev": slot.wire,
            "mac": MAC, "romfile": "", **model.options, **options}


def as_option(arguments: dict) -> str:
    driver = arguments["driver"]
    return ",".join([driver, *(f"{k}={v}" for k, v in arguments.items() if k != "driver")])
