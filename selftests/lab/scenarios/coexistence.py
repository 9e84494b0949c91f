# SPDX-License-Identifier: BSD-2-Clause
"""XDP programs of others on the NICs of a pair: xdp-filter loaded before ours and after, xdpdump beside
both. These kernels allow freplace, so libxdp's dispatcher runs all of them."""
import re

from hllab.scenario import Matrix

BPF = "/usr/lib/x86_64-linux-gnu/bpf/"
MATRIX = Matrix(programs=("hitless",), host=(
    "/usr/sbin/xdp-filter", "/usr/sbin/xdp-loader", "/usr/sbin/xdpdump",
    *(BPF + name for name in ("xdp-dispatcher.o", "xdpfilt_alw_all.o", "xdpfilt_dny_all.o", "xdpdump_bpf.o",
                              "xdpdump_xdp.o", "xdpfilt_alw_eth.o", "xdpfilt_dny_eth.o"))))

MAC = "02:00:00:00:77:02"
WIRES = f"""
modprobe veth
ip netns add far
ip link add br0 netns far type bridge
ip -n far link set br0 address 02:00:00:00:77:01 up
ip -n far addr add 10.79.0.1/24 dev br0
for nic in sby pri; do
    ip link add $nic address {MAC} type veth peer name far-$nic netns far
    ip -n far link set far-$nic master br0 up
    ip netns exec far ethtool -K far-$nic tx off txvlan off gro on >/dev/null
    ip link set $nic up
done
ip netns exec far ethtool -K br0 tx off >/dev/null
"""


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect

    def programs(nic):
        listed = sh(f"xdp-loader status {nic} 2>&1")
        return [name for name in ("hl_xdp_inward", "xdpfilt") if name in listed]

    def reaches(count=5):
        out = sh(f"ping -c {count} -i 0.2 -W 1 10.79.0.1 2>&1 || true")
        return f"{count} packets received" in out

    sh(WIRES)
    sh("xdp-filter load -m native sby")
    expect(programs("sby") == ["xdpfilt"], "xdp-filter does not load here")
    sh("hitless attach sby --primary mac --datapath xdp --checksums-complete --hold-down 0")
    sh("ip addr add 10.79.0.2/24 dev fo-sby")
    expect(programs("sby") == ["hl_xdp_inward", "xdpfilt"], f"before ours: {programs('sby')} on sby")
    sh("xdp-filter load -m native pri")
    expect(programs("pri") == ["hl_xdp_inward", "xdpfilt"], f"after ours: {programs('pri')} on pri")
    status = sh("hitless status 2>&1 || true")
    expect("healthy" in status and "problem" not in status, status)
    expect(reaches(), "frames do not pass both programs")

    sh("hitless switch sby standby")
    expect(reaches(), "frames do not pass both programs on the standby")
    sh("hitless switch sby auto")

    sh("xdp-filter ether -m src 02:00:00:00:77:01")
    expect(not reaches(2), "the filter on pri and sby drops nothing: it never sees a frame")
    sh("xdp-filter ether -r -m src 02:00:00:00:77:01")
    expect(reaches(), "frames do not pass after the filter's rule is gone")

    sh("xdpdump -i pri -w /tmp/dump.pcap >/tmp/dump.log 2>&1 &")
    # It says so once it reads; its programs are loaded some time before that.
    trial.guest.until("xdpdump listens", "grep -q 'listening on' /tmp/dump.log || ! pidof xdpdump >/dev/null", 60)
    sh("ping -c 20 -i 0.1 10.79.0.1 >/dev/null; kill -INT $(pidof xdpdump); "
       "while pidof xdpdump >/dev/null; do usleep 5000; done")
    told = sh("cat /tmp/dump.log")
    dumped = re.search(r"(\d+) packets captured", told)
    expect(dumped and int(dumped[1]) >= 10, f"xdpdump says: {told}")

    sh("hitless detach sby")
    for nic in ("sby", "pri"):
        expect(programs(nic) == ["xdpfilt"], f"after detach: {programs(nic)} on {nic}")
