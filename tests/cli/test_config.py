# SPDX-License-Identifier: BSD-2-Clause
"""`hitless run --config FILE`: what is wrong, in which line and column, under which key. The state
directory cannot exist, so that nothing is touched even if a bad file were taken."""
import os
import tempfile
import unittest

from bed import Case

UNUSABLE_STATE = "/proc/hitless-test"  # nothing can be made there
TAKEN = "create /proc/hitless-test"    # what is said once the configuration was read

WRONG = {  # text: (line:column, what must be said)
    "auto_pair = maybe": ("1:13", "could not determine value type"),
    "\n\nauto_pair = 'yes'": ("3:13", "'auto_pair' is no true or false"),
    "auto_pair": ("1:", ""),
    "auto_pear = true": ("1:1", "unknown key 'auto_pear', nearest is 'auto_pair'; known here: auto_pair, pair, host, "
                                "hold_down_ms, up_delay_ms,"),
    "probe_interval_ms = 60001": ("1:21", "'probe_interval_ms' is out of range; use 0 to 60000"),
    "probe_rest_ms = -1": ("1:17", "'probe_rest_ms' is out of range"),
    "proof_timeout_ms = 'x'": ("1:20", "'proof_timeout_ms' is no whole number"),
    "\nreselect = 'sometimes'":
        ("2:12", "'reselect' cannot be 'sometimes'; use always, better, failure"),
    "reselect = 1": ("1:12", "'reselect' is no string"),
    "[[pair]]\nstandby = 'eth0'\nannounce = 'loudly'":
        ("3:12", "'announce' cannot be 'loudly'; use auto, garp, none"),
    "hold_down_ms = 'long'": ("1:16", "'hold_down_ms' is no whole number"),
    "hold_down_ms = 1.5": ("1:16", "'hold_down_ms' is no whole number"),
    "hold_down_ms = -1": ("1:16", "'hold_down_ms' is out of range; use 0 to 3600000"),
    "hold_down_ms = 3600001": ("1:16", "out of range"),
    "hold_down_ms = 9223372036854775808": ("1:", ""),
    "pair = 'eth0'": ("1:8", "'pair' is no list of tables; write [[pair]] before each"),
    "pair = []\n": ("1:8", "'pair' is no list of tables"),
    "[pair]\nstandby = 'eth0'": ("1:1", "'pair' is no list of tables; write [[pair]] before each"),
    "[[pair]]\nprimary = 'mac'": ("1:1", "a pair needs the key 'standby'"),
    "[[pair]]\nstandby = ''": ("2:11", "'standby'"),
    "[[pair]]\nstandby = 7": ("2:11", "'standby' is no string"),
    "[[pair]]\nstandby = 'a-name-that-is-too-long'": ("2:11", "'standby'"),
    "[[pair]]\nstandby = 'eth0'\nmaster = 'eth1'":
        ("3:1", "unknown key 'master', nearest is"),
    "[[pair]]\nstandby = 'eth0'\nprimary = 'pci:nonsense'":
        ("3:11", "read the primary 'pci:nonsense': names no device; use auto"),
    "holddown_ms = 1": ("1:1", "nearest is 'hold_down_ms'"),
    "[[pair]]\nstanby = 'eth0'": ("2:1", "unknown key 'stanby', nearest is 'standby'"),
    "[[pair]]\nstandby = []": ("2:11", "'standby' is empty"),
    "[[pair]]\nstandby = ['eth0', 7]": ("2:20", "'standby' holds what is no string"),
    "[[pair]]\nstandby = ['eth0', 'eth0']": ("2:20", "'eth0' has two ranks in 'standby'"),
    "[[pair]]\nstandby = 'eth0'\nprimary = ['eth1', 'eth1']": ("3:20", "'eth1' has two ranks in 'primary'"),
    "[[pair]]\nstandby = 'eth0'\nprimary = 'pci:0:1.0,pci:0:1.0'": ("3:11", "names no device"),
    "[[pair]]\nstandby = 'eth0'\nprimary = ['mac', 'auto']":
        ("3:11", "'auto' behind 'mac' can never be reached"),
    "[[pair]]\nstandby = 'eth0'\nprimary = 'eth0'": ("2:11", "'eth0' is a standby already, at"),
    "[[pair]]\nstandby = 'a'\nprimary = 'x'\n[[pair]]\nstandby = 'b'\nprimary = 'x'":
        ("5:11", "'x' is a primary already, at"),
    "[[pair]]\nstandby = 'a'\nprimary = 'b'\n[[pair]]\nstandby = 'b'\nprimary = 'a'":
        ("5:11", "'b' is a primary already, at"),
    "[[pair]]\nstandby = 'eth0'\nhold_down_ms = []": ("3:16", "'hold_down_ms' is no whole number"),
    "[[pair]]\nstandby = 'eth0'\n\n[[pair]]\nstandby = 'eth0'": ("5:11", "'eth0'"),
    "auto_pair = true\nauto_pair = false": ("2:", "auto_pair"),
    "[[pair]]\nstandby = 'et": ("2:", ""),
    "[[pa": ("1:", ""),
    "\xd2\x89": ("1:1", ""),
    "auto_pair = true\n[[:": ("2:1", "this line is no TOML"),
    "\x00\x01\x7fELF": ("1:", ""),
    "= = =": ("1:", ""),
    "[[pair]]\n" * 3 + "\xff": ("3:", "utf-8"),
}

