# SPDX-License-Identifier: BSD-2-Clause
"""A hypervisor with a legacy SR-IOV NIC: gives and takes of VFs lose nothing, and its guests reach each other.

The machine is the hypervisor. Its igb is the PF, in a bridge with the taps of two guests, which are network
namespaces; their primaries are the VFs. A VF is plugged when its driver is bound, and not before.
"""
import contextlib
import json
import socket

from hllab import network, nics
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), primaries=("igb",), programs=("hitless", "hl-traffic"))
RATE = 1000
PINGS = 20
GUESTS = {"a": ("52:54:00:00:0a:01", "10.9.0.11"), "b": ("52:54:00:00:0b:01", "10.9.0.12")}
HOST = "/tmp/host.toml"


def run(trial):
    host = Host(trial)
    with trial.flow(RATE, inside=("ip", "netns", "exec", "a"), ip=GUESTS["a"][1]):
        without_order(trial, host)
        host.start()
        judge(trial, trial.measure("plug, give", lambda: host.plug("a"), settle=0.5))
        judge(trial, trial.measure("take", lambda: host.ask("take", "a"), settle=0.5))
        judge(trial, trial.measure("give", lambda: host.ask("give", "a"), settle=0.5))
        forgotten(trial, host)
        not_taken(trial, host)
    each_other(trial, host)
    host.leaves_nothing()


def judge(trial, outcome):
    trial.expect_lost(outcome, 0, 0)


def without_order(trial, host):
    """The control: the address is there before a driver is."""
    def hole():
        host.set_address("a", GUESTS["a"][0])
        trial.guest.agent.sh("sleep 0.3")
        host.set_address("a", "02:00:00:00:00:0a")
        return "no driver has the VF"

    outcome = trial.measure("`ip link set PF vf 0 mac` before a driver is there", hole)
    trial.expect(outcome.down.lost >= 100, f"the control loses nothing: {outcome.down}")
    trial.expect(outcome.up.lost == 0, f"nothing was wrong with what the guest sends: {outcome.up}")


def forgotten(trial, host):
    """As when the PF's driver is loaded anew. What is lost here says nothing: QEMU's igb has no anti-spoof, and gives
    frames that it filters for nobody to every VF that listens to all groups (README.md)."""
    def forget():
        host.set_address("a", "02:00:00:00:00:0a")
        return f"put right after {host.until_filtered('a'):.1f} s"

    trial.measure("the NIC has forgotten the address", forget, settle=0.3)


def not_taken(trial, host):
    """The driver goes while the NIC filters for the guest: that is lost, until the host has heard of it."""
    def vanish():
        host.bind("a", "unbind")
        host.until_filtered("a", "!")
        return f"VF 0 has {host.address('a')}"

    outcome = trial.measure("unplugged without a take", vanish, settle=0.5)
    trial.expect(outcome.down_back and outcome.up_back, "nothing arrives any more")
    judge(trial, trial.measure("plug, give", lambda: host.plug("a"), settle=0.5))


def each_other(trial, host):
    """Whichever path each has."""
    host.plug("b")
    for a, b in (("give", "give"), ("give", "take"), ("take", "take"), ("take", "give")):
        host.ask(a, "a")
        host.ask(b, "b")
        lost = host.ping("a", "b")
        trial.expect(lost == 0, f"a ({a}n) does not reach b ({b}n): {lost} % lost")
    # What is the PF's filter for? Without it a VF's frames for a tap go out to the network (and reach a PF that is
    # promiscuous all the same, as this NIC's is in a bridge; others' are not reached).
    host.ask("give", "a")
    host.ask("take", "b")
    trial.expect(left(trial, host) == 0, "frames between two guests of this host have left it")
    filtered = f"{GUESTS['b'][0]} dev {host.pf} self"
    trial.guest.agent.sh(f"bridge fdb del {filtered}")
    trial.expect(left(trial, host) >= PINGS, "the control: without the filter nothing leaves")
    trial.guest.agent.sh(f"bridge fdb add {filtered}")


