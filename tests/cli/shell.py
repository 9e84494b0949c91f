# SPDX-License-Identifier: BSD-2-Clause
"""Commands of a test's set-up, and patience. For the CLI tests and for selftests/distro."""
import subprocess
import time


def sh(command, check=True):
    """Runs a command of the set-up; its failure is the test's, unless `check` is off."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    if check and done.returncode:
        raise AssertionError(f"{command}: {done.stderr or done.stdout}")
    return done.stdout


def wait_until(predicate, what, seconds=30):
    """Patience for what ought to happen at all; how soon is no test's business."""
    end = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return value
