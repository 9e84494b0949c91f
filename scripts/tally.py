# SPDX-License-Identifier: BSD-2-Clause
"""tally.py CTEST.xml LISTS: adds up JUnit files.

A test that left lists of its own cases (LISTS/TEST.xml or LISTS/TEST/*.xml) counts by those; ctest's
line about it counts only when it failed. A case that was run again (scripts/again.py, CTEST's folder's
again.xml) counts as it came out at last, and is named. Names what failed and why what skipped did. The
last line is the total.
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


def cases_by_test(lists):
    """Test -> (class, name) -> its case as it came out last."""
    tests = {}
    files = sorted(lists.rglob("*.xml"), key=lambda file: file.stat().st_mtime_ns)
    for file in files:  # gtest calls them NAME.xml, NAME_1.xml, ...
        cases = tests.setdefault(file.relative_to(lists).parts[0].removesuffix(".xml"), {})
        for case in ET.parse(file).iter("testcase"):
            earlier = cases.get((case.get("classname"), case.get("name")))
            if earlier is not None and outcome(earlier) == "failed" and outcome(case) == "passed":
                case.set("failed-first", why_failed(earlier))
            cases[case.get("classname"), case.get("name")] = case
    return tests


def results(ctest, lists, again):
    """(case, outcome) of each case, once."""
    tests = cases_by_test(lists)
    second = {case.get("name"): case for case in ET.parse(again).iter("testcase")} if again.exists() else {}
    for case in ET.parse(ctest).iter("testcase"):
        name = case.get("name")
        if outcome(case) == "failed" and name in second:
            if outcome(second[name]) == "passed" and name not in tests:
                second[name].set("failed-first", why_failed(case))
            case = second[name]
        if name not in tests or outcome(case) == "failed":
            yield case, outcome(case)
    for cases in tests.values():
        for case in cases.values():
            yield case, outcome(case)


def main(ctest, lists):
    said = {"skipped": [], "again": [], "failed": []}
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for case, result in results(ctest, lists, ctest.with_name("again.xml")):
        counts[result] += 1
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if result == "skipped":
            said[result].append(f"skipped: {name}: {why_skipped(case)}")
        if result == "failed":
            said[result].append(f"failed: {name}: {why_failed(case)}".removesuffix(": "))
        if case.get("failed-first") is not None:
            said["again"].append(f"passed only when run again: {name}: {case.get('failed-first')}".removesuffix(": "))
    for lines in said.values():  # what matters most stands last
        print("".join(f"{line}\n" for line in lines), end="")
    total = ", ".join(f"{counts[key]} {key}" for key in counts)
    print(total + (f", {len(said['again'])} of the passed only when run again" if said["again"] else ""))
    return counts["failed"] > 0 or counts["passed"] == 0


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        sys.exit("no results: the tests did not run to their end")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
