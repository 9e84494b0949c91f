# SPDX-License-Identifier: BSD-2-Clause
"""A primary whose transmissions never end, its carrier up: QEMU's wire is a socket that nobody reads. With
no neighbour asked (--probe-interval 0), the kernel's watchdog is the only one to tell (net_dev_xmit_timeout)."""
import socket

from hllab import network, nics
from hllab.cache import LabError
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), programs=("hitless",))
SLOT = nics.SPARE


def run(trial):
    guest, sh = trial.guest, trial.guest.agent.sh
    path = f"{guest.home}/deaf"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen(1)
        guest.qmp("netdev_add", type="stream", id="deaf", server=False, addr={"type": "unix", "path": path})
        guest.qmp("device_add", **{**nics.device(nics.MODELS["virtio"], SLOT), "netdev": "deaf"})
        guest.until("a primary", f"set -- /sys/devices/pci0000:00/{SLOT.bdf}/0000:*/virtio*/net/*; [ -e $1 ]")
        trial.measure("transmission never ends", lambda: hang(guest, sh))
        trial.expect('"active":"standby"' in sh("hitless status -j || true").replace(" ", ""), "it is still used")
        trial.expect(" 0% packet loss" in sh(f"ping -c 5 -i 0.2 {network.FAR_IP} || true"), "the standby does not carry")


def hang(guest, sh) -> str:
    standby, primary = guest.ifname(nics.STANDBY), guest.ifname(SLOT)
    sh(f"ip link set {standby} up; ip addr replace {network.GUEST_IP}/{network.PREFIX} dev {standby}; "
       f"ip neigh replace {network.FAR_IP} lladdr {network.FAR_MAC} nud permanent dev {standby}; "
       f"hitless attach {standby} --primary {primary} --probe-interval 0 --hold-down 20; "
       "setsid hitless run --config /dev/null >/tmp/run.log 2>&1 &")
    guest.until("the primary in use", "hitless status -j | tr -d ' ' | grep -q '\"active\":\"primary\"'")
    pings = guest.agent.start("ping", "-q", "-i", "0.002", "-s", "1400", network.FAR_IP)
    took = guest.until("it is left", "hitless events | grep -q tx-hang", timeout=60)
    pings.kill()
    word = sh("dmesg | grep -i 'tx timeout\\|timed out' | tail -n 1")
    if not word:
        raise LabError("the kernel's watchdog said nothing")
    return f"left {took:.1f} s after the first frame; the guest: {word.strip()}"
