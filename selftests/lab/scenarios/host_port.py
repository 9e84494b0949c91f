# SPDX-License-Identifier: BSD-2-Clause
"""A host that speaks by a virtio-serial port, org.hitless.0, as one without taps has it: the guest leaves its primary
and comes back, answers there, and says nothing on the standby's wire."""
import contextlib
import itertools
import socket
import subprocess

from hllab.cache import LabError
from hllab.scenario import Matrix

MATRIX = Matrix(kernels=("6.12",), peers=("hitless",), programs=("hl-port-host",), rate=1000)
PORT = "org.hitless.0"
CHANNEL = 0x88b5  # HL_CHANNEL_ETHERTYPE


def run(trial):
    guest = trial.guest
    trial.on_primary()
    terminal = guest.qmp("chardev-add", id="host", backend={"type": "pty", "data": {}})["pty"]
    guest.qmp("device_add", driver="virtserialport", id="hostport", chardev="host", name=PORT)
    guest.until("the port", f"grep -qsx {PORT} /sys/class/virtio-ports/*/name")
    # As udev names it.
    guest.agent.sh("mkdir -p /dev/virtio-ports; for p in /sys/class/virtio-ports/*; do "
                   f'[ "$(cat $p/name)" = {PORT} ] && ln -s /dev/${{p##*/}} /dev/virtio-ports/{PORT}; done; true')
    guest.agent.sh("kill $(pidof hitless); while pidof hitless >/dev/null; do usleep 5000; done; "
                   "setsid hitless run >/tmp/hitless-run.log 2>&1 &")
    with host(trial.programs["hl-port-host"], terminal) as request, on_the_wire(guest) as frames:
        request(trial, "give", "given in-use")
        for verb, state, path in (("take", "taken left", "standby"), ("give", "given in-use", "primary")):
            outcome = trial.measure(f"{verb} by the port", lambda: request(trial, verb, state))
            trial.expect_lost(outcome, 0, 0)
            trial.expect(trial.path() == path, f"{verb}: the guest sends by the {trial.path()}")
            said = guest.agent.sh("hitless status || true; hitless explain || true")
            trial.expect(f"wants the {path}" in said, f"{verb}: {said}")
        count = frames()
        trial.expect(count == 0, f"{count} frames of the channel on the standby's wire")


@contextlib.contextmanager
def host(program, terminal):
    process = subprocess.Popen([program, terminal], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def request(trial, verb, wanted):
        process.stdin.write(verb + "\n")
        process.stdin.flush()
        for line in process.stdout:  # the case has a deadline of its own
            trial.guest.log(f"host: {line.strip()}")
            if line.strip() == wanted:
                return wanted
        raise LabError("hl-port-host has ended")
    try:
        yield request
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def on_the_wire(guest):
    """How many frames of the channel the standby's tap has received since."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0) as tap:
        tap.bind((f"standby{guest.number}", CHANNEL))

        def frames():
            with contextlib.suppress(BlockingIOError):
                for count in itertools.count():
                    tap.recv(2048)
            return count
        yield frames
