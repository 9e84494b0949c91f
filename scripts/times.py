# SPDX-License-Identifier: BSD-2-Clause
"""times.py FILE: a table of the figures that tests left there (selftests/figure.hpp, tests/cli/cost.py)."""
import statistics
import sys


def main(path):
    figures = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            what, nic, unit, value = line.rstrip("\n").split("\t")
            figures.setdefault((what, nic, unit), []).append(float(value))
    width = max(len(what) for what, *_ in figures)
    print(f"{'':{width}}  {'NIC':8} {'runs':>5} {'least':>9} {'median':>9} {'9 of 10':>9} {'worst':>9}")
    for (what, nic, unit), values in sorted(figures.items()):
        values.sort()
        spread = (values[0], statistics.median(values), values[(len(values) * 9 + 9) // 10 - 1], values[-1])
        print(f"{what:{width}}  {nic:8} {len(values):5}", *(f"{value:9.2f}" for value in spread), unit)


if __name__ == "__main__":
    main(sys.argv[1])
