# SPDX-License-Identifier: BSD-2-Clause
"""`cmake --install BUILD --prefix DIR`: what is installed names DIR, whatever the prefix of the build was."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ.get("BUILD", "")


class Install(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        # Twice: the second must not find what the first has left in the build.
        for name in ("first", "second"):
            self.prefix = f"{home.name}/{name}"
            subprocess.run(["cmake", "--install", BUILD, "--prefix", self.prefix], check=True, stdout=subprocess.DEVNULL)

    def read(self, pattern):
        (path,) = glob.glob(f"{self.prefix}/{pattern}", recursive=True)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_units_start_the_binary_that_is_there(self):
        for unit in ("hitless.service", "hitless-attach@.service"):
            for command in re.findall(r"(?m)^Exec\w+=(\S*/hitless)\b", self.read(f"lib/systemd/system/{unit}")):
                self.assertEqual(command, f"{self.prefix}/sbin/hitless")
                self.assertTrue(os.access(command, os.X_OK))
        self.assertIn(f"{self.prefix}/sbin/hitless", self.read("share/initramfs-tools/hooks/hitless"))

    def test_the_library_is_found_from_there(self):
        (pc,) = glob.glob(f"{self.prefix}/lib/**/hitless.pc", recursive=True)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "hitless"], check=True, capture_output=True, text=True,
                               env={**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc)}).stdout
        for flag, wanted in (("-I", "hitless.h"), ("-L", "libhitless.so")):
            (folder,) = re.findall(rf"{flag}(\S*)", flags) or [""]
            self.assertTrue(os.path.exists(f"{folder}/{wanted}"), flags)
            self.assertTrue(os.path.realpath(folder).startswith(self.prefix), flags)

    def test_after_the_command_alone(self):
        """As scripts/demo leaves a build: what it did not make is made, in a copy of this one that goes with its mounts."""
        if os.geteuid():
            self.skipTest("needs root, for mounts")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["unshare", "--mount", "sh", "-euc", INSTALL_ANEW, "sh", BUILD, folder], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for name in ("sbin/hitless", "share/man/man8/hitless.8", "lib/**/libhitless.so", "lib/**/libhitless.a",
                         "lib/systemd/system/hitless.service", "lib/systemd/system/hitless-attach@.service"):
                self.assertTrue(glob.glob(f"{folder}/prefix/{name}", recursive=True), name)
        self.assertTrue(os.path.exists(f"{BUILD}/packaging/man/hitless.8"), "the build itself has all it had")


# $1: the build, $2: a folder. The lower layers are not changed.
INSTALL_ANEW = """
mkdir "$2/upper" "$2/work"
mount -t overlay overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" "$1"
rm -r "$1"/packaging/man "$1"/loader/libhitless.so* "$1"/loader/libhitless.a
cmake --install "$1" --prefix "$2/prefix"
"""

if __name__ == "__main__":
    if not BUILD:
        sys.exit(77)
    unittest.main()
