# SPDX-License-Identifier: BSD-2-Clause
"""tally.py CTEST.xml LISTS: adds up JUnit files.

A test that left lists of its own cases (LISTS/TEST.xml or LISTS/TEST/*.xml) counts by those; ctest's
line about it counts only when it failed. A case that was run again counts as it came out at last.
Names what failed and why what skipped did. The last line is the total.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def outcome(case):
    if case.get("status") == "fail" or case.find("failure") is not None:
        return "failed"
    if case.find("error") is not None:
        return "failed"
    if case.get("status") in ("notrun", "disabled") or case.get("result") == "skipped":
        return "skipped"
    return "skipped" if case.find("skipped") is not None else "passed"


def lines_of(text):
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def why_skipped(case):
    skipped = case.find("skipped")
    text = (skipped.get("message") or skipped.text or "") if skipped is not None else ""
    return (lines_of(text or case.findtext("system-out")) or ["no reason given"])[-1]


def why_failed(case):
    failure = case.find("failure")
    return " ".join(lines_of(failure.get("message"))[:4]) if failure is not None else ""


def results(ctest, lists):
    """(case, outcome) of each case, once."""
    last = {}
    for file in sorted(lists.rglob("*.xml")):  # gtest calls them NAME.xml, NAME_1.xml, ...
        test = file.relative_to(lists).parts[0].removesuffix(".xml")
        for case in ET.parse(file).iter("testcase"):
            last[test, case.get("classname"), case.get("name")] = case
    listed = {test for test, *_ in last}
    for case in ET.parse(ctest).iter("testcase"):
        if case.get("name") not in listed or outcome(case) == "failed":
            yield case, outcome(case)
    for case in last.values():
        yield case, outcome(case)


def main(ctest, lists):
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for case, result in results(ctest, lists):
        counts[result] += 1
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if result == "skipped":
            print(f"skipped: {name}: {why_skipped(case)}")
        if result == "failed":
            print(f"failed: {name}: {why_failed(case)}".removesuffix(": "))
    print(", ".join(f"{counts[key]} {key}" for key in counts))
    return counts["failed"] > 0 or counts["passed"] == 0


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        sys.exit("no results: the tests did not run to their end")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
