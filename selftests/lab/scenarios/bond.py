# SPDX-License-Identifier: BSD-2-Clause
"""A bond and a pair: a NIC that is a bond's port is refused by the bond's name, and named where it became one later; a
bond over the pair's own device carries frames by either path."""
from hllab import nics
from hllab.network import FAR_IP, GUEST_IP, PREFIX
from hllab.scenario import Matrix

MATRIX = Matrix(programs=("hitless",))


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect
    standby, primary = trial.guest.ifname(nics.STANDBY), trial.guest.ifname(nics.PRIMARY)
    sh("modprobe bonding max_bonds=0; modprobe veth; ip link add bond0 type bond mode active-backup miimon 100")

    def reaches(by, how):
        out = sh(f"ip neigh flush dev {by}; ping -I {by} -c 5 -W 1 {FAR_IP} 2>&1 || true")
        expect(" 0% packet loss" in out, f"{how}: {out}")

    # As a port of a bond neither may be a pair's; the command that is printed frees it.
    for nic in (standby, primary):
        sh(f"ip link set {nic} down && ip link set {nic} master bond0")
        said = sh(f"hitless attach {standby} --primary {primary} 2>&1; echo exit $?")
        free = f"ip link set {nic} nomaster"
        expect("belongs to a bond" in said and "exit 1" in said and said.splitlines()[0].endswith(f"; {free}"),
               f"{nic}: {said}")
        sh(f"{free} && ip link set {nic} up")

    sh(f"ip addr replace {GUEST_IP}/{PREFIX} dev {standby}")
    sh(f"hitless attach {standby} --primary {primary} --hold-down 0; setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    trial.guest.until("the primary is in use", "hitless status", 20)
    reaches(standby, "by the primary")

    # Later: what comes in by the primary is the bond's, and somebody says so.
    sh(f"ip link set {primary} down; ip link set {primary} master bond0; ip link set bond0 up")
    said = sh(f"hitless status {standby}; echo exit $?")
    expect("belongs to a bond" in said and "exit 2" in said, f"enslaved later: {said}")
    sh(f"ip link set {primary} nomaster; ip link set {primary} up")
    trial.guest.until("the primary is in use again", "hitless status", 20)
    sh(f"kill $(pidof hitless); while pidof hitless >/dev/null; do usleep 5000; done; hitless detach {standby}")

    # The pair's device as the port of a bond.
    sh(f"hitless attach {standby} --primary {primary} --hold-down 0 --model three --failover wan0; "
       f"setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    sh(f"ip addr flush dev wan0; ip link set wan0 down; ip link set wan0 master bond0; ip link set bond0 up; "
       f"ip addr replace {GUEST_IP}/{PREFIX} dev bond0")
    trial.guest.until("the primary is in use", "hitless status", 20)
    sent = f"cat /sys/class/net/{primary}/statistics/tx_packets"
    before = int(sh(sent))
    reaches("bond0", "by a bond over the pair")
    expect(int(sh(sent)) - before >= 5, "the primary sends nothing")
    sh(f"hitless switch {standby} standby --wait")
    reaches("bond0", "by a bond over the pair, by the standby")
    sh(f"ip link set wan0 nomaster; ip link del bond0; kill $(pidof hitless); "
       f"while pidof hitless >/dev/null; do usleep 5000; done; hitless detach {standby}")
