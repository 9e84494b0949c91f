# SPDX-License-Identifier: BSD-2-Clause
"""Numbered frames both ways between guest and network while something is done to the guest."""
import json
import os
import sys
import time

from bed import ADDRESS, GATEWAY, HERE, sh, wait_until

sys.path.append(f"{HERE}/../lab")
from hllab.traffic import FarEnd, Tally  # pylint: disable=wrong-import-position

TRAFFIC = os.environ.get("HLD_TRAFFIC", "hl-traffic")
RATE = 2000


class Stream:
    """2000 frames a second each way.

        with Stream(guest) as stream:
            ... the event ...
            up, down = stream.tally()
    """

    def __init__(self, guest):
        self.guest = guest

    def __enter__(self):
        common = [TRAFFIC, "flow", "--rate", str(RATE)]
        namespace = [f"--net=/run/netns/{self.guest.name}"], [f"--net=/run/netns/{self.guest.far}"]
        addresses = [ADDRESS, GATEWAY], [GATEWAY, ADDRESS]
        self.ends = [FarEnd(["nsenter", *where, *common, "--local", local, "--remote", remote])
                     for where, (local, remote) in zip(namespace, addresses)]
        wait_until(lambda: all(self.ask(end, "status")["arrivals"] for end in self.ends), "frames flow both ways")
        self.start = self.mark()
        return self

    def __exit__(self, *_):
        for end in self.ends:
            end.close()

    @staticmethod
    def ask(end, text):
        return json.loads(end.ask(text))

    def mark(self):
        """What each end sends next."""
        return [self.ask(end, "mark")["next"] for end in self.ends]

    def passed(self, frames):
        """So many frames more have gone out each way."""
        until = [number + frames for number in self.mark()]
        wait_until(lambda: all(now >= then for now, then in zip(self.mark(), until)), f"{frames} frames are sent")

    def tally(self):
        """What became of all since the start: up, down."""
        end = self.mark()
        return [Tally(**self.ask(receiver, f"tally {self.start[way]} {end[way]}"))
                for way, receiver in ((0, self.ends[1]), (1, self.ends[0]))]
