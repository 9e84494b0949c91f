# SPDX-License-Identifier: BSD-2-Clause
"""Adds up JUnit files: names what failed and why what skipped did; the last line is the total."""

import os
import sys
import xml.etree.ElementTree as ET


def outcome(case):
    status = case.get("status")
    if status == "fail" or case.find("failure") is not None:
        return "failed"
    if status in ("notrun", "disabled") or case.find("skipped") is not None:
        return "skipped"
    return "passed"


def reason(case):
    text = case.findtext("system-out") or ""
    lines = [line.strip() for line in text.splitlines() if "kip" in line and "[" not in line]
    return lines[-1] if lines else "no reason given"


def main(files):
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for file in files:
        for case in ET.parse(file).iter("testcase"):
            result = outcome(case)
            counts[result] += 1
            if result == "skipped":
                print(f"skipped: {case.get('name')}: {reason(case)}")
            if result == "failed":
                print(f"failed: {case.get('name')}")
    print(", ".join(f"{counts[key]} {key}" for key in counts))
    return counts["failed"] > 0 or sum(counts.values()) == 0


if __name__ == "__main__":
    if not all(os.path.exists(file) for file in sys.argv[1:]):
        sys.exit("no results: the tests did not run to their end")
    sys.exit(main(sys.argv[1:]))
