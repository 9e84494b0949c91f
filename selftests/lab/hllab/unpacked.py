# SPDX-License-Identifier: BSD-2-Clause
"""Programs that live unpacked in the cache: running them, and finding the libraries they need.

They run under the dynamic loader and the C library of their own bundle, so it does not matter
which distribution the host is.
"""
import struct
import subprocess
from pathlib import Path

from .cache import LabError

LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


def _library_path(bundle: Path) -> str:
    folders = [bundle / sub for sub in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
    # Libraries in a folder of their own (pulseaudio's, for one) are found by the RPATH of their users.
    return ":".join(str(folder) for folder in folders)


def command(bundle: Path, program: str, *args: str) -> list[str]:
    """The argv that runs a program of a bundle: `command(guest, "usr/sbin/depmod", "-V")`."""
    return [str(bundle / LOADER), "--library-path", _library_path(bundle),
            "--argv0", program, str(bundle / program), *args]


def find(bundle: Path, name: str) -> Path:
    for folder in ("usr/sbin", "usr/bin", "sbin", "bin"):
        if (bundle / folder / name).exists():
            return bundle / folder / name
    raise LabError(f"no {name} in {bundle}")


def libraries(binary: Path, bundle: Path | None = None) -> dict[str, Path]:
    """Soname -> file for all that a binary links, the loader included; empty for what no loader
    starts: a static program, an object file, a script. Without a bundle the host's loader answers."""
    if not _has_interpreter(binary):
        return {}
    loader = bundle / LOADER if bundle else Path("/lib64/ld-linux-x86-64.so.2")
    argv = [str(loader), *(["--library-path", _library_path(bundle)] if bundle else []), "--list"]
    done = subprocess.run([*argv, str(binary)], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"libraries of {binary}: {(done.stderr or done.stdout).strip()}")
    found = {loader.name: loader.resolve()}
    for line in done.stdout.splitlines():
        name, arrow, target = line.strip().partition(" => ")
        if arrow and target.startswith("not found"):
            raise LabError(f"{binary} needs {name}, which is not there")
        if arrow:
            found[Path(name).name] = Path(target.split(" (")[0])
    return found


def _has_interpreter(path: Path) -> bool:
    """Whether an ELF64 file has a PT_INTERP segment, that is, is started by a dynamic loader."""
    data = path.read_bytes()
    if not data.startswith(b"\x7fELF\x02"):
        return False
    table, = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    return any(struct.unpack_from("<I", data, table + at * size)[0] == 3 for at in range(count))
