# SPDX-License-Identifier: BSD-2-Clause
"""The guest's file system: a base image for each kernel, built once, and a thin overlay with what
was just built on the host. The kernel unpacks both, one over the other."""
import hashlib
import subprocess
import tempfile
from pathlib import Path

from . import cache, fetch, kernel, unpacked
from .cpio import Archive

GUEST = Path(__file__).resolve().parent.parent / "guest"

# busybox serves every name that none of these takes.
PROGRAMS = ("dash", "ip", "bridge", "tc", "ss", "ethtool", "bpftool", "tcpdump", "kmod", "teamd",
            "teamnl", "teamdctl", "iperf3")
KMOD_NAMES = ("modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod")

# Loaded before the agent starts: the bus and the port it speaks through.
BOOT_MODULES = ("virtio_pci", "virtio_console")
# There when something asks for them.
MODULES = (*BOOT_MODULES, "virtio_net", "e1000e", "vmxnet3", "igb", "igbvf",
           "bonding", "team", "team_mode_activebackup", "net_failover", "veth",
           "bridge", "br_netfilter", "tun", "tap", "8021q", "dummy", "netkit", "macvlan", "ipvlan",
           "macvtap", "vrf", "vxlan", "af_packet", "packet_diag", "sch_ingress", "sch_fq", "sch_fq_codel",
           "sch_netem", "sch_tbf", "sch_htb", "sch_prio", "cls_bpf", "cls_matchall", "cls_flower", "cls_u32",
           "act_mirred", "act_gact", "act_bpf", "act_pedit", "netconsole", "virtio_rng", "virtio_balloon",
           "ipv6", "nf_tables", "xsk_diag", "netdevsim", "pcie_hotplug", "acpiphp")


def base(target: kernel.Kernel) -> Path:
    """The base image of a kernel, from the cache unless the lab's own files changed."""
    sources = [Path(__file__), *sorted(GUEST.iterdir())]
    bundles = [fetch.BUNDLES["guest"].path, target.home]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sources) +
                            b"".join((b / "PACKAGES").read_bytes() for b in bundles)).hexdigest()[:16]
    path = cache.root() / f"base-{target.name}-{digest}.cpio"
    with cache.locked(f"base-{target.name}"):
        if not path.exists():
            for old in cache.root().glob(f"base-{target.name}-*.cpio"):
                old.unlink()
            cache.write_atomically(path, build(target))
    return path


def build(target: kernel.Kernel) -> bytes:
    archive = Archive()
    for folder in ("dev", "proc", "sys", "run", "tmp", "root", "var/run", "mnt", "etc"):
        archive.folder(folder)
    archive.copy(GUEST / "init", "/init")
    archive.file("/etc/passwd", b"root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    archive.file("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    add_programs(archive)
    add_modules(archive, target)
    with tempfile.TemporaryDirectory() as work:
        agent = Path(work) / "agent"
        subprocess.run(["cc", "-static", "-O2", "-o", agent, GUEST / "agent.c"], check=True)
        archive.copy(agent, "/lab/agent")
    return archive.pack()


def add_programs(archive: Archive) -> None:
    guest = fetch.BUNDLES["guest"].path
    busybox = unpacked.find(guest, "busybox")
    archive.copy(busybox, "/lab/busybox")
    for applet in subprocess.run([busybox, "--list"], check=True, capture_output=True,
                                 text=True).stdout.split():
        archive.symlink(f"/bin/{applet}", "/lab/busybox")
    for name in PROGRAMS:
        add_binary(archive, unpacked.find(guest, name), f"/bin/{name}", guest)
    for name in KMOD_NAMES:
        archive.symlink(f"/bin/{name}", "/bin/kmod")
    archive.symlink("/bin/sh", "/bin/dash")
    archive.symlink("/sbin/modprobe", "/bin/kmod")  # where the kernel looks


def add_binary(archive: Archive, source: Path, path: str, bundle: Path | None = None) -> None:
    archive.copy(source, path)
    for name, library in unpacked.libraries(source, bundle).items():
        folder = "/lib64" if name.startswith("ld-linux") else "/lib/x86_64-linux-gnu"
        if f"{folder}/{name}" not in archive:
            archive.copy(library, f"{folder}/{name}")


def add_modules(archive: Archive, target: kernel.Kernel) -> None:
    with tempfile.TemporaryDirectory() as work:
        staged = Path(work) / "lib/modules" / target.release
        for module in target.closure(MODULES):
            # Unpacked: decompressing is slow in an emulated guest.
            plain = staged / module.relative_to(target.modules).with_name(module.name.removesuffix(".xz"))
            plain.parent.mkdir(parents=True, exist_ok=True)
            plain.write_bytes(kernel.read_module(module))
        for index in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            (staged / index).write_bytes((target.modules / index).read_bytes())
        kernel.depmod(Path(work), target.release)
        archive.tree(staged, f"/lib/modules/{target.release}")
    present = " ".join(name for name in BOOT_MODULES if target.has(name))
    archive.file("/lab/boot-modules", present.encode())


def overlay(binaries: list[Path], files: dict[str, Path] | None = None) -> bytes:
    """Host-built programs for /usr/bin with the libraries they link, and plain files by guest path.
    The host's libraries replace the base's: newer ones serve older programs, not the reverse."""
    archive = Archive()
    for binary in binaries:
        add_binary(archive, binary, f"/usr/bin/{binary.name}")
    for path, source in (files or {}).items():
        archive.copy(source, path)
    return archive.pack()
