# SPDX-License-Identifier: BSD-2-Clause
"""Live migration: the guest moves to a second QEMU in the same sandbox, its conversation with it."""
import contextlib
import time

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
    source.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 300})
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