def left(trial, host):
    """How many frames from a to b go out to the network while they are answered."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with wire:
        wire.bind((f"{nics.PRIMARY.name}{trial.guest.number}", 0))
        trial.expect(host.ping("a", "b") == 0, "b is not reached")
        wire.setblocking(False)
        count, addresses = 0, b"".join(bytes.fromhex(GUESTS[name][0].replace(":", "")) for name in "ba")
        with contextlib.suppress(BlockingIOError):
            while frame := wire.recv(64):
                count += frame[:12] == addresses
        return count


class Host:
    def __init__(self, trial):
        self.trial, self.sh = trial, trial.guest.agent.sh
        standby, self.pf = trial.guest.ifname(nics.STANDBY), trial.guest.ifname(nics.PRIMARY)
        device = f"/sys/class/net/{self.pf}/device"
        self.sh("modprobe -a bridge veth igbvf; "
                f"ip addr flush dev {standby}; ip link set {standby} down; "
                f"echo 0 > {device}/sriov_drivers_autoprobe; echo 2 > {device}/sriov_numvfs; "
                f"echo 1 > {device}/sriov_drivers_autoprobe; "  # those that are there stay without one
                "ip link add brh type bridge stp_state 0 forward_delay 0 mcast_snooping 0; "
                f"ip link set brh up; ip link set {self.pf} master brh up; "
                # QEMU's igb gives the PF its own broadcasts back; real ones do not (README.md).
                f"bridge link set dev {self.pf} learning off; "
                f"bridge fdb add {network.FAR_MAC} dev {self.pf} master static")
        guests = ""
        for number, (name, (mac, ip)) in enumerate(GUESTS.items()):
            others = [(network.FAR_IP, network.FAR_MAC)] + [(i, m) for n, (m, i) in GUESTS.items() if n != name]
            inside = f"ip -n {name}"
            self.sh(f"ip netns add {name}; ip link add tap{name} type veth peer name standby address {mac} netns {name}; "
                    f"ip link set tap{name} master brh up; {inside} link set lo up; {inside} link set standby up; "
                    f"{inside} addr add {ip}/{network.PREFIX} dev standby; " +
                    "; ".join(f"{inside} neigh add {i} lladdr {m} dev standby nud permanent" for i, m in others))
            network.ip("neigh", "replace", ip, "lladdr", mac, "dev", network.FAR, "nud", "permanent")
            self.sh(f"hitless -n {name} attach standby --primary driver:igbvf --hold-down 20; "
                    f"setsid hitless -n {name} run >/tmp/run-{name}.log 2>&1 &")
            guests += (f'[[guest]]\nname = "{name}"\nmac = "{mac}"\nstandby = "tap{name}"\n'
                       f'primary = {{ pf = "{self.pf}", vf = {number} }}\n')
        self.sh(f"cat > {HOST} <<'END'\n{guests}END")
        said = self.sh(f"hitless host check --config {HOST} || true")
        trial.expect(f"{self.pf}: 2 VFs of the kind late: igb filters" in said, f"host check: {said}")

    def start(self):
        self.sh(f"setsid hitless host run --config {HOST} >/tmp/host.log 2>&1 & echo $! >/tmp/host.pid")
        self.trial.guest.until("the daemon hears both guests",
                               "[ $(hitless host status -j 2>/dev/null | grep -oE '\"able\": ?true' | wc -l) = 2 ]")

    def vf(self, name):
        return list(GUESTS).index(name)

    def set_address(self, name, mac):
        self.sh(f"ip link set {self.pf} vf {self.vf(name)} mac {mac}")

    def address(self, name):
        links = json.loads(self.sh(f"ip -j link show dev {self.pf}"))
        return links[0]["vfinfo_list"][self.vf(name)]["address"]

    def until_filtered(self, name, no=""):
        """Until the NIC filters for the guest's address for its VF, or does not."""
        return self.trial.guest.until(f"{no} the address of {name}", f"{no} ip link show dev {self.pf} | "
                                      f"grep -q 'vf {self.vf(name)} .*{GUESTS[name][0]}'")

    def bind(self, name, how):
        bdf = self.sh(f"basename $(readlink /sys/class/net/{self.pf}/device/virtfn{self.vf(name)})")
        self.sh(f"echo {bdf} > /sys/bus/pci/drivers/igbvf/{how}")
        return bdf

    def plug(self, name):
        """As a guest whose driver comes to have it, and a hypervisor that follows."""
        before = self.address(name)
        self.trial.expect(before != GUESTS[name][0], f"the VF of {name} has its address before it is plugged")
        bdf = self.bind(name, "bind")
        self.trial.guest.until("the VF has a netdev", f"[ -e /sys/bus/pci/devices/{bdf}/net/* ]")
        self.sh(f"ip link set $(ls /sys/bus/pci/devices/{bdf}/net) netns {name} name primary")
        self.ask("give", name)
        self.trial.expect(self.address(name) == GUESTS[name][0], f"the NIC filters for {self.address(name)}")
        return f"{bdf}: {before}, then {self.address(name)}"

    def ask(self, request, name):
        said = self.sh(f"hitless host {request} {name} --wait --timeout 20 2>&1; echo exit $?")
        if not said.endswith("exit 0"):
            self.trial.guest.log(self.sh(f"cat /tmp/host.log /tmp/run-{name}.log; hitless -n {name} explain standby; "
                                   f"hitless host status {name}; true"))
        self.trial.expect(said.endswith("exit 0"), f"{request} {name}: {said}")
        return f"VF {self.vf(name)} has {self.address(name)}"

    def ping(self, name, other):
        """How many percent are lost."""
        out = self.sh(f"ip netns exec {name} ping -q -i 0.02 -c {PINGS} -W 1 {GUESTS[other][1]} || true")
        return int(next(line for line in out.splitlines() if "packet loss" in line).split("%")[0].split()[-1])

    def leaves_nothing(self):
        for name, (mac, _) in GUESTS.items():
            self.ask("take", name)
            self.trial.expect(self.address(name) != mac, f"the NIC filters for {name} after the take")
        self.sh(f": > {HOST}; kill -HUP $(cat /tmp/host.pid)")
        self.trial.guest.until("the PF's filter is as it was",
                               f"! bridge fdb show dev {self.pf} | grep self | grep -q 52:54:00:00:0")
