# SPDX-License-Identifier: BSD-2-Clause
"""Verdicts of cases, and the JUnit file of a run."""
import xml.etree.ElementTree as ET
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
STATUS = {PASSED: "run", FAILED: "fail", SKIPPED: "notrun"}  # as ctest writes it


def write(file: Path, rows: list[dict]) -> None:
    count = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in STATUS}
    suite = ET.Element("testsuite", name="lab", tests=str(len(rows)), failures=str(count[FAILED]),
                       skipped=str(count[SKIPPED]))
    for row in rows:
        case = ET.SubElement(suite, "testcase", name=f"lab:{row['name']}", classname="lab",
                             time=f"{row['seconds']:.1f}", status=STATUS[row["verdict"]])
        note = row["note"]
        if row["verdict"] == FAILED:
            ET.SubElement(case, "failure", message=note)
        elif row["verdict"] == SKIPPED:
            ET.SubElement(case, "skipped", message=note)
            note = f"Skipped: {note}"
        ET.SubElement(case, "system-out").text = note
    ET.indent(suite)
    file.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
