# SPDX-License-Identifier: BSD-2-Clause
"""One guest in one QEMU."""
import itertools
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import fetch, image, kernel, network, nics, qmp, unpacked
from .agent import Agent
from .cache import LabError
from .sandbox import SCRATCH

# No CPU feature that TCG would have to emulate at length; SSSE3 and POPCNT are what Debian's own
# libraries and crypto modules make use of.
CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"
COMMAND_LINE = ("console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off audit=0 "
                "net.ifnames=0 tsc=reliable no_timer_check rcupdate.rcu_expedited=1 "
                "random.trust_cpu=on lsm=lockdown,bpf cryptomgr.notests initcall_blacklist="
                # Start-up work of a second or more under TCG that nothing here makes use of.
                "init_encrypted,jent_mod_init,crypto_kdf108_init,load_system_certificate_list")
# QEMU 7's e1000e raises its "other causes" MSI-X vector once and never again: link changes go
# unnoticed. By the legacy interrupt they arrive.
COMMAND_LINE_FOR = {"7": " e1000e.IntMode=0"}
BOOT_TIMEOUT = 90
DEFAULT_PRIMARY = "e1000e"


@dataclass
class Spec:
    """What to boot. `binaries` were built on the host; they come with their libraries."""
    kernel: str = "6.1"
    qemu: str = "10"
    primary: str | None = "e1000e"     # in its slot at boot; None: to be plugged later
    standby: str = "virtio"
    standby_options: dict = field(default_factory=dict)
    primary_options: dict = field(default_factory=dict)
    native_hotplug: bool = False       # pciehp instead of ACPI
    binaries: list[Path] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    # Slot -> number of a hub inside QEMU instead of a tap: nothing comes in from outside.
    hubs: dict[nics.Slot, int] = field(default_factory=dict)
    console: str = ""                  # a -serial argument; empty: to serial.log


class QemuCrashed(LabError):
    """The emulator's own fault: says nothing about the guest."""


