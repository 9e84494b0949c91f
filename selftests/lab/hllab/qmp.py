# SPDX-License-Identifier: BSD-2-Clause
"""Talking to QEMU: QMP for what it admits to, qtest for what it does behind the guest's back."""
import json
import socket
import time

from .cache import LabError


class QmpError(LabError):
    pass


def connect(path: str, deadline: float) -> socket.socket:
    """Polls until QEMU listens."""
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return client
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            if time.monotonic() > deadline:
                raise LabError(f"QEMU does not listen on {path}") from None
            time.sleep(0.005)


class Qmp:
    """qmp("device_del", id="primary"); qmp.event("DEVICE_DELETED", device="primary")."""

    def __init__(self, client: socket.socket):
        self._socket = client
        self._stream = client.makefile("rw")
        self._events: list[dict] = []
        self._read(30)  # the greeting
        self("qmp_capabilities")

    def _read(self, timeout: float) -> dict:
        self._socket.settimeout(timeout)
        try:
            line = self._stream.readline()
        except TimeoutError:
            raise QmpError(f"no answer from QEMU in {timeout:.1f} s") from None
        if not line:
            raise QmpError("QEMU closed its monitor: it has ended (see qemu.log)")
        return json.loads(line)

    def __call__(self, command: str, **arguments):
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._stream.flush()
        while True:
            answer = self._read(30)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            self._events.append(answer)

    def event(self, name: str, timeout: float = 15, **data) -> dict:
        """The next event of that name whose data match; those that came before are looked at too."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event.get("event") == name and data.items() <= event.get("data", {}).items():
                    self._events.remove(event)
                    return event
            try:
                self._events.append(self._read(max(0.01, deadline - time.monotonic())))
            except QmpError as error:
                raise QmpError(f"waiting for {name} {data or ''}: {error}") from None

    def forget(self) -> None:
        """Events from before now no longer count."""
        self._events.clear()
        self("query-status")
        self._events.clear()


class Qtest:
    """Port and memory access from outside the guest, on the bus of its CPU."""

    def __init__(self, client: socket.socket):
        self._stream = client.makefile("rw")

    def _ask(self, *words) -> str:
        line = " ".join(f"{word:#x}" if isinstance(word, int) else word for word in words)
        self._stream.write(line + "\n")
        self._stream.flush()
        answer = self._stream.readline().split()
        if not answer or answer[0] != "OK":
            raise LabError(f"qtest {line}: {' '.join(answer)}")
        return answer[-1]

    def outl(self, port: int, value: int) -> None:
        self._ask("outl", port, value)

    def read(self, address: int, size: int) -> int:
        return int(self._ask({1: "readb", 2: "readw", 4: "readl"}[size], address), 16)

    def writew(self, address: int, value: int) -> None:
        self._ask("writew", address, value)
