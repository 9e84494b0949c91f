# SPDX-License-Identifier: BSD-2-Clause
"""A standby in a VRF: paired as it is in the model two, both ways and both paths; refused by its name where it would
have to move."""
from hllab import nics
from hllab.network import FAR_IP
from hllab.scenario import Matrix

MATRIX = Matrix(programs=("hitless",))


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect
    standby, primary = trial.guest.ifname(nics.STANDBY), trial.guest.ifname(nics.PRIMARY)
    address = sh(f"ip -o -4 addr show dev {standby}").split()[3]
    sh(f"modprobe vrf; ip link add vrf0 type vrf table 10 && ip link set vrf0 up && ip link set {standby} master vrf0 && "
       f"ip addr replace {address} dev {standby}")

    def reaches(how):
        out = sh(f"ip neigh flush dev {standby}; ping -I vrf0 -c 5 -W 1 {FAR_IP} 2>&1 || true")
        expect(" 0% packet loss" in out, f"{how}: {out}")

    reaches("before")
    for model in ("three", "hidden", "one"):
        said = sh(f"hitless attach {standby} --primary mac --model {model} 2>&1; echo exit $?")
        expect("it belongs to a VRF" in said and "exit 1" in said, f"{model}: {said}")
    reaches("after the refusals")

    sh(f"hitless attach {standby} --primary mac --hold-down 0; setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    trial.guest.until("the primary is in use", "hitless status", 20)
    sent = f"cat /sys/class/net/{primary}/statistics/tx_packets"
    before = int(sh(sent))
    reaches("by the primary")
    expect(int(sh(sent)) - before >= 5, "the primary sends nothing")
    expect(sh(f"ip -o link show dev {standby}").find("master vrf0") > 0, "the standby has left its VRF")
    sh(f"hitless switch {standby} standby --wait")
    reaches("by the standby")
    sh(f"hitless switch {standby} auto --wait")
    reaches("by the primary again")
    sh(f"kill $(pidof hitless); while pidof hitless >/dev/null; do usleep 5000; done; hitless detach {standby}")
    reaches("after detach")
