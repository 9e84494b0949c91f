# SPDX-License-Identifier: BSD-2-Clause
"""A PCIe root port's slot registers, reached from outside the guest through the ECAM window."""
import time

from .cache import LabError
from .nics import Slot
from .qmp import Qtest

ECAM = 0xB0000000  # where q35 firmware puts it
CAPABILITIES, PCI_EXPRESS = 0x34, 0x10
SLOT_CONTROL = 0x18
INTERRUPT_ENABLE = 0x0020
POWER_INDICATOR_OFF, POWER_OFF = 0x0300, 0x0400


def cut_power(qtest: Qtest, slot: Slot) -> None:
    """Writes "power off, indicator off" to the slot, whereupon QEMU takes the device away; then what
    was there before, so that pciehp does not think it had disabled the slot itself. Interrupts are
    off in between: the guest first hears of it ("presence changed") when both are done."""
    control = _slot_control(qtest, slot)
    before = qtest.read(control, 2)
    qtest.writew(control, before & ~INTERRUPT_ENABLE | POWER_INDICATOR_OFF | POWER_OFF)
    qtest.writew(control, before)


def wait_off(qtest: Qtest, slot: Slot, timeout: float = 10) -> None:
    """Until pciehp has switched an empty slot off. It takes its time (1 s) about it, and a device that
    is plugged in meanwhile is switched off with the rest."""
    control = _slot_control(qtest, slot)
    off = POWER_INDICATOR_OFF | POWER_OFF
    deadline = time.monotonic() + timeout
    while qtest.read(control, 2) & off != off:
        if time.monotonic() > deadline:
            raise LabError(f"the guest has not switched slot {slot.name} off in {timeout:g} s")
        time.sleep(0.02)


def _slot_control(qtest: Qtest, slot: Slot) -> int:
    base = ECAM | slot.address << 15
    if qtest.read(base, 4) in (0, 0xFFFFFFFF):
        raise LabError(f"no PCI function at ECAM address {base:#x}")
    capability = base + qtest.read(base + CAPABILITIES, 1)
    while qtest.read(capability, 1) != PCI_EXPRESS:
        following = qtest.read(capability + 1, 1)
        if not following:
            raise LabError(f"root port {slot.bdf} has no PCI Express capability")
        capability = base + following
    return capability + SLOT_CONTROL
