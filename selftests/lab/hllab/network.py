# SPDX-License-Identifier: BSD-2-Clause
"""The wire: one bridge in the sandbox with a tap for each NIC; the bridge itself is the far end."""
import subprocess

from . import fetch, unpacked

FAR = "br0"
FAR_MAC = "02:00:00:00:00:fe"
FAR_IP, GUEST_IP, PREFIX = "10.9.0.1", "10.9.0.2", 24


def ip(*args: str) -> None:
    subprocess.run(unpacked.command(fetch.BUNDLES["guest"].path, "bin/ip", *args), check=True)


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
