# SPDX-License-Identifier: BSD-2-Clause
"""Numbered frames both ways between guest and far end, by hl-traffic at each of them."""
import contextlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import network
from .cache import LabError
from .machine import Machine


@dataclass(frozen=True)
class Tally:
    frames: int
    lost: int
    duplicated: int
    reordered: int
    gap_ms: float
    socket_drops: int = 0

    def __str__(self) -> str:
        return (f"{self.lost} lost, {self.duplicated} dup, {self.reordered} reordered of "
                f"{self.frames}, gap {self.gap_ms:.0f} ms")


class FarEnd:
    """hl-traffic beside the bridge; spoken to like a job in the guest."""

    def __init__(self, argv: list[str]):
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, text: str) -> str:
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        with self._process:  # waits, and closes what we spoke by
            self._process.kill()


class Traffic:
    """`rate` frames a second up (from the guest) and down (to it).

        with Traffic(guest, hl_traffic) as traffic:
            mark = traffic.mark()
            ... the event ...
            up, down = traffic.since(mark)

    A silent receiver is a guest that says nothing: only the far end sends. `inside`: words before the
    command in the guest, which lead to whoever has the address `ip`.
    """

    def __init__(self, guest: Machine, binary: Path, rate: int = 1000, silent: bool = False,
                 inside: tuple[str, ...] = (), ip: str = network.GUEST_IP):
        common = ["flow", "--rate", str(rate)]
        guest_end = ["--local", ip, "--remote", network.FAR_IP]
        far_end = ["--local", network.FAR_IP, "--remote", ip]
        self.silent = silent
        self._far = FarEnd([str(binary), *common, *far_end, *(["--send"] if silent else [])])
        self._guest = guest.agent.start(*inside, "hl-traffic", *common, *guest_end, *(["--recv"] if silent else []))

    def __enter__(self) -> "Traffic":
        deadline = time.monotonic() + 20
        while not self._flowing():
            if time.monotonic() > deadline:
                raise LabError("no traffic between guest and far end in 20 s")
            time.sleep(0.05)
        return self

    def _flowing(self) -> bool:
        """What was sent before the other end listened does not count."""
        heard = self._ask(self._guest, "status")["arrivals"] > 0
        return heard and (self.silent or self._ask(self._far, "status")["arrivals"] > 0)

    def __exit__(self, *_):
        self._far.close()
        with contextlib.suppress(LabError):  # it may have ended with the guest
            self._guest.kill(9)
            self._guest.wait(5)  # its port is free again

    def _ask(self, end, text: str) -> dict:
        try:
            answer = json.loads(end.ask(text))
        except json.JSONDecodeError:
            raise LabError(f"hl-traffic ended when asked: {text}") from None
        if "error" in answer:
            raise LabError(f"hl-traffic: {text}: {answer['error']}")
        return answer

    def mark(self) -> tuple[int, int]:
        """What each end sends next: up, down."""
        up = 0 if self.silent else self._ask(self._guest, "mark")["next"]
        return up, self.mark_down()

    def mark_down(self) -> int:
        return self._ask(self._far, "mark")["next"]

    def since(self, mark: tuple[int, int]) -> tuple[Tally | None, Tally]:
        return self.between(mark, self.mark())

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> tuple[Tally | None, Tally]:
        up = None
        if not self.silent:
            up = Tally(**self._ask(self._far, f"tally {start[0]} {end[0]}"))
        return up, Tally(**self._ask(self._guest, f"tally {start[1]} {end[1]}"))
