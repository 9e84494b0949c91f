# SPDX-License-Identifier: BSD-2-Clause
"""What a process costs. Tests compare costs of the same minute, or count; how long it takes is a figure,
which nobody judges: `scripts/bench times` names a file in $HITLESS_FIGURES and publishes."""
import os
import statistics
import sys
import time


class Cost:
    """Of one run: CPU time, and how often it gave up its CPU to wait for something."""

    def __init__(self, command, env, codes=(0,)):
        null = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        began = time.perf_counter()
        pid = os.posix_spawn(command[0], command, env, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
        _, status, used = os.wait4(pid, 0)
        self.ms = (time.perf_counter() - began) * 1e3
        os.close(null)
        assert os.waitstatus_to_exitcode(status) in codes, (command, status)
        self.cpu = used.ru_utime + used.ru_stime
        self.waits = used.ru_nvcsw


def in_turns(runs, *makers):
    """The costs of each, run one after the other, over and over: what the machine does meanwhile it does
    to all."""
    costs = [[] for _ in makers]
    for _ in range(runs):
        for made, maker in zip(costs, makers):
            made.append(maker())
    return costs


def least(costs, what):
    """What a run takes beyond the least is the machine's."""
    return min(getattr(cost, what) for cost in costs)


def figure(what, took):
    """Of many runs, in milliseconds."""
    print(f"\n{what}: {statistics.median(took):.1f} ms median, {min(took):.1f} to {max(took):.1f}", file=sys.stderr)
    if file := os.environ.get("HITLESS_FIGURES"):
        with open(file, "a", encoding="utf-8") as out:
            out.writelines(f"{what}\tveth\tms\t{ms}\n" for ms in took)
