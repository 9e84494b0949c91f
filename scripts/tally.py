# SPDX-License-Identifier: BSD-2-Clause
"""tally.py CTEST.xml [LIST.xml...]: adds up JUnit files.

A program that left a list of its own cases (LIST.xml, named after it) counts by those; ctest's line
about it counts only when it failed. Names what failed and why what skipped did. The last line is
the total.
"""

import os
import sys
import xml.etree.ElementTree as ET


def outcome(case):
    if case.get("status") == "fail" or case.find("failure") is not None:
        return "failed"
    if case.find("error") is not None:
        return "failed"
    if case.get("status") in ("notrun", "disabled") or case.get("result") == "skipped":
        return "skipped"
    return "skipped" if case.find("skipped") is not None else "passed"


def reason(case):
    skipped = case.find("skipped")
    text = (skipped.get("message") or skipped.text or "") if skipped is not None else ""
    text = text or case.findtext("system-out") or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def results(ctest, lists):
    listed = {os.path.basename(file).removesuffix(".xml") for file in lists}
    for file in [ctest, *lists]:
        for case in ET.parse(file).iter("testcase"):
            told = file == ctest and case.get("name") in listed
            if not told or outcome(case) == "failed":
                yield case, outcome(case)


def main(ctest, *lists):
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for case, result in results(ctest, lists):
        counts[result] += 1
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if result == "skipped":
            print(f"skipped: {name}: {reason(case)}")
        if result == "failed":
            print(f"failed: {name}")
    print(", ".join(f"{counts[key]} {key}" for key in counts))
    return counts["failed"] > 0 or counts["passed"] == 0


if __name__ == "__main__":
    if not os.path.exists(sys.argv[1]):
        sys.exit("no results: the tests did not run to their end")
    sys.exit(main(*sys.argv[1:]))
