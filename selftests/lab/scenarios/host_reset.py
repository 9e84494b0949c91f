# SPDX-License-Identifier: BSD-2-Clause
"""A guest is reset into a system without hitless: it never sees the primary, and gets it when hitless
runs again. The control, a host that only delivers: it is there at boot."""
from hllab import events, nics
from hllab.hypervisor import Hypervisor
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), peers=("hitless",))


def run(trial):
    guest = trial.guest
    trial.measure("reset, the control", lambda: booted(trial, with_primary=True))
    trial.peer.start(guest)
    with Hypervisor(trial.programs["hitless"], guest, guest.logs) as host:
        host.until("the guest has its primary", lambda state: state["as_requested"])
        trial.measure("reset", lambda: booted(trial, with_primary=False))
        guest.agent.sh(f"ip link set {guest.ifname(nics.STANDBY)} up")
        guest.agent.sh(f"hitless attach {guest.ifname(nics.STANDBY)} --primary mac; "
                       "setsid hitless run >/tmp/hitless-run.log 2>&1 &")
        host.until("the guest has its primary again", lambda state: state["as_requested"])
        trial.expect(bool(guest.ifname(nics.PRIMARY)), "no primary though hitless runs")


def booted(trial, with_primary: bool) -> str:
    guest = trial.guest
    proof = events.reboot(guest)
    there = bool(guest.pci(nics.PRIMARY))
    lines = guest.agent.sh("dmesg | grep -c 'e1000e 0000:' || true").strip()
    trial.expect(there == with_primary and (lines != "0") == with_primary,
                 f"after the reset the primary is {'there' if there else 'not there'}, "
                 f"{lines} lines of its driver in the boot log")
    return f"{proof}; {lines} lines of the primary's driver in the boot log"
