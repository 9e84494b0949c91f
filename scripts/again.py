# SPDX-License-Identifier: BSD-2-Clause
"""again.py BUILD LISTS: runs what failed of BUILD/results.xml once more, alone, into BUILD/again.xml.

Its cases' lists go beside the first ones (LISTS/TEST/), where scripts/tally.py finds both: what passes
only now is named and counted for itself, never as if it had passed at once. Where many fail, nothing is
run: that is no chance. Nor is a share that ended before its list: what it did not run, nobody knows.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tally import cases_by_test, outcome

MOST = 5  # cases


def commands(build):
    """Name -> (command, what ctest sets for it), but for the shares of those that run beside each other; and
    whether it is such a share."""
    shown = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    for test in json.loads(shown.stdout)["tests"]:
        set_for = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        environment = dict(entry.split("=", 1) for entry in set_for.get("ENVIRONMENT", []))
        shares = ("GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX")
        set_for["ENVIRONMENT"] = {key: value for key, value in environment.items() if key not in shares}
        yield test["name"], (test.get("command"), set_for), any(share in environment for share in shares)


def run(name, command, set_for, cases, lists):
    """Whether it passed now."""
    (lists / name).mkdir(exist_ok=True)
    environment = os.environ | set_for["ENVIRONMENT"] | {"GTEST_OUTPUT": f"xml:{lists / name}/"}
    if cases:
        environment["GTEST_FILTER"] = ":".join(cases)
    print(f"again: {name} {' '.join(cases)}", flush=True)
    ended = subprocess.run(command, env=environment, cwd=set_for.get("WORKING_DIRECTORY"),
                           timeout=set_for.get("TIMEOUT", 1500), check=False)
    return ended.returncode == 0


def main(build, lists):
    failed = [case.get("name") for case in ET.parse(build / "results.xml").iter("testcase")
              if outcome(case) == "failed"]
    listed = cases_by_test(lists)
    cases = {name: [".".join((case.get("classname"), case.get("name"))) for case in listed.get(name, {}).values()
                    if outcome(case) == "failed"] for name in failed}
    if sum(max(len(names), 1) for names in cases.values()) > MOST:
        print(f"more than {MOST} cases failed: nothing is run again")
        return
    known, suite = {name: rest for name, *rest in commands(build)} if failed else {}, ET.Element("testsuite")
    for name in failed:
        how, is_share = known[name]
        if is_share and not cases[name]:
            print(f"{name} ended before its list was written: not run again")
            continue
        case = ET.SubElement(suite, "testcase", name=name)
        try:
            if not run(name, *how, cases[name], lists):
                ET.SubElement(case, "failure", message="failed again")
        except subprocess.TimeoutExpired as ended:
            ET.SubElement(case, "failure", message=str(ended))
    ET.ElementTree(suite).write(build / "again.xml")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
