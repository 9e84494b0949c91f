# SPDX-License-Identifier: BSD-2-Clause
"""A package manager only upgrades to a version that is greater, and pairs only tell versions apart by the ABI: where the
ABI is another, so is the version."""
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def found(pattern, path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        return re.search(pattern, file.read(), re.MULTILINE)[1]


def order(version):
    return [int(part) for part in version.split(".")]


class Versions(unittest.TestCase):
    ours = found(r"^project\(hitless VERSION (\S+)", "CMakeLists.txt")

    def test_the_package_is_called_as_the_command(self):
        self.assertEqual(found(r"\Ahitless \((\S+)\)", "packaging/debian/changelog"), self.ours)
        self.assertEqual(found(r'The version of the library: "(\S+)"', "loader/include/hitless.h"), self.ours)

    def test_the_frozen_release_is_older(self):
        frozen = found(r"^project\(hitless VERSION (\S+)", "selftests/older/release.cmake")
        self.assertGreater(order(self.ours), order(frozen), "raise the version: nobody would upgrade to it")

    def test_the_frozen_release_has_the_abi_before(self):
        self.assertEqual(found(r"^set\(abi (\d+)\)", "selftests/older/CMakeLists.txt"),
                         found(r"define HL_ABI_FORMER (\d+)u", "maps/hitless_abi.h"))


if __name__ == "__main__":
    unittest.main()
