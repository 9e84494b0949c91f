# SPDX-License-Identifier: BSD-2-Clause
"""The wire: one bridge in the sandbox with a tap for each NIC; the bridge itself is the far end."""
import subprocess
import time
from pathlib import Path

from . import fetch, nics, unpacked

FAR = "br0"
FAR_MAC = "02:00:00:00:00:fe"
FAR_IP, GUEST_IP, PREFIX = "10.9.0.1", "10.9.0.2", 24


def ip(*args: str) -> None:
    _tool("bin/ip", *args)


def _tool(program: str, *args: str) -> str:
    argv = unpacked.command(fetch.BUNDLES["guest"].path, program, *args)
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def quiet_ipv6() -> None:
    """No router solicitations or DAD of our own among the frames that are counted."""
    for scope in ("all", "default"):
        with open(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "w") as knob:
            knob.write("1")


def up() -> None:
    quiet_ipv6()
    ip("link", "set", "lo", "up")
    ip("link", "add", FAR, "address", FAR_MAC, "type", "bridge", "stp_state", "0",
       "forward_delay", "0", "mcast_snooping", "0")
    ip("addr", "add", f"{FAR_IP}/{PREFIX}", "dev", FAR)
    ip("link", "set", FAR, "up")


def tap(name: str) -> str:
    """Persistent, so that it outlives the device_del of its NIC and can be used again."""
    ip("tuntap", "add", name, "mode", "tap", "vnet_hdr")
    ip("link", "set", name, "master", FAR, "mtu", "9000", "up")
    return name


def path_down() -> str:
    """The slot that the bridge sends the guest's frames to; empty before the guest has spoken."""
    for line in _tool("sbin/bridge", "fdb", "show", "br", FAR).splitlines():
        words = line.split()
        if words[0] == nics.MAC and "permanent" not in words:
            return words[words.index("dev") + 1].rstrip("0123456789")
    return ""


def path_up(patience: float = 0.5) -> str:
    """The slot that the guest's frames come from; empty when it says nothing meanwhile."""
    before, deadline = _received(), time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(0.02)
        gained = {tap: count - before.get(tap, 0) for tap, count in _received().items()}
        busiest = max(gained, key=gained.get)
        if gained[busiest] >= 5:
            return busiest.rstrip("0123456789")
    return ""


def _received() -> dict[str, int]:
    ports = Path("/sys/class/net", FAR, "brif").iterdir()
    return {port.name: int(Path("/sys/class/net", port.name, "statistics/rx_packets").read_text())
            for port in ports}
