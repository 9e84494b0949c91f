# SPDX-License-Identifier: BSD-2-Clause
"""What a hypervisor does to a guest's NICs, each with a proof from inside the guest that it happened.

An event is a function of the machine that returns its proof as one sentence, and raises LabError
when what it set out to do did not come about. `EVENTS` names those that a table can list.
"""
import contextlib

from . import nics, pcie
from .cache import LabError
from .machine import Machine


def hot_add(guest: Machine, model: str | None = None) -> str:
    """A NIC appears in the primary's slot."""
    if guest.ifname(nics.PRIMARY):
        raise LabError("hot-add: the slot is taken")
    if guest.spec.native_hotplug:
        pcie.wait_off(guest.qtest, nics.PRIMARY)
    guest.qmp("device_add", **guest.primary_device(model))
    slot = f"/sys/devices/pci0000:00/{nics.PRIMARY.bdf}"
    took = guest.until("a netdev in the primary's slot",
                       f"set -- {slot}/0000:*/net/* {slot}/0000:*/virtio*/net/*; [ -e $1 -o -e $2 ]")
    return f"{guest.ifname(nics.PRIMARY)} appeared {took * 1e3:.0f} ms after device_add"


def unplug(guest: Machine) -> str:
    """Planned: the hypervisor asks, the guest lets go (ACPI, or pciehp with its 5 s of blinking)."""
    folder = guest.pci(nics.PRIMARY)
    if not folder:
        raise LabError("planned unplug: the slot is empty")
    guest.qmp.forget()
    guest.qmp("device_del", id=nics.PRIMARY.name)
    guest.qmp.event("DEVICE_DELETED", device=nics.PRIMARY.name, timeout=20)
    guest.until("the function is gone", f"[ ! -e {folder} ]")
    return f"QEMU says DEVICE_DELETED, {folder.rpartition('/')[2]} is gone from the guest"


def carrier_off(guest: Machine) -> str:
    return _carrier(guest, False)


def carrier_on(guest: Machine) -> str:
    return _carrier(guest, True)


def _carrier(guest: Machine, up: bool) -> str:
    folder, name = _present(guest)
    guest.qmp("set_link", name=nics.PRIMARY.name, up=up)
    took = guest.until(f"carrier {int(up)} on {name}", f"[ $(cat {_netdev(name)}/carrier) = {int(up)} ]")
    return f"carrier of {name} reads {int(up)} after {took * 1e3:.0f} ms"


def surprise_silent(guest: Machine) -> str:
    """The device vanishes and nobody tells the guest: the ACPI eject register written from outside."""
    folder, name = _present(guest)
    before = guest.agent.sh(f"cat {_netdev(name)}/carrier")
    if guest.spec.native_hotplug:
        raise LabError("silent eject goes by ACPI hotplug: not with native_hotplug")
    bus = guest.qmp("qom-get", path=f"/machine/peripheral/{nics.PRIMARY.port}/{nics.PRIMARY.port}",
                    property="acpi-pcihp-bsel")
    with _torn_out(guest):
        guest.qtest.outl(0xCD0, bus)  # BSEL: which bus
        guest.qtest.outl(0xCC8, 1)    # EJ: the device in slot 0
    words = guest.agent.sh(f"hexdump -n 4 -e '4/1 \"%02x\"' {folder}/config; echo; "
                           f"cat {_netdev(name)}/carrier")
    if words.split() != ["ffffffff", before]:
        raise LabError(f"silent eject: config space and carrier read {words.split()}, "
                       f"not ffffffff and {before}")
    return f"{name} is still there with carrier {before}, its config space reads ffffffff"


def surprise_notified(guest: Machine) -> str:
    """The device vanishes and the slot says so: power to the slot is cut behind the guest's back, the
    root port raises "presence changed", pciehp finds the card gone. Native hotplug only."""
    folder, name = _present(guest)
    if not guest.spec.native_hotplug:
        raise LabError("surprise removal with notification needs native_hotplug")
    with _torn_out(guest):
        pcie.cut_power(guest.qtest, nics.PRIMARY)
    took = guest.until("the function is gone", f"[ ! -e {folder} ]")
    word = guest.agent.sh(f"dmesg | grep 'pciehp: Slot({nics.PRIMARY.address})' | tail -n 1")
    if not ("Link Down" in word or "not present" in word):
        raise LabError(f"surprise removal: pciehp says {word!r}")
    return f"{name} is gone after {took * 1e3:.0f} ms; the guest: {word.partition('pciehp: ')[2]}"


@contextlib.contextmanager
def _torn_out(guest: Machine):
    """The guest's CPU stands still for the milliseconds this takes: QEMU frees the NIC at once, and a
    doorbell that the CPU rings before it has noticed ends in freed memory (a SIGSEGV or a failed
    assertion in net_tx_pkt.c, in one run of four under traffic)."""
    guest.qmp.forget()
    guest.qmp("stop")
    yield
    guest.qmp.event("DEVICE_DELETED", device=nics.PRIMARY.name)
    guest.before_resuming()
    guest.qmp("cont")


def discard(guest: Machine) -> str:
    """What an operator does about a device that silently vanished: the guest forgets it."""
    folder, name = _present(guest)
    guest.agent.sh(f"echo 1 >{folder}/remove")
    guest.until("the function is gone", f"[ ! -e {folder} ]")
    return f"{name} has been forgotten"


def unbind(guest: Machine) -> str:
    """The driver lets go while the device stays."""
    folder, name = _present(guest)
    guest.agent.sh(f"echo {folder.rpartition('/')[2]} >{folder}/driver/unbind")
    guest.until("the netdev is gone", f"[ ! -e {_netdev(name)} ]")
    if guest.pci(nics.PRIMARY) != folder:
        raise LabError(f"unbind: the PCI function of {name} went too")
    return f"{name} is gone, its PCI function is still there"


def reboot(guest: Machine) -> str:
    before = guest.agent.sh("cat /proc/sys/kernel/random/boot_id")
    guest.qmp("set-action", reboot="reset")
    guest.agent.start("reboot", "-f")
    guest.agent.wait_ready(90)
    guest.qmp("set-action", reboot="shutdown")
    after = guest.agent.sh("cat /proc/sys/kernel/random/boot_id")
    if before == after:
        raise LabError("reboot: the boot id has not changed")
    return f"boot id changed from {before[:8]} to {after[:8]}"


def _netdev(name: str) -> str:
    return f"/sys/class/net/{name}"


def _present(guest: Machine) -> tuple[str, str]:
    folder, name = guest.pci(nics.PRIMARY), guest.ifname(nics.PRIMARY)
    if not folder or not name:
        raise LabError("there is no primary for this event to happen to")
    return folder, name


EVENTS = {
    "carrier off": carrier_off,
    "carrier on": carrier_on,
    "planned unplug": unplug,
    "hot-add": hot_add,
    "silent surprise eject": surprise_silent,
    "surprise removal": surprise_notified,
    "driver unbound": unbind,
    "dead device removed": discard,
    "guest reboot": reboot,
}
