# SPDX-License-Identifier: BSD-2-Clause
"""What a person or a collector waits for costs little more than the start of the program, and waits for
nobody."""
import time
import unittest

from bed import HITLESS, NetCase
from cost import Cost, figure, in_turns, least

RUNS, PATIENCE = 30, 30
MOST = 1.5  # of a bare start's CPU time; reading a pair takes a tenth of that


class Figures(NetCase):
    def cost(self, *args):
        return lambda: Cost([HITLESS, *args], self.env)

    def is_little(self, full, bare):
        return (least(full, "cpu") <= MOST * least(bare, "cpu")
                and least(full, "waits") <= least(bare, "waits"))  # it waited for nothing

    def expect_little(self, *args):
        self.attach()
        bare, full = in_turns(RUNS, self.cost("--version"), self.cost(*args))
        end = time.monotonic() + PATIENCE
        # What runs beside it makes a run dearer, never cheaper: what is little is seen to be so at some time.
        while not self.is_little(full, bare) and time.monotonic() < end:
            more = in_turns(1, self.cost("--version"), self.cost(*args))
            bare, full = bare + more[0], full + more[1]
        figure(" ".join(args), [cost.ms for cost in full])
        figure("a bare start of the program", [cost.ms for cost in bare])
        self.assertTrue(self.is_little(full, bare), {
            what: (least(full, what), least(bare, what)) for what in ("cpu", "waits")})

    def test_status(self):
        self.expect_little("status")

    def test_status_in_json(self):
        self.expect_little("status", "-j")

    def test_metrics(self):
        self.expect_little("metrics")


if __name__ == "__main__":
    unittest.main()
