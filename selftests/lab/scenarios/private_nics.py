# SPDX-License-Identifier: BSD-2-Clause
"""The models hidden and one, whose NICs live in a private namespace: of what kind the failover device is,
what each event costs, and that the NICs are the guest's again after detach."""
import json
import time

from hllab import nics
from hllab.cache import LabError
from hllab.network import FAR_IP
from hllab.scenario import PATIENCE, Matrix

MATRIX = Matrix(programs=("hitless", "hl-traffic"))
KIND = {"6.1": "veth", "6.12": "netkit"}  # the kernel has netkit from 6.7 on


def run(trial):
    for model in ("hidden", "one"):
        standby = trial.guest.ifname(nics.STANDBY)
        before = links(trial)
        attach(trial, model, standby)
        with trial.flow(1000):
            events(trial, model)
        trial.guest.agent.sh(f"kill $(pidof hitless); while pidof hitless >/dev/null; do usleep 5000; done; "
                             f"hitless detach {standby}")
        trial.expect(links(trial) == before, f"{model}: {links(trial)} after detach, {before} before attach")
        trial.expect(trial.guest.ifname(nics.STANDBY) == standby, f"{model}: the standby is not back")
        trial.expect(not namespace(trial), f"{model}: {namespace(trial)} is left")
        trial.guest.until("the far end answers the standby", f"ping -c 1 -W 1 {FAR_IP} >/dev/null", 20)


def attach(trial, model, standby):
    sh = trial.guest.agent.sh
    sh(f"set -e; hitless attach {standby} --primary mac --model {model}\n"
       "setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    master = standby if model == "one" else f"fo-{standby}"
    link = json.loads(sh(f"ip -d -j link show dev {master}"))[0]
    kind = link["linkinfo"]["info_kind"]
    trial.measure(f"{model}: attach", lambda: f"{master} is a {kind}; the NICs are in {namespace(trial)}")
    trial.expect(kind == KIND[trial.case.kernel], f"{model}: {master} is a {kind}")
    trial.expect(not trial.guest.ifname(nics.PRIMARY), f"{model}: the primary is still in the guest's namespace")
    trial.guest.until("the far end answers", f"ping -c 1 -W 1 {FAR_IP} >/dev/null", 20)


def events(trial, model):
    def counted(name, action, **bounds):
        trial.expect_lost(trial.measure(f"{model}: {name}", action, settle=2), **bounds)

    on_primary(trial)
    counted("nothing", lambda: "the control: no event")
    counted("carrier off", lambda: carrier(trial, False), down=3)
    counted("carrier on", lambda: carrier(trial, True))
    on_primary(trial)
    counted("planned unplug", lambda: trial.event_only("planned unplug"), down=5)
    counted("hot-add", lambda: hot_add(trial))
    on_primary(trial)


def on_primary(trial):
    deadline = time.monotonic() + PATIENCE
    while (path := trial.path()) != nics.PRIMARY.name:
        if time.monotonic() > deadline:
            told = trial.guest.agent.sh("hitless status 2>&1; tail -n 3 /tmp/hitless-run.log")
            raise LabError(f"the traffic does not take the primary but: {path or 'nothing'}; {told}")


def namespace(trial):
    return trial.guest.agent.sh("ls /run/netns 2>/dev/null | grep ^hitless- || true")


def links(trial):
    """The addresses of every device in the guest's namespace. Names are no use: what is hot-added while the
    standby is away is given the standby's."""
    return sorted(link["address"] for link in json.loads(trial.guest.agent.sh("ip -j link")))


def primary(trial):
    return json.loads(trial.guest.agent.sh("hitless status -j || true"))["pairs"][0]["primary"]["ifname"]


def carrier(trial, up):
    name, netns = primary(trial), namespace(trial)
    trial.guest.qmp("set_link", name=nics.PRIMARY.name, up=up)
    state = f"ip -n {netns} link show dev {name} | grep -q LOWER_UP"
    took = trial.guest.until(f"carrier {int(up)} on {name}", state if up else f"! {state}")
    return f"{name} in {netns} has carrier {int(up)} after {took * 1e3:.0f} ms"


def hot_add(trial):
    netns = namespace(trial)
    trial.guest.qmp("device_add", **trial.guest.primary_device())
    took = trial.guest.until("the primary is moved", f"[ $(ip -n {netns} -o link | grep -c {nics.MAC}) -ge 2 ]")
    words = trial.guest.agent.sh("grep 'moved to' /tmp/hitless-run.log | tail -n 1")
    return f"in {netns} {took * 1e3:.0f} ms after device_add; {words}"
