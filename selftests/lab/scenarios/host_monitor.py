# SPDX-License-Identifier: BSD-2-Clause
"""A hypervisor that plugs by QEMU's monitor: when the guest is able, and out when the guest has left.

The guest is given its primary and it is taken, stands still, migrates, and is reset into a system
without hitless, which sees no primary.
"""
from hllab import migration
from hllab.hypervisor import GUEST, Hypervisor
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), peers=("hitless",), programs=("hl-traffic",))
RATE = 1000


def run(trial):
    program, logs = trial.programs["hitless"], trial.guest.logs
    with trial.flow(RATE):
        trial.on_primary()
        with Hypervisor(program, trial.guest, logs) as host:
            given(host)
            judge(trial, trial.measure("take, unplug", lambda: host.take(trial.guest)))
            judge(trial, trial.measure("plug, give", lambda: host.give(trial.guest), settle=3))
            trial.on_primary()
            stand_still(trial, host)
            trial.on_primary()
            source = trial.guest
            judge(trial, trial.measure("migration, take", lambda: host.take(source)))
        with migration.destination(source, with_primary=False) as target:
            trial.measure("migration, move", lambda: migration.moving(trial, target), settle=2)
            with Hypervisor(program, target, logs, want="standby") as host:
                judge(trial, trial.measure("migration, give", lambda: host.give(target), settle=3))


def given(host):
    host.until("the guest has its primary", lambda guest: guest["as_requested"])


def judge(trial, outcome):
    trial.expect_lost(outcome, 0, 0)
    twice = outcome.up.duplicated + outcome.down.duplicated
    trial.expect_of(outcome)(not twice, f"{outcome.event}: {twice} twice")


def stand_still(trial, host):
    """The downlink moves at the deadline. What the guest does not release in time it has back."""
    guest = trial.guest

    def take():
        guest.qmp("stop")
        done = host.ask("take", GUEST, "--wait", "--timeout", "1")
        moved = host.status()["downlink"]
        took = host.until("the take has failed", lambda state: state["want"] == "primary", 20)
        guest.before_resuming()
        guest.qmp("cont")
        return f"exit {done.returncode}, downlink {moved}, given up after {1 + took:.1f} s"

    outcome = trial.measure("take from a guest that stands still", take, settle=3)
    trial.expect("exit 2, downlink standby" in outcome.proof, outcome.proof)
    trial.expect(outcome.up_back and outcome.down_back, "nothing arrives any more")
    given(host)
