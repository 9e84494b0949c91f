# SPDX-License-Identifier: BSD-2-Clause
"""Commands that are printed as a way out, on real drivers: each is run as it was printed, and what it was printed for
is gone. tests/cli/test_remedies.py has the others, and the list of all."""
import json

from hllab import nics
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), primaries=("igb",), programs=("hitless",))


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect
    standby, primary = trial.guest.ifname(nics.STANDBY), trial.guest.ifname(nics.PRIMARY)

    def finding(what):
        found = json.loads(sh("hitless doctor -j || true"))["findings"]
        return next((f for f in found if f["what"] == what), None)

    def in_backticks(text):
        return text.split("`")[-2]

    def pairs_and_parts(command):
        sh(command)
        status = json.loads(sh("hitless status -j || true"))["pairs"]
        expect([p["name"] for p in status] == [standby], f"{command}: {status}")
        sh(f"hitless detach {standby}")

    # Reversed roles are refused at once, with the pair as it should be: hitless attach {} --primary {}
    wanted = f"hitless attach {standby} --primary {primary}"
    for line in (f"hitless attach {primary}", f"hitless attach {primary} --primary {standby}",
                 f"hitless attach {primary} --primary slot:nowhere"):
        said = sh(f"{line} 2>&1; echo exit $?")
        expect("roles are reversed" in said and "exit 1" in said and wanted in said, f"{line}: {said}")
    pairs_and_parts(wanted)

    # explain: nobody asked; `hitless run` or `hitless attach NAME`
    said = sh(f"hitless explain {standby}")
    expect("nobody asked; `hitless run` or `hitless attach" in said, said)
    pairs_and_parts(in_backticks(said))

    # doctor: could be paired with {}: `hitless attach {}`
    told = finding(standby)
    expect(told and "could be paired with" in told["detail"], f"doctor: {told}")
    pairs_and_parts(in_backticks(told["detail"]))

    # doctor: sysctl -w net.core.bpf_jit_harden=1
    sh("sysctl -w net.core.bpf_jit_harden=2")
    told = finding("bpf_jit_harden")
    expect(told and told["remedy"] == "sysctl -w net.core.bpf_jit_harden=1", f"doctor: {told}")
    sh(told["remedy"])
    expect(not finding("bpf_jit_harden"), "constants are still blinded")

    # attach --datapath xdp: ethtool -K {} rxvlan off
    said = sh(f"hitless attach {standby} --primary {primary} --datapath xdp 2>&1 || true")
    for nic in (standby, primary):
        if f"ethtool -K {nic} rxvlan off" in said:
            sh(f"ethtool -K {nic} rxvlan off")
            said = sh(f"hitless attach {standby} --primary {primary} --datapath xdp 2>&1 || true")
            expect(f"ethtool -K {nic} rxvlan off" not in said, said)
            break
    else:
        expect(False, f"nobody strips VLAN tags: {said}")
