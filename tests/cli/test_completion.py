# SPDX-License-Identifier: BSD-2-Clause
"""Completion, by the shells themselves: each is given a line and asked what may come next."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from bed import HERE, HITLESS, Case

SCRIPTS = os.path.join(HERE, "..", "..", "packaging", "completions")


class Offers(Case):
    """What the program itself answers, which the shells only pass on."""

    def offered(self, *words):
        done = self.expect(0, "complete", "--", *words)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def tree(self):
        return json.loads(self.expect(0, "complete", "--tree").stdout)

    def test_every_subcommand_of_the_help_and_no_other(self):
        listed = re.findall(r"^  (\w+) {2,}", self.expect(0, "--help").stdout.split("Subcommands:")[1], re.M)
        self.assertEqual(self.offered(""), listed)

    def test_every_option_of_every_subcommand(self):
        for command in self.tree()["subcommands"]:
            names = {o["names"][-1] for o in command["options"] if not o["positional"]}
            with self.subTest(command["name"]):
                self.assertLessEqual(names, set(self.offered(command["name"], "-")))

    def test_what_a_host_can_do(self):
        for word in ("run", "give", "take", "status", "events", "check"):
            self.assertIn(word, self.offered("host", ""))
        self.assertIn("--wait", self.offered("host", "take", "-"))

    def test_values(self):
        self.assertEqual(self.offered("switch", "eth0", ""), ["primary", "standby", "auto"])
        self.assertEqual(self.offered("switch", "eth0", "s"), ["standby"])
        self.assertEqual(self.offered("demo", "--nic", ""), ["veth", "tap"])
        self.assertEqual(self.offered("run", "--config", ""), [":files"])
        self.assertEqual(self.offered("attach", "eth0", "--primary", "a"), ["auto"])
        self.assertEqual(self.offered("attach", "eth0", "--primary", "=", "a"), ["auto"], "bash splits at =")
        self.assertIn("two", self.offered("attach", "eth0", "--model", ""))
        self.assertEqual(self.offered("switch", "eth0", "auto", ""), [], "nothing more to say")

    def test_words_that_are_options_or_commands_do_not_run(self):
        self.assertEqual(self.offered("--help", "sta"), ["status"])
        self.assertEqual(self.offered("demo", "--", "frobnicate"), [])


class Shells(Case):
    def setUp(self):
        self.bin = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.bin)
        os.symlink(HITLESS, f"{self.bin}/hitless")
        self.env = {**Case.env, "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": self.bin, "TERM": "dumb"}

    def shell(self, *command):
        done = subprocess.run(command, env=self.env, cwd=self.bin, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def bash(self, *words):
        line = " ".join(f"'{word}'" for word in words)
        return self.shell("bash", "-c", f"""
            . {SCRIPTS}/hitless.bash
            compopt() {{ :; }}  # there is no line being edited here
            COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _hitless hitless "${{COMP_WORDS[COMP_CWORD]}}"; printf '%s\\n' "${{COMPREPLY[@]}}" """)

    def test_bash(self):
        self.assertEqual(self.bash("hitless", "switch", "eth0", ""), ["primary", "standby", "auto"])
        self.assertEqual(self.bash("hitless", "det"), ["detach"])
        open(f"{self.bin}/mine.toml", "w").close()
        self.assertEqual(self.bash("hitless", "run", "--config", "mi"), ["mine.toml"])
        self.assertIn("complete -F _hitless hitless",
                      self.shell("bash", "-c", f". {SCRIPTS}/hitless.bash; complete -p hitless"))

    @unittest.skipUnless(shutil.which("fish"), "needs fish")
    def test_fish(self):
        def fish(line):
            return [l.split("\t")[0] for l in
                    self.shell("fish", "-N", "-c", f"source {SCRIPTS}/hitless.fish; complete -C '{line}'")]
        self.assertEqual(sorted(fish("hitless switch eth0 ")), ["auto", "primary", "standby"])
        self.assertEqual(fish("hitless det"), ["detach"])
        open(f"{self.bin}/mine.toml", "w").close()
        self.assertEqual(fish("hitless run --config mi"), ["mine.toml"])

    @unittest.skipUnless(shutil.which("zsh"), "needs zsh")
    def test_zsh(self):
        self.assertIn("detach", self.zsh("hitless det\t"))
        self.assertIn("standby", self.zsh("hitless switch eth0 st\t"))

    def zsh(self, keys):
        """What a terminal shows after these keys, in a zsh that has loaded its own completion."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.bin)
            os.execvpe("zsh", ["zsh", "-f", "-i"], self.env)
        def read_until(mark):
            text, end = "", time.monotonic() + 90  # compinit looks at every file
            while mark not in text and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    text += os.read(terminal, 4096).decode(errors="replace")
            self.assertIn(mark, text)
            return text
        try:
            os.write(terminal, f"PS1=; fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D; "
                               "print re''ady\n".encode())
            read_until("ready\r\n")
            os.write(terminal, keys.encode())
            # What completion made of the line is printed when it is entered as an argument of print.
            os.write(terminal, b"\x01print -r -- \x05 d''one\n")
            return read_until("done\r\n")
        finally:
            os.close(terminal)
            os.kill(pid, 9)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    unittest.main()
