# SPDX-License-Identifier: BSD-2-Clause
"""A shell in a lab guest, on the terminal it was started from."""
import shutil
import sys
import tempfile
import termios
from pathlib import Path

from . import binaries, cache, machine, network, peers, sandbox

PROGRAMS = ("hitless", "hl-traffic")


def shell(spec: machine.Spec, peer_name: str, build: Path, command: str | None,
          programs: list[Path]) -> int:
    """Interactive, or one command whose output and status are passed on."""
    found = [path for name in PROGRAMS if (path := binaries.find(build, name))] + programs
    peer = peers.PEERS[peer_name]
    spec = peers.spec_for(peer, spec)
    spec.binaries = found
    if command is None:
        spec.console = "chardev:console"
        spec.extra = ["-chardev", "stdio,id=console,signal=off"]
    logs = Path(tempfile.mkdtemp(prefix="shell-", dir=cache.root()))

    def task() -> int:
        network.up()
        with machine.Machine(spec, logs) as guest:
            if spec.primary:
                peer.start(guest)
            if command is not None:
                result = guest.agent.run("sh", "-c", command, timeout=3600, check=False)
                print(result.out, end="")
                print(result.err, end="", file=sys.stderr)
                return result.rc
            brought = ", ".join(path.name for path in found) or "nothing"
            print(f"{spec.kernel} in {guest.boot_seconds:.1f} s; {brought} "
                  f"from {build}; the far end is {network.FAR_IP}. `exit` ends the guest.\r")
            size = shutil.get_terminal_size()
            # A job leads a session of its own: the terminal it opens first becomes its own.
            job = guest.agent.start("sh", "-c", "exec </dev/ttyS0 >/dev/ttyS0 2>&1; "
                                    f"stty sane cols {size.columns} rows {size.lines}; "
                                    "cd; export PS1='guest# '; exec sh -i")
            job.wait(timeout=1 << 20)
            return 0

    terminal = termios.tcgetattr(0) if command is None and sys.stdin.isatty() else None
    try:
        return sandbox.run(task)
    finally:
        if terminal:  # QEMU left it raw
            termios.tcsetattr(0, termios.TCSADRAIN, terminal)
        shutil.rmtree(logs, ignore_errors=True)
