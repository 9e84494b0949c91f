# SPDX-License-Identifier: BSD-2-Clause
"""What a guest can do about two NICs: nothing, what Linux and QEMU have, and hitless.

A peer is one entry of `PEERS`: how the machine differs, what to type in the guest, and what a network
configuration would do about a primary that comes back. The commands see $STANDBY and $PRIMARY.
"""
import json
from dataclasses import dataclass, field

from . import network, nics
from .machine import Machine, Spec

TEAM = json.dumps({"device": "team0", "runner": {"name": "activebackup"}, "link_watch": {"name": "ethtool"}})


@dataclass(frozen=True)
class Peer:
    master: str              # the netdev that has the address, as a shell word
    set_up: str = ""
    returned: str = ""       # the primary has been plugged in again
    prefer: str = ""         # what an operator types to have the primary used again
    leave: str = ""          # and to have it left in time, when told that it will go
    survives: bool = True    # that its primary goes away
    needs: tuple[str, ...] = ()  # host-built programs
    spec: dict = field(default_factory=dict)

    def start(self, guest: Machine) -> str:
        """Sets up and addresses the master; returns its name."""
        guest.until("both NICs", _both_present())
        _sh(guest, self.set_up)
        master = _sh(guest, f"echo {self.master}")
        _sh(guest, f"ip addr add {network.GUEST_IP}/{network.PREFIX} dev {master}; ip link set {master} up; "
            # No ARP during an event: what is lost then is the path's doing.
            f"ip neigh replace {network.FAR_IP} lladdr {network.FAR_MAC} dev {master} nud permanent")
        network.ip("neigh", "replace", network.GUEST_IP, "lladdr", nics.MAC, "dev", network.FAR,
                   "nud", "permanent")
        guest.until(f"carrier on {master}", f'[ "$(cat /sys/class/net/{master}/carrier)" = 1 ]')
        guest.until("the far end answers", f"ping -c 1 -W 1 {network.FAR_IP} >/dev/null 2>&1", 20)
        return master

    def readd(self, guest: Machine) -> None:
        """The primary is back: what udev and a network manager would do."""
        _sh(guest, self.returned)

    def use_primary(self, guest: Machine) -> None:
        _sh(guest, self.prefer)

    def leave_primary(self, guest: Machine) -> None:
        _sh(guest, self.leave)


def spec_for(peer: Peer, spec: Spec) -> Spec:
    return Spec(**{**vars(spec), **peer.spec})


def _both_present() -> str:
    patterns = [f"/sys/devices/pci0000:00/{slot.bdf}/0000:*" for slot in (nics.STANDBY, nics.PRIMARY)]
    return " && ".join(f"set -- {p}/net/* {p}/virtio*/net/* && [ -e $1 -o -e $2 ]" for p in patterns)


def _sh(guest: Machine, script: str) -> str:
    names = vars(guest).setdefault("peer_names", {})
    for slot in (nics.STANDBY, nics.PRIMARY):
        names[slot] = guest.ifname(slot) or names.get(slot, "")  # a model may have hidden it since
    return guest.agent.sh(f"set -e; STANDBY={names[nics.STANDBY]} PRIMARY={names[nics.PRIMARY]}\n{script}")


def _bond(miimon: int) -> Peer:
    return Peer(
        "bond0",
        f"modprobe bonding max_bonds=0; ip link add bond0 type bond mode active-backup miimon {miimon}\n"
        "for nic in $PRIMARY $STANDBY; do ip link set $nic down; ip link set $nic master bond0; done\n"
        "ip link set bond0 type bond primary $PRIMARY",
        "ip link set $PRIMARY down; ip link set $PRIMARY master bond0\n"
        "ip link set bond0 type bond primary $PRIMARY",
        leave="ip link set bond0 type bond primary $STANDBY")


def hitless(liveness: str = "best", model: str = "two") -> Peer:
    return Peer(
        "fo-$STANDBY" if model in ("three", "hidden") else "$STANDBY",
        "ip link set $STANDBY up; ip link set $PRIMARY up\n"
        f"hitless attach $STANDBY --primary mac --liveness {liveness} --model {model}\n"
        "setsid hitless run >/tmp/hitless-run.log 2>&1 &",
        prefer="hitless switch $STANDBY auto",
        leave="hitless switch $STANDBY standby --wait",
        needs=("hitless",))


PEERS = {
    "none": Peer("$STANDBY", "ip link set $PRIMARY up"),
    "plain": Peer("$PRIMARY", survives=False),
    "bond-100": _bond(100),
    "bond-10": _bond(10),
    "team": Peer(
        "team0",
        f"mkdir -p /var/run/teamd; ip link set $PRIMARY down; ip link set $STANDBY down\n"
        f"teamd -d -c '{TEAM}'\n"
        "teamdctl team0 port config update $PRIMARY '{\"prio\": 100}'\n"
        "teamdctl team0 port add $PRIMARY; teamdctl team0 port add $STANDBY",
        "ip link set $PRIMARY down\nteamdctl team0 port config update $PRIMARY '{\"prio\": 100}'\n"
        "teamdctl team0 port add $PRIMARY",
        # teamd does not go back by itself, whatever the prio.
        "teamdctl team0 state item set runner.active_port $PRIMARY",
        "teamdctl team0 state item set runner.active_port $STANDBY"),
    "net_failover": Peer(
        # The failover netdev sits beside the standby, on the same virtio device, without a master.
        f"$(cd /sys/devices/pci0000:00/{nics.STANDBY.bdf}; for d in 0000:*/virtio*/net/*; do "
        "[ -e $d/master ] || echo ${d##*/}; done)",
        spec={"standby_options": {"failover": "on"},
              "primary_options": {"failover_pair_id": nics.STANDBY.name}}),
    "hitless": hitless(),
}
