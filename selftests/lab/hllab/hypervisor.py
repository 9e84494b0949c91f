# SPDX-License-Identifier: BSD-2-Clause
"""hitless on the hypervisor's side: the daemon in the sandbox, beside the bridge and the taps."""
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

from . import nics
from .cache import LabError
from .machine import Machine

GUEST = "guest"
UNPLUG_MS = 4000


class Hypervisor:
    """`with Hypervisor(program, guest, logs) as host: host("take", "--wait")`"""

    def __init__(self, program: Path, guest: Machine, logs: Path, want: str = "primary"):
        self.program, self.logs = program, logs
        self.home = guest.home
        self.config = self.home / "host.toml"
        self.env = {**os.environ, "HITLESS_STATE_DIR": str(self.home / "state")}
        number = guest.number
        self.config.write_text(f"""
[[guest]]
name = "{GUEST}"
mac = "{nics.MAC}"
standby = "{nics.STANDBY.name}{number}"
primary = "{nics.PRIMARY.name}{number}"
want = "{want}"
monitor = "qmp:{guest.home}/qmp-hitless"
device = '{json.dumps(guest.primary_device())}'
unplug_ms = {UNPLUG_MS}
""")

    def __enter__(self) -> "Hypervisor":
        (self.home / "state").mkdir(exist_ok=True)
        with open(self.logs / "host.log", "a") as log:
            self.process = subprocess.Popen([self.program, "host", "run", "--config", self.config],
                                            env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not list((self.home / "state").glob("host-control*")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the host's daemon did not start: {(self.logs / 'host.log').read_text()}")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()

    def ask(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.program, "host", *words], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    def __call__(self, *words: str, expect: int = 0) -> str:
        done = self.ask(*words)
        if done.returncode != expect:
            raise LabError(f"hitless host {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def status(self) -> dict:
        return json.loads(self.ask("status", GUEST, "-j").stdout)["guests"][0]

    def until(self, what: str, condition, timeout: float = 30) -> float:
        begin = time.monotonic()
        while not condition(status := self.status()):
            if time.monotonic() > begin + timeout:
                raise LabError(f"not within {timeout:g} s: {what}; the host says {status}")
            time.sleep(0.02)
        return time.monotonic() - begin

    def take(self, guest: Machine) -> str:
        """The guest leaves its primary, which is unplugged."""
        folder = guest.pci(nics.PRIMARY)
        if not folder:
            raise LabError("take: there is no primary")
        self("take", GUEST, "--wait")
        if guest.pci(nics.PRIMARY):
            raise LabError(f"take: {folder} is still in the guest")
        return f"{folder.rpartition('/')[2]} is gone from the guest"

    def give(self, guest: Machine) -> str:
        """The primary is plugged, and the guest receives by it."""
        if guest.pci(nics.PRIMARY):
            raise LabError("give: the slot is taken")
        self("give", GUEST, "--wait", "--timeout", "30")
        name = guest.ifname(nics.PRIMARY)
        if not name:
            raise LabError("give: no netdev appeared")
        return f"{name} appeared and has the downlink"
