# SPDX-License-Identifier: BSD-2-Clause
"""The host's side of guest/agent.c: commands in the guest, any number at once."""
import itertools
import os
import queue
import signal
import socket
import threading
from dataclasses import dataclass

from .cache import LabError


@dataclass(frozen=True)
class Result:
    rc: int
    out: str
    err: str


class Job:
    """A command that runs in the guest."""

    def __init__(self, agent, number: int, argv: list[str]):
        self._agent, self._number, self.argv = agent, number, argv
        self._streams = {"out": bytearray(), "err": bytearray()}
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._line = bytearray()
        self._ended = threading.Event()
        self.rc: int | None = None

    def _hear(self, verb: str, data: bytes) -> None:
        if verb == "exit":
            status = int(data)
            self.rc = os.waitstatus_to_exitcode(status)
            self._end()
            return
        self._streams[verb] += data
        if verb == "out":
            *lines, rest = (self._line + data).split(b"\n")
            self._line = rest
            for line in lines:
                self._lines.put(line.decode(errors="replace"))

    def _end(self) -> None:
        self._ended.set()
        self._lines.put(None)

    def send(self, text: str) -> None:
        data = text.encode()
        for at in range(0, len(data), 1 << 16):
            self._agent.tell(self._number, "in", data[at:at + (1 << 16)])

    def line(self, timeout: float = 30) -> str:
        """The next line of its output."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise LabError(f"guest: {self}: no line in {timeout:g} s") from None
        if line is None:
            raise LabError(f"guest: {self} ended ({self.rc}): {self.err.strip()}")
        return line

    def ask(self, text: str, timeout: float = 30) -> str:
        """One line in, one line out."""
        self.send(text + "\n")
        return self.line(timeout)

    def close_stdin(self) -> None:
        self._agent.tell(self._number, "eof")

    def kill(self, number: int = signal.SIGTERM) -> None:
        self._agent.tell(self._number, "kill", str(int(number)).encode())

    def wait(self, timeout: float = 60) -> Result:
        if not self._ended.wait(timeout):
            self.kill(signal.SIGKILL)
            raise LabError(f"guest: {self}: still running after {timeout:g} s")
        if self.rc is None:
            raise LabError(f"guest: {self}: the guest restarted or ended under it")
        return Result(self.rc, self.out, self.err)

    @property
    def out(self) -> str:
        return self._streams["out"].decode(errors="replace")

    @property
    def err(self) -> str:
        return self._streams["err"].decode(errors="replace")

    def __str__(self) -> str:
        return " ".join(self.argv)


class Agent:
    """Listens on its own thread; `follow` takes over the socket of a migration's destination."""

    def __init__(self, client: socket.socket, log=lambda text: None):
        self._log = log
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._boots: queue.Queue[bool] = queue.Queue()
        self._lock = threading.Lock()
        self._streams: queue.Queue[socket.socket] = queue.Queue()
        self._socket = client
        self._moving = False
        self._streams.put(client)
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_ready(self, timeout: float) -> None:
        """Until the guest has booted (once more)."""
        try:
            booted = self._boots.get(timeout=timeout)
        except queue.Empty:
            raise LabError(f"the guest did not boot in {timeout:g} s (see serial.log)") from None
        if not booted:
            raise LabError("QEMU ended before the guest had booted (see serial.log and qemu.log)")

    def moving(self) -> None:
        """The guest is about to leave: the end of its socket is not the end of its jobs."""
        self._moving = True

    def follow(self, client: socket.socket) -> None:
        """From now on the guest answers here: what the old socket still holds is read first."""
        with self._lock:
            self._socket, self._moving = client, False
        self._streams.put(client)

    def _listen(self) -> None:
        buffer = bytearray()
        while True:
            stream = self._streams.get()
            while data := _receive(stream):
                buffer += data
                self._take(buffer)
            if self._streams.empty() and not self._moving:
                self._end_jobs()
                self._boots.put(False)

    def _end_jobs(self) -> None:
        for job in list(self._jobs.values()):
            job._end()
        self._jobs.clear()

    def _take(self, buffer: bytearray) -> None:
        while (end := buffer.find(b"\n")) >= 0:
            number, verb, length = bytes(buffer[:end]).split()
            total = end + 1 + int(length)
            if len(buffer) < total:
                return
            data = bytes(buffer[end + 1:total])
            del buffer[:total]
            self._hear(int(number), verb.decode(), data)

    def _hear(self, number: int, verb: str, data: bytes) -> None:
        if verb == "ready":
            self._end_jobs()
            self._boots.put(True)
            return
        job = self._jobs.get(number)
        if job:
            job._hear(verb, data)
            if verb == "exit":
                self._log(f"guest: [{job.rc}] {job}" + "".join(
                    f"\n    {line}" for line in (job.out + job.err).splitlines()[:40]))
                del self._jobs[number]

    def tell(self, number: int, verb: str, data: bytes = b"") -> None:
        with self._lock:
            try:
                self._socket.sendall(f"{number} {verb} {len(data)}\n".encode() + data)
            except OSError:
                raise LabError("the guest is gone: see qemu.log and serial.log") from None

    def start(self, *argv: str) -> Job:
        number = next(self._numbers)
        job = self._jobs[number] = Job(self, number, list(argv))
        self.tell(number, "run", b"".join(arg.encode() + b"\0" for arg in argv))
        return job

    def run(self, *argv: str, timeout: float = 60, check: bool = True) -> Result:
        job = self.start(*argv)
        job.close_stdin()
        result = job.wait(timeout)
        if check and result.rc:
            raise LabError(f"guest: {job}: exit {result.rc}: {(result.err or result.out).strip()}")
        return result

    def sh(self, script: str, **options) -> str:
        return self.run("sh", "-c", script, **options).out.strip()


def _receive(stream: socket.socket) -> bytes:
    try:
        return stream.recv(1 << 16)
    except OSError:
        return b""
