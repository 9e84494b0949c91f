# SPDX-License-Identifier: BSD-2-Clause
"""Programs built on the host, wherever in the build directory they are."""
import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_BUILD = ROOT / "build"
# The frozen release has programs of the same names; what tests need of it has a name of its own.
OLDER = re.compile(r"/older/abi-\d+/")


def find(build: Path, name: str) -> Path | None:
    """What stands directly in `build` (the release, by agreement); else the newest below it."""
    if (build / name).is_file():
        return (build / name).resolve()
    found = [path for path in build.rglob(name)
             if path.is_file() and os.access(path, os.X_OK) and not OLDER.search(str(path))]
    return max(found, key=lambda path: path.stat().st_mtime).resolve() if found else None
