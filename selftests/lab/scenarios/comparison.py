# SPDX-License-Identifier: BSD-2-Clause
"""Every event, several times, with the guest busy and silent: what docs/results/peers.md shows."""
import time

from hllab import migration, network
from hllab.scenario import Matrix

PEERS = ("plain", "bond-100", "bond-10", "team", "net_failover", "hitless")
MATRIX = Matrix(kernels=("newest",), peers=PEERS, programs=("hl-traffic",), by_default=False)

ROUNDS = 3
RATE = 1000
NEVER = 2.5  # seconds after which frames that do not arrive never will


def run(trial):
    for silent in (False, True):
        speak(trial)
        with trial.flow(RATE, silent):
            trial.on_primary()
            for _ in range(ROUNDS):
                a_round(trial)
            if trial.peer.survives:
                for _ in range(ROUNDS):
                    eject(trial)
    migrate(trial)  # last: the guest is elsewhere then, and its QEMU ends


def speak(trial):
    """The network learns where the guest is, which a silent one does not tell."""
    trial.peer.use_primary(trial.guest)
    trial.guest.agent.run("ping", "-c", "3", "-i", "0.2", network.FAR_IP, check=False)


def a_round(trial):
    trial.measure("control", lambda: "nothing happened")
    trial.event("carrier off", patience=NEVER)
    trial.measure("carrier on", lambda: returned(trial, trial.event_only("carrier on")), patience=NEVER)
    trial.on_primary()
    if not trial.peer.survives:
        return
    trial.event("planned unplug", patience=NEVER)
    plug(trial)
    if trial.peer.leave and not trial.traffic.silent:
        trial.measure("planned unplug, told first", lambda: told(trial), patience=NEVER)
        plug(trial)


def told(trial):
    trial.peer.leave_primary(trial.guest)
    return trial.event_only("planned unplug")


def plug(trial):
    def action():
        proof = trial.event_only("hot-add")
        trial.peer.readd(trial.guest)
        return returned(trial, proof)

    trial.measure("hot-add", action, patience=NEVER)
    trial.on_primary()


def returned(trial, proof):
    """The way back to the primary is part of its return. A silent guest cannot be seen to go there."""
    if trial.traffic.silent:
        time.sleep(2)
    else:
        trial.on_primary()
    return proof


def eject(trial):
    trial.event("silent surprise eject", patience=NEVER)
    trial.event_only("dead device removed")
    trial.event_only("hot-add")
    trial.peer.readd(trial.guest)
    trial.on_primary()


def migrate(trial):
    """Once: a guest can move on, but each QEMU that it leaves stays behind until the case is over."""
    how = {"net_failover": migration.by_qemu, "hitless": migration.in_steps}.get(trial.case.peer)
    if not how:
        return
    speak(trial)
    with trial.flow(RATE):
        trial.on_primary()
        how(trial, patience=NEVER)