class Machine:
    """`with Machine(spec, logs) as guest: guest.agent.run("uname", "-r")`"""

    _numbers = itertools.count()

    def __init__(self, spec: Spec, logs: Path, incoming: bool = False):
        self.spec, self.logs, self.incoming = spec, logs, incoming
        self.number = next(self._numbers)
        self.home = SCRATCH / f"machine{self.number}"
        self.qemu = fetch.BUNDLES[f"qemu-{spec.qemu}"]
        self.process: subprocess.Popen | None = None
        self.boot_seconds = 0.0
        self.before_resuming = lambda: None  # called when its CPU has stood still for an event

    def log(self, text: str) -> None:
        with open(self.logs / "lab.log", "a") as handle:
            handle.write(f"{time.monotonic():.3f} machine{self.number}: {text}\n")

    # Starting and ending

    def __enter__(self) -> "Machine":
        if not self.qemu.present:
            raise LabError(f"{self.qemu.name} is not in the cache: run `selftests/lab/lab fetch`")
        begin = time.monotonic()
        self.home.mkdir()
        argv = self._argv()
        self.log(" ".join(argv))
        with open(self.logs / f"qemu{self.number}.log", "w") as out:
            self.process = subprocess.Popen(
                argv, stdin=None if self.spec.console else subprocess.DEVNULL, stdout=None if
                self.spec.console else out, stderr=out,
                env={"QEMU_MODULE_DIR": str(self.qemu.path / "usr/lib/x86_64-linux-gnu/qemu")})
        deadline = begin + 20
        try:
            self.qmp = qmp.Qmp(qmp.connect(str(self.home / "qmp"), deadline))
            self.qtest = qmp.Qtest(qmp.connect(str(self.home / "qtest"), deadline))
            port = qmp.connect(str(self.home / "agent"), deadline)
        except LabError as error:
            text = (self.logs / f"qemu{self.number}.log").read_text().strip()
            self.__exit__()
            raise LabError(f"{error}: {text}") from None
        if self.incoming:
            self.port = port  # handed to the source's agent when the guest has moved
        else:
            self.agent = Agent(port, self.log)
            self.agent.wait_ready(BOOT_TIMEOUT)
            self.boot_seconds = time.monotonic() - begin
            self.log(f"booted in {self.boot_seconds:.2f} s")
        return self

    def __exit__(self, *_):
        if not self.process:
            return
        process, self.process = self.process, None
        status = process.poll()
        process.kill()
        process.wait()
        if status is not None:
            self.log(f"QEMU had ended by itself: exit {status}")
            if status < 0:
                raise QemuCrashed(f"QEMU {self.spec.qemu} itself crashed (signal {-status})")

    def _argv(self) -> list[str]:
        spec, home = self.spec, self.home
        target = kernel.get(spec.kernel)
        initrd = home / "initrd"
        initrd.write_bytes(image.base(target).read_bytes() + image.overlay(spec.binaries, spec.files))
        share = self.qemu.path / "usr"
        argv = unpacked.command(
            self.qemu.path, "usr/bin/qemu-system-x86_64",
            "-L", f"{share}/share/qemu", "-L", f"{share}/share/seabios", "-nodefaults",
            "-no-user-config", "-display", "none", "-machine", "q35,sata=off,smbus=off",
            "-accel", "tcg", "-cpu", CPU, "-m", "768", "-smp", "1",
            "-action", "reboot=shutdown",  # a panic ends QEMU; a planned reboot lifts this first
            "-kernel", str(target.vmlinux),
            "-initrd", str(initrd), "-append", self._command_line(),
            "-qmp", f"unix:{home}/qmp,server=on,wait=off",
            "-qmp", f"unix:{home}/qmp-hitless,server=on,wait=off",  # a monitor serves one client
            "-qtest", f"unix:{home}/qtest,server=on,wait=off", "-qtest-log", "/dev/null",
            "-serial", spec.console or f"file:{self.logs}/serial{self.number}.log",
            "-chardev", f"socket,id=agent,path={home}/agent,server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=lab")
        if spec.native_hotplug:
            argv += ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
        for slot in nics.SLOTS:
            if slot in spec.hubs:
                wire = f"hubport,id={slot.wire},hubid={spec.hubs[slot]}"
            else:
                tap = network.tap(f"{slot.name}{self.number}")
                wire = f"tap,id={slot.wire},ifname={tap},script=no,downscript=no"
            argv += ["-device", f"pcie-root-port,id={slot.port},bus=pcie.0,addr={slot.address:#x},"
                                f"chassis={slot.address},slot={slot.address}",
                     "-netdev", wire]
        argv += ["-device", nics.as_option(self.standby_device())]
        if spec.primary:
            argv += ["-device", nics.as_option(self.primary_device())]
        if self.incoming:
            argv += ["-incoming", "defer"]
        return argv + spec.extra

    def _command_line(self) -> str:
        models = (self.spec.standby, self.spec.primary or DEFAULT_PRIMARY)
        drivers = dict.fromkeys(nics.MODELS[model].driver for model in models)
        return f"{COMMAND_LINE}{COMMAND_LINE_FOR.get(self.spec.qemu, '')} lab.nics={','.join(drivers)}"

    def standby_device(self) -> dict:
        return nics.device(nics.MODELS[self.spec.standby], nics.STANDBY, **self.spec.standby_options)

    def primary_device(self, model: str | None = None) -> dict:
        model = model or self.spec.primary or DEFAULT_PRIMARY
        return nics.device(nics.MODELS[model], nics.PRIMARY, **self.spec.primary_options)

    # The guest's view

    def ifname(self, slot: nics.Slot) -> str:
        """The netdev behind a slot; empty when there is none."""
        return self._first(f"/sys/devices/pci0000:00/{slot.bdf}/0000:*/net/*",
                           f"/sys/devices/pci0000:00/{slot.bdf}/0000:*/virtio*/net/*").split("/")[-1]

    def pci(self, slot: nics.Slot) -> str:
        """The sysfs folder of the PCI function in a slot; empty when the guest sees none there."""
        return self._first(f"/sys/devices/pci0000:00/{slot.bdf}/0000:*:*.0/config").removesuffix("/config")

    def _first(self, *patterns: str) -> str:
        # Globs and builtins only: a fork costs a busy emulated guest milliseconds.
        return self.agent.sh(f"for p in {' '.join(patterns)}; do [ -e $p ] && echo $p && break; done; true")

    def until(self, what: str, condition: str, timeout: float = 30) -> float:
        """Polls a shell condition inside the guest; returns how many seconds it took."""
        begin = time.monotonic()
        poll = f"until {condition}; do usleep 5000; done"
        try:
            self.agent.run("sh", "-c", poll, timeout=timeout)
        except LabError as error:
            raise LabError(f"not within {timeout:g} s: {what} ({error})") from None
        return time.monotonic() - begin

    def starved(self) -> float:
        """Seconds for which QEMU's threads stood ready and got no CPU of the host."""
        waits = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[1]) for path in waits) / 1e9
