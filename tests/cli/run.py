# SPDX-License-Identifier: BSD-2-Clause
"""Runs one file of tests: `run.py test_help`. Ends with 77 and the reason when all were skipped."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]))
if not result.wasSuccessful():
    sys.exit(1)
if result.skipped and len(result.skipped) == result.testsRun:
    print("skipped:", result.skipped[0][1])
    sys.exit(77)
