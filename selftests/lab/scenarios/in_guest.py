# SPDX-License-Identifier: BSD-2-Clause
"""The tests that run on the host, on the guest's kernel: 6.1 has clsact and probe_read, 6.12 tcx and
the cast, both load what the host's kernel may refuse.

An emulated CPU is some twenty times slower: what proves a kernel runs here, what proves patience
(storms, a thousand switches) on the host, where the same list has every NIC, variant and event.
"""
import re

from hllab.scenario import Matrix, Skip

# An older pair's hooks are replaced as this kernel has them: clsact's filters, tcx links. libxdp's dispatcher takes an
# emulated CPU longer than a test waits for a command.
UPGRADES = ":".join(f"Way/Upgrade.LosesNoFrameAndNoSetting/{way}" for way in ("two_tap", "three"))
TESTS = {
    "hitless_host_test": "BridgeDeliveryTest.*Vlan*",
    "hitless_bpf_test": "*-*Race*:*Twins*:*600Devices*:*ContentTest*:*PortTest*:*EchoTest*:*StrayTest*",
    "hitless-selftest": "*Loss*tap*living*:*Boot.BothThere/tap:*Foreign.*Before/tap:Model/HiddenNics.DetachTouches*:"
                        "Nic/Qdisc.IngressQdiscWithoutTcx/tap:Nic/Leftover.*All/tap:*Vlan*:" f"{UPGRADES}",
}
RATE = 1000
MATRIX = Matrix(programs=("hitless", "hitless-older", *TESTS), timeout=750)


def run(trial):
    trial.guest.agent.run("modprobe", "-a", "tun", "veth", "8021q")
    for program, chosen in TESTS.items():
        result = trial.guest.agent.run(
            "env", "HITLESS=/usr/bin/hitless", "HITLESS_OLDER=/usr/bin/hitless-older",
            f"HITLESS_SELFTEST_RATE={RATE}", program, f"--gtest_filter={chosen}", "--gtest_brief=1",
            timeout=630, check=False)
        words = re.search(r"^\[  PASSED  \] (\d+) test", result.out, re.M)
        if result.rc == 77:
            raise Skip(f"{program}: no test could run in this guest")
        passed = words[1] if words else "0"
        failed = re.findall(r"^\[  FAILED  \] (\S+?),? .*\(\d+ ms\)$", result.out, re.M)
        trial.measure(program, lambda: f"{passed} passed, {len(failed)} failed")
        trial.expect(result.rc == 0 and passed != "0",
                     f"{program}: {', '.join(failed) or f'exit {result.rc}'}")
