# SPDX-License-Identifier: BSD-2-Clause
"""What `hitless` says of itself, word by word, and what it says to a wrong command line."""
import re
import unittest

from bed import Case

SUBCOMMANDS = ["run", "attach", "detach", "convert", "upgrade", "status", "explain", "switch", "events", "watch", "metrics", "doctor",
               "host", "demo", "bugreport"]
OF_HOST = ["run", "give", "take", "status", "events", "check"]

WRONG = [  # command line, what must be said
    ([], "A subcommand is required"),
    (["frobnicate"], "frobnicate"),
    (["--frobnicate"], "--frobnicate"),
    (["status", "--frobnicate"], "--frobnicate"),
    (["status", "eth0", "eth1"], "eth1"),
    (["attach"], "standby is required"),
    (["attach", "eth0", "--model", "five"], "five"),
    (["attach", "eth0", "--datapath", "dpdk"], "dpdk"),
    (["attach", "eth0", "--liveness", "hope"], "hope"),
    (["attach", "eth0", "--hold-down", "-1"], "--hold-down"),
    (["attach", "eth0", "--hold-down", "soon"], "--hold-down"),
    (["attach", "eth0", "--hold-down", "3600001"], "--hold-down"),
    (["attach", "eth0", "--primary"], "--primary"),
    (["detach"], "STANDBY or --all"),
    (["detach", "eth0", "--all"], "--all"),
    (["switch", "eth0"], "path is required"),
    (["switch", "eth0", "sideways"], "sideways"),
    (["switch", "eth0", "1"], "path: 1 not in"),
    (["switch", "eth0", "auto", "--timeout", "5"], "--wait"),
    (["switch", "eth0", "auto", "--wait", "--timeout", "-5"], "--timeout"),
    (["run", "--config"], "--config"),
    (["run", "--metrics-interval", "0"], "--metrics-interval"),
    (["watch", "--interval", "0"], "--interval"),
    (["metrics", "eth0"], "eth0"),
    (["host"], "A subcommand is required"),
    (["host", "frobnicate"], "frobnicate"),
    (["host", "give"], "guest is required"),
    (["host", "take", "web1", "--timeout", "5"], "--wait"),
    (["host", "take", "web1", "--wait", "--timeout", "-5"], "--timeout"),
    (["host", "run", "--config"], "--config"),
]


class Help(Case):
    def test_of_the_program(self):
        self.golden("help.txt", self.expect(0, "--help").stdout)

    def test_of_every_subcommand(self):
        for name in SUBCOMMANDS:
            with self.subTest(name):
                self.golden(f"help-{name}.txt", self.expect(0, name, "--help").stdout)

    def test_of_every_subcommand_of_host(self):
        for name in OF_HOST:
            with self.subTest(name):
                self.golden(f"help-host-{name}.txt", self.expect(0, "host", name, "--help").stdout)

    def test_names_every_subcommand(self):
        listed = re.findall(r"^  (\w+) {2,}", self.expect(0, "--help").stdout.split("Subcommands:")[1],
                            re.MULTILINE)
        self.assertEqual(listed, SUBCOMMANDS)

    def test_version(self):
        self.assertRegex(self.expect(0, "--version").stdout, r"^hitless \d+\.\d+\.\d+ \(ABI \d+\)\n$")


class WrongCommandLine(Case):
    def test_is_a_usage_error_that_names_the_culprit(self):
        for line, says in WRONG:
            with self.subTest(" ".join(line)):
                self.expect(64, *line, says=[says, "--help"])


if __name__ == "__main__":
    unittest.main()