GOOD = ["", "up_delay_ms = 0\nprobe_interval_ms = 5\nprobe_rest_ms = 0\nproof_timeout_ms = 100\n"
        "reselect = 'failure'\nannounce = 'garp'\ncarrier = 'follow'\n[[pair]]\nstandby = 'eth0'\nreselect = 'better'\n",
        "# nothing but a word\n", "auto_pair = false\nhold_down_ms = 0\n",
        "hold_down_ms = 3600000\n[[pair]]\nstandby = 'eth0'\nprimary = 'pci:00:04.0'\nhold_down_ms = 5\n"
        "[[pair]]\nstandby = 'eth1'\nprimary = 'eth2'\n",
        "[[pair]]\nstandby = ['eth0', 'ens3']\nprimary = ['slot:4', 'acpi:2', 'port:0a0b', 'switch:0c',"
        " 'bus:pci/0000:00:04.0', 'driver:iavf', 'auto', 'mac']\n"]


class Config(Case):
    env = {**Case.env, "HITLESS_STATE_DIR": UNUSABLE_STATE}

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hitless-test-")
        self.addCleanup(folder.cleanup)
        self.file = f"{folder.name}/hitless.toml"

    def write(self, text):
        with open(self.file, "w", encoding="latin-1") as file:
            file.write(text)

    def refused(self, *says):
        done = self.expect(1, "run", "--config", self.file, says=[f"hitless: read {self.file}", *says])
        self.assertNotIn(TAKEN, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one line")
        return done.stderr

    def test_wrong_text_is_placed_and_named(self):
        for text, (place, says) in WRONG.items():
            with self.subTest(text):
                self.write(text)
                self.assertIn(f"{self.file}:{place}", self.refused(says))

    def test_right_text_is_taken(self):
        for text in GOOD:
            with self.subTest(text):
                self.write(text)
                done = self.hitless("run", "--once", "--config", self.file)
                self.assertIn(TAKEN, done.stderr)

    def test_missing_file(self):
        self.refused("No such file or directory")

    def test_directory(self):
        os.mkdir(self.file)
        self.refused("Is a directory")

    def test_symlink_loop(self):
        os.symlink(self.file, self.file)
        self.refused("Too many levels of symbolic links")

    def test_symlink_to_a_good_file(self):
        self.write("auto_pair = false")
        os.rename(self.file, f"{self.file}.real")
        os.symlink(f"{self.file}.real", self.file)
        self.assertIn(TAKEN, self.hitless("run", "--once", "--config", self.file).stderr)

    @unittest.skipIf(os.geteuid() == 0 and not os.access("/usr/bin/setpriv", os.X_OK), "needs setpriv")
    def test_unreadable_file(self):
        self.write("")
        os.chmod(self.file, 0)
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        done = self.hitless("run", "--config", self.file, prefix=prefix)
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertIn("Permission denied", done.stderr)

    def test_endless_file(self):
        os.symlink("/dev/zero", self.file)
        self.refused("File too large")

    def drop_in(self, name, text):
        os.makedirs(f"{self.file}.d", exist_ok=True)
        with open(f"{self.file}.d/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def refused_drop_in(self, name, *says):
        self.expect(1, "run", "--config", self.file, says=[f"hitless: read {self.file}.d/{name}", *says])

    def test_drop_ins_add_and_are_placed(self):
        self.write("hold_down_ms = 5")
        self.drop_in("10-a.toml", "[[pair]]\nstandby = 'eth0'")
        self.drop_in("20-b.toml", "auto_pear = false")
        self.refused_drop_in("20-b.toml:1:1", "unknown key 'auto_pear'")

    def test_two_files_that_name_one_nic(self):
        self.write("[[pair]]\nstandby = 'eth0'\nprimary = 'eth1'")
        self.drop_in("a.toml", "[[pair]]\nstandby = 'eth1'")
        self.refused_drop_in("a.toml:2:11", f"'eth1' is a primary already, at {self.file}:2:11")

    def test_half_written_drop_in(self):
        self.write("")
        self.drop_in("a.toml", "[[pair]]\nstandby = 'et")
        self.refused_drop_in("a.toml:2:")

    def test_directory_as_drop_in(self):
        self.write("")
        os.makedirs(f"{self.file}.d/a.toml")
        self.refused_drop_in("a.toml", "Is a directory")

    def test_dangling_drop_in(self):
        self.write("")
        os.makedirs(f"{self.file}.d")
        os.symlink("/nowhere", f"{self.file}.d/a.toml")
        self.refused_drop_in("a.toml", "No such file or directory")

    def test_drop_in_folder_that_is_none(self):
        self.write("")
        with open(f"{self.file}.d", "w", encoding="utf-8"):
            pass
        self.refused(".d: Not a directory")

    def test_what_is_no_drop_in(self):
        self.write("")
        for name in (".a.toml", "a.toml.dpkg-old", "README"):
            self.drop_in(name, "= = =")
        self.assertIn(TAKEN, self.hitless("run", "--once", "--config", self.file).stderr)

    def test_check_names_the_rule_that_matches_nothing(self):
        self.write("auto_pair = false\n[[pair]]\nstandby = 'no-such-nic'\n")
        self.expect(2, "run", "--check", "--config", self.file,
                    says=[f"{self.file}:3:11: the rule matches nothing now", "there is no interface no-such-nic"])
        self.write("auto_pair = false\n")
        self.expect(0, "run", "--check", "--config", self.file)


if __name__ == "__main__":
    unittest.main()
