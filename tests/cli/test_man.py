# SPDX-License-Identifier: BSD-2-Clause
"""Man pages, as the build makes them: one for every subcommand, each option in its place, no error."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from bed import HERE, HITLESS, Case

MAKE = os.path.join(HERE, "..", "..", "docs", "man", "make.py")


@unittest.skipUnless(shutil.which("scdoc") and shutil.which("mandoc"), "needs scdoc and mandoc")
class Man(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run(["python3", MAKE, HITLESS, "1.2.3", cls.folder], check=True)
        tree = subprocess.run([HITLESS, "complete", "--tree"], check=True, capture_output=True).stdout
        cls.commands = json.loads(tree)["subcommands"]
        cls.vetoes = json.loads(tree)["vetoes"]

    def shown(self, page):
        done = subprocess.run(["mandoc", "-T", "ascii", f"{self.folder}/{page}"], check=True,
                              capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        return re.sub(r".\x08", "", done.stdout)

    def test_are_well_formed(self):
        for page in os.listdir(self.folder):
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", f"{self.folder}/{page}"],
                                  capture_output=True, text=True)
            with self.subTest(page):
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_one_for_every_subcommand_with_every_option(self):
        for command in self.commands:
            text = self.shown(f"hitless-{command['name']}.8")
            for option in command["options"]:
                with self.subTest(command["name"], option=option["names"]):
                    name = option["value"] if option["positional"] else option["names"][-1]
                    self.assertRegex(text, rf"(?m)^ +(-\w, )?{re.escape(name)}\b")

    def test_every_exit_code_is_in_the_main_page(self):
        text = self.shown("hitless.8").split("EXIT STATUS")[1]
        with open(os.path.join(HERE, "..", "..", "cli", "command.hpp")) as header:
            codes = re.findall(r"exit_\w+ = (\d+)", header.read())
        self.assertGreater(len(codes), 6)
        for code in codes:
            self.assertRegex(text, rf"(?m)^ +{code}$")

    def test_every_reason_is_in_the_page_and_in_the_documentation(self):
        text = self.shown("hitless-explain.8").split("REASONS")[1]
        with open(os.path.join(HERE, "..", "..", "docs", "datapath.md")) as page:
            table = [line.strip() for line in page if line.startswith("|")]
        self.assertGreater(len(self.vetoes), 10)
        for veto in self.vetoes:
            with self.subTest(veto["name"]):
                self.assertRegex(text, rf"(?m)^ +{veto['name']} \({veto['kind']}, by ")
                self.assertIn(f"| {veto['bit']} | `{veto['name']}`: {veto['meaning']} | {veto['kind']} | "
                              f"{veto['writer']} | {'yes' if veto['overruled'] else 'no'} |", table)

    def test_every_subcommand_has_a_text_by_a_person(self):
        for command in self.commands:
            page = os.path.join(os.path.dirname(MAKE), f"hitless-{command['name']}.scd")
            self.assertTrue(os.path.exists(page), f"write {page}; @OPTIONS@ stands for the options")


if __name__ == "__main__":
    unittest.main()
