# SPDX-License-Identifier: BSD-2-Clause
"""A world of its own for a run: network, processes and scratch files that end with it.

The run becomes PID 1 of a new PID namespace. However it ends (a result, an exception, Ctrl-C,
`kill -9` of the process that started it), the kernel then kills every QEMU and traffic process
left inside, and with the last of them go the taps, the bridge and the files in /run.
"""
import ctypes
import os
import select
import signal
import sys
import traceback
from pathlib import Path

from .cache import LabError

SCRATCH = Path("/run")  # a tmpfs of the run's own, once inside

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1


def _check(result: int, action: str) -> None:
    if result:
        error = ctypes.get_errno()
        raise LabError(f"{action}: {os.strerror(error)} ({error}); the lab's guests need root")


def _mount(source: str, target: str, kind: str | None, flags: int = 0) -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None),
           f"mount {target}")


def die_with_parent() -> None:
    """From now on this process is killed when the one that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(task) -> int:
    """Runs `task()` in a sandbox; returns its exit status."""
    parent_lives, parent_end = os.pipe()
    _check(_libc.unshare(_CLONE_NEWPID | _CLONE_NEWNET | _CLONE_NEWNS), "unshare")
    child = os.fork()
    if child == 0:
        os.close(parent_end)
        _inside(task, parent_lives)
    # Nothing inside needs a chance to clean up: the namespaces do that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _inside(task, parent_lives: int):
    status = 1
    try:
        die_with_parent()
        if select.select([parent_lives], [], [], 0)[0]:
            os._exit(1)  # it died before it could take us with it
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        _mount("proc", "/proc", "proc")
        _mount("sysfs", "/sys", "sysfs")  # this network namespace's view of /sys/class/net
        _mount("tmpfs", str(SCRATCH), "tmpfs")
        status = task() or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
