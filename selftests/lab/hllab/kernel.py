# SPDX-License-Identifier: BSD-2-Clause
"""Debian kernels as the lab boots them: an uncompressed vmlinux and an index of modules."""
import lzma
import re
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from . import cache, fetch, unpacked
from .cache import LabError


@dataclass(frozen=True)
class Kernel:
    name: str     # as the user says it: 6.1
    release: str  # as uname says it: 6.1.0-53-amd64
    home: Path    # the unpacked package

    @property
    def vmlinux(self) -> Path:
        return self.home / "vmlinux"

    @property
    def modules(self) -> Path:
        return self.home / "lib/modules" / self.release

    def closure(self, names) -> list[Path]:
        """The named modules and all they depend on; names that are built in (or that this kernel
        does not have) are left out."""
        depends = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            module, _, needs = line.partition(":")
            depends[module] = needs.split()
        by_name = {module_name(path): path for path in depends}
        wanted: dict[str, None] = {}
        for name in names:
            path = by_name.get(name)
            if path:
                wanted.update(dict.fromkeys([*depends[path], path]))
        return [self.modules / path for path in wanted]

    def has(self, module: str) -> bool:
        """As a module or built in."""
        built_in = (self.modules / "modules.builtin").read_text().splitlines()
        return bool(self.closure([module])) or module in map(module_name, built_in)


def module_name(path: str) -> str:
    return re.sub(r"\.ko.*$", "", Path(path).name).replace("-", "_")


def read_module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def get(name: str) -> Kernel:
    bundle = fetch.BUNDLES.get(f"kernel-{name}")
    if not bundle:
        raise LabError(f"no kernel {name} in the table of fetch.py")
    if not bundle.present:
        raise LabError(f"kernel {name} is not in {cache.root()}: run `selftests/lab/lab fetch`")
    image = next((bundle.path / "boot").glob("vmlinuz-*"))
    kernel = Kernel(name, image.name.removeprefix("vmlinuz-"), bundle.path)
    with cache.locked(bundle.name):
        if not kernel.vmlinux.exists():
            cache.write_atomically(kernel.vmlinux, extract(image.read_bytes()))
        if not (kernel.modules / "modules.dep").exists():
            depmod(bundle.path, kernel.release)
    return kernel


def depmod(base: Path, release: str) -> None:
    """Indexes base/lib/modules/RELEASE."""
    guest = fetch.BUNDLES["guest"].path
    # One binary under many names: it goes by argv[0].
    argv = unpacked.command(guest, "bin/kmod", "-b", str(base), release)
    argv[argv.index("--argv0") + 1] = "depmod"
    subprocess.run(argv, check=True)


def extract(image: bytes) -> bytes:
    """The vmlinux inside a bzImage (Documentation/arch/x86/boot.rst: payload_offset and _length)."""
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = image[start:start + length - 4]  # the last four bytes are its unpacked size
    if payload.startswith(b"\xfd7zXZ"):
        data = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        data = zlib.decompressobj(31).decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        argv = unpacked.command(fetch.BUNDLES["guest"].path, "usr/bin/zstd", "-dc")
        data = subprocess.run(argv, input=payload, check=True, capture_output=True).stdout
    else:
        raise LabError(f"kernel payload starts with {payload[:4].hex()}: no decompressor for that")
    if not data.startswith(b"\x7fELF"):
        raise LabError("what was unpacked from the kernel image is no ELF file")
    return data
