# SPDX-License-Identifier: BSD-2-Clause
"""models.py NAME=DEMO.json...: what each event of the demo cost, by model and datapath, in one table.

A figure with ! is beyond the bound of the model two for that event: what may be lost where nothing moves.
"""

import json
import sys

DIRECTIONS = ("up", "down")
MOVES = ("attach", "detach")  # where some models take the NICs elsewhere, and two does not


def bound(event, direction):
    return 0 if event["event"] in MOVES else event[direction]["lost_bound"]


def holds(event, direction):
    seen = event[direction]
    return seen["lost"] <= bound(event, direction) and seen["duplicated"] == 0


def cell(event, direction):
    seen = event[direction]
    figures = f"{seen['lost']}/{seen['duplicated']}/{seen['reordered']}"
    return f"{figures} {seen['gap_ms']:6.1f}{' ' if holds(event, direction) else '!'}"


def missed(run):
    told = [f"{event['event']} ({direction}: {event[direction]['lost']} lost, gap {event[direction]['gap_ms']:.0f} ms)"
            for event in run["events"][1:] for direction in DIRECTIONS if not holds(event, direction)]
    return told + [failure for failure in run["failures"] if not any(failure.split(":")[0] in row for row in told)]


def main(*files):
    runs = {}
    for argument in files:
        name, file = argument.split("=", 1)
        with open(file) as handle:
            runs[name] = json.load(handle)
    events = [event["event"] for event in next(iter(runs.values()))["events"]]
    print("lost/duplicated/reordered frames and the longest gap in ms; up: guest to network, down: to the guest")
    print(f"{next(iter(runs.values()))['setting'].split(', ', 1)[1]}\n")
    print(f"{'event':28}" + "".join(f"{name:>19} " for name in runs))
    for event in events:
        for direction in DIRECTIONS:
            print(f"{event if direction == 'up' else '':22} {direction:5}" + "".join(
                f"{next((cell(e, direction) for e in run['events'] if e['event'] == event), '-'):>20}"
                for run in runs.values()))
    print("\nwithin the bounds of two (! above: beyond them)")
    for name, run in runs.items():
        print(f"  {name:12} {'; '.join(['not reached: ' + ', '.join(missed(run))] if missed(run) else ['reached'])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
