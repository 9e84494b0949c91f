# SPDX-License-Identifier: BSD-2-Clause
"""A primary that merges what it receives (LRO) while the pair forwards: named without a controller, switched off by
one, given back; and left alone while nothing is forwarded."""
import json

from hllab import nics
from hllab.scenario import Matrix, Skip

MATRIX = Matrix(kernels=("6.12",), primaries=("vmxnet3",), programs=("hitless",))
FEATURE = "large-receive-offload"


def run(trial):
    sh, expect = trial.guest.agent.sh, trial.expect
    standby, primary = trial.guest.ifname(nics.STANDBY), trial.guest.ifname(nics.PRIMARY)

    def merges():
        return f"{FEATURE}: on" in sh(f"ethtool -k {primary}")

    def merge(word="on"):
        sh(f"ethtool -K {primary} lro {word}")
        expect(merges() == (word == "on"), f"{primary} does not take `lro {word}`")

    def forward(word):
        # The kernel switches LRO off on the devices that forward themselves, and the primary is none.
        sh(f"echo {word} >/proc/sys/net/ipv4/conf/{standby}/forwarding")

    def becomes(wanted, when):
        word = "on" if wanted else "off"
        trial.guest.until(when, f"ethtool -k {primary} | grep -q '{FEATURE}: {word}'", 20)

    def problems():
        """What status says of LRO, and its exit status."""
        said = sh("hitless status -j; code=$?; echo; echo exit $code")
        pairs, _, code = said.rpartition("exit ")
        pair = json.loads(pairs)["pairs"][0]
        return [p for p in pair["problems"] if "merges what it receives" in p], int(code)

    if f"{FEATURE}: off [fixed]" in sh(f"ethtool -k {primary}"):
        raise Skip(f"{primary} has no LRO")

    # Refused by the datapath xdp, with the command that helps: ethtool -K {} lro off
    merge()
    said = ""
    for _ in range(4):
        said = sh(f"hitless attach {standby} --primary {primary} --datapath xdp 2>&1 || true")
        remedy = next((line for line in (f"ethtool -K {primary} rxvlan off", f"ethtool -K {primary} lro off")
                       if line in said), None)
        if not remedy:
            break
        sh(remedy)
        if remedy.endswith("lro off"):
            expect("merges received frames (LRO)" in said, said)
            break
    expect(not merges(), f"the datapath xdp does not name LRO: {said}")
    said = sh(f"hitless attach {standby} --primary {primary} --datapath xdp 2>&1; hitless detach --all 2>&1 || true")
    expect("LRO" not in said, f"the remedy does not mend it: {said}")

    # Without a controller.
    forward(0)
    merge()
    sh(f"hitless attach {standby} --primary {primary} --hold-down 0")
    expect(merges(), "LRO is switched off where nothing is forwarded")
    expect(problems() == ([], 0), f"control: {problems()}, though nothing is forwarded")
    forward(1)
    expect(merges(), "the kernel switches LRO off by itself: nothing is shown")
    named, code = problems()
    expect(len(named) == 1 and code == 2, f"not named: {named}, exit {code}")
    found = json.loads(sh("hitless doctor -j || true"))["findings"]
    told = next((f for f in found if "merges what it receives" in f["detail"]), None)
    expect(told and told["remedy"] == f"ethtool -K {primary} lro off", f"doctor: {told}")
    if not told:
        return
    sh(told["remedy"])
    expect(problems() == ([], 0), f"the remedy does not mend it: {problems()}")

    # With one.
    forward(0)
    merge()
    sh("setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    trial.guest.until("the controller says that all is well", "hitless status", 20)
    expect(merges(), "a controller switches LRO off where nothing is forwarded")
    forward(1)
    becomes(False, "LRO is off after forwarding began")
    expect(problems() == ([], 0), f"followed, and named: {problems()}")
    sh(f"ethtool -K {primary} lro on")
    becomes(False, "LRO is off again, whoever switched it on")
    forward(0)
    becomes(True, "LRO is given back after forwarding has ended")

    # What was taken is given back with the rest.
    forward(1)
    becomes(False, "LRO is off")
    sh(f"kill $(pidof hitless); while pidof hitless >/dev/null; do usleep 5000; done; hitless detach {standby}")
    expect(merges(), "detach does not give LRO back")
