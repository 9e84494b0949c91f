# SPDX-License-Identifier: BSD-2-Clause
"""Where the lab keeps what it downloads and builds: outside the tree, shared by every run."""
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class LabError(Exception):
    """Something the user can act on; printed as one sentence, without a traceback."""


def root() -> Path:
    base = os.environ.get("HITLESS_CACHE")
    if base:
        path = Path(base)
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hitless-lab"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@contextlib.contextmanager
def locked(name: str):
    """One builder at a time; scenarios that run in parallel share what the first one built."""
    with open(root() / f".{name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def publish(target: Path):
    """A directory that appears whole or not at all: filled under another name, then renamed."""
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield work
        work.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_atomically(target: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix=f".{target.name}-", dir=target.parent, delete=False) as handle:
        handle.write(data)
    os.replace(handle.name, target)
