# SPDX-License-Identifier: BSD-2-Clause
"""Runs one file of tests: `run.py cli.help` runs test_help.py. Ends with 77 and the reason when all were
skipped. Like a GoogleTest program it lists its cases where GTEST_OUTPUT says (scripts/tally.py)."""
import os
import re
import sys
import unittest
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True


def printable(text):
    """What XML may hold."""
    return re.sub(r"[^\n\x20-\x7e]", "?", str(text))


class Listed(unittest.TextTestResult):
    """Keeps every case in a JUnit list."""

    def __init__(self, *args):
        super().__init__(*args)
        self.list = ET.Element("testsuite")

    def startTest(self, test):
        super().startTest(test)
        suite, _, name = test.id().rpartition(".")
        self.case = ET.SubElement(self.list, "testcase", classname=suite, name=name)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        ET.SubElement(self.case, "skipped", message=printable(reason))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        if not hasattr(self, "case"):  # the set-up of a class
            self.startTest(test)
        ET.SubElement(self.case, "failure", message=printable(err[1]))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            ET.SubElement(self.case, "failure", message=printable(f"{subtest}: {err[1]}"))

    addError = addFailure


def main(name):
    tests = unittest.defaultTestLoader.loadTestsFromName("test_" + name.partition(".")[2])
    result = unittest.TextTestRunner(verbosity=2, resultclass=Listed).run(tests)
    folder = os.environ.get("GTEST_OUTPUT", "").removeprefix("xml:")
    if folder.endswith("/"):
        ET.ElementTree(result.list).write(f"{folder}{name}.xml")
    if not result.wasSuccessful():
        return 1
    if result.skipped and len(result.skipped) == result.testsRun:
        print("skipped:", result.skipped[0][1])
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
