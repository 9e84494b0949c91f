# SPDX-License-Identifier: BSD-2-Clause
"""Which kernels a hypervisor may have: `hitless host check` and `run` say of one without tcx what it lacks and what mends
it, and nothing else is touched."""
from hllab.scenario import Matrix

MATRIX = Matrix(programs=("hitless",))
LACKS, MENDS = "this kernel has no tcx", "boot Linux 6.6 or later"
SET_UP = """ip link add br0 type bridge && ip link set br0 up
for port in tap1 vf1; do ip link add $port type veth peer name $port-end; ip link set $port master br0 up; done
printf '[[guest]]\\nname = "web1"\\nmac = "52:54:00:77:01:02"\\nstandby = "tap1"\\nprimary = { port = "vf1" }\\n' \
  > /tmp/host.toml"""


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect
    sh(SET_UP)
    tcx = trial.case.kernel != "6.1"
    said = sh("hitless host check --config /tmp/host.toml 2>&1; echo exit $?")
    # No daemon runs yet, which is in the way, too.
    lacks, count = (LACKS in said and MENDS in said), 1 if tcx else 2
    expect(lacks != tcx and "no daemon runs" in said and f"in the way: {count}" in said and "exit 2" in said,
           f"check: {said}")
    run_it = "hitless host run --config /tmp/host.toml"
    if tcx:
        sh(f"setsid {run_it} >/tmp/host.log 2>&1 &")
        trial.guest.until("the daemon serves", "hitless host status | grep -q web1")
    else:
        said = sh(f"timeout 20 {run_it} 2>&1; echo exit $?")
        expect(LACKS in said and MENDS in said and "exit 1" in said, f"run: {said}")
        filters = sh("tc filter show dev tap1 ingress; tc qdisc show dev tap1")
        expect("bpf" not in filters and "clsact" not in filters, f"left behind: {filters}")
