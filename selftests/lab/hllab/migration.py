# SPDX-License-Identifier: BSD-2-Clause
"""Live migration: the guest moves to a second QEMU in the same sandbox, its conversation with it."""
import contextlib
import time

from . import nics
from .cache import LabError
from .machine import Machine


@contextlib.contextmanager
def destination(source: Machine, with_primary: bool):
    """A QEMU that waits for the guest; `with_primary` must say whether the source has one now."""
    spec = source.spec
    moved = type(spec)(**{**vars(spec), "primary": spec.primary if with_primary else None})
    with Machine(moved, source.logs, incoming=True) as waiting:
        yield waiting


def migrate(source: Machine, target: Machine, timeout: float = 60) -> str:
    """Moves the guest; `target` is the machine to talk to afterwards."""
    identity = "cat /proc/sys/kernel/random/boot_id; ls -d /proc/1"
    before = source.agent.sh(identity)
    uri = f"unix:{target.home}/migration"
    target.qmp("migrate-incoming", uri=uri)
    source.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 100})
    source.agent.moving()
    source.qmp("migrate", uri=uri)
    deadline = time.monotonic() + timeout
    while (state := source.qmp("query-migrate"))["status"] != "completed":
        if state["status"] in ("failed", "cancelled") or time.monotonic() > deadline:
            raise LabError(f"migration: {state['status']}: {state.get('error-desc', '')}")
        time.sleep(0.01)
    target.agent = source.agent
    target.agent.follow(target.port)
    source.__exit__()
    after = target.agent.sh(identity)
    if before != after:
        raise LabError(f"migration: boot id {before} before, {after} after")
    return (f"same boot id in another QEMU; total {state['total-time']} ms, "
            f"downtime {state['downtime']} ms, {state['ram']['transferred'] >> 20} MiB moved")


def in_steps(trial, settle: float = 2, patience: float = 0) -> tuple:
    """What a host does that tells its guest: the guest leaves the primary, which is unplugged; the guest
    moves; a primary is plugged in over there and used. The outcomes of the three steps; the trial's guest
    ends with the last, as its QEMU does."""
    def leave():
        trial.peer.leave_primary(trial.guest)
        return trial.event_only("planned unplug")

    left = trial.measure("migration, unplug", leave, patience=patience)
    with destination(trial.guest, with_primary=False) as target:
        moved = trial.measure("migration, move", lambda: moving(trial, target), settle, patience)

        def plug():
            proof = trial.event_only("hot-add")
            trial.peer.readd(trial.guest)
            trial.on_primary()
            return proof

        return left, moved, trial.measure("migration, re-plug", plug, settle, patience)


def by_qemu(trial, settle: float = 2, patience: float = 0):
    """What QEMU's own failover does: it unplugs the primary, moves, and plugs one in again. The outcome."""
    with destination(trial.guest, with_primary=True) as target:
        def move():
            proof = moving(trial, target)
            target.until("the primary is back",
                         f"[ -e /sys/devices/pci0000:00/{nics.PRIMARY.bdf}/0000:*:*.0/net ]")
            time.sleep(1)
            return proof

        outcome = trial.measure("migration, all of it", move, settle, patience)
        trial.on_primary()
        return outcome


def moving(trial, target: Machine) -> str:
    proof = migrate(trial.guest, target)
    trial.guest = target
    return proof
