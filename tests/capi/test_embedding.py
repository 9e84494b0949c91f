# SPDX-License-Identifier: BSD-2-Clause
"""The agents of docs/embedding.md, run as written there."""
import os
import subprocess
import sys
import unittest

from bed import NetCase, sh, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
HERE = os.environ["AGENTS"]
AGENTS = {"C": [f"{HERE}/capi_agent_c"], "C++": [f"{HERE}/capi_agent_cpp"],
          "Python": [sys.executable, f"{HERE}/agent.py"]}

# In the library's place: says what an agent asks for, and ends it.
STUB = """
#include <hitless.h>
#include <stdio.h>
#include <stdlib.h>
int hitless_open(struct hitless_handle **out) { *out = (struct hitless_handle *)out; return 0; }
const char *hitless_error(const struct hitless_handle *h) { (void)h; return ""; }
int hitless_control(struct hitless_handle *h, const struct hitless_control_options *options)
{
	(void)h;
	printf("only_listed %d, %s\\n", options->only_listed, options->pairs[0]->standby);
	fflush(stdout);
	_Exit(0);
}
"""


class Agents(NetCase):
    def start(self, command, *args):
        process = subprocess.Popen([*command, *args], env=self.env, text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        return process

    def story(self, command):
        agent = self.start(command, "sby", "mac")
        self.assertRegex(agent.stdout.readline(), "^sby -> primary: (absent|unproven) by (operator|controller)$")
        wait_until(lambda: self.owner() == agent.pid, "it is the controller")
        self.expect(75, "run", says=str(agent.pid))
        self.expect(0, "switch", "sby", "standby")
        self.assertEqual(agent.stdout.readline(), "sby -> standby: operator by operator\n")
        self.expect(0, "switch", "sby", "auto")
        self.assertEqual(agent.stdout.readline(), "sby -> primary: operator by operator\n")
        sh("ip link set pri down")
        self.assertRegex(agent.stdout.readline(), "^sby -> standby: (link-down|down-seen) by ")
        _, log = agent.communicate(timeout=20)
        self.assertEqual(agent.returncode, 0, log)
        self.assertEqual(len(self.pins()), 1, "the pair outlives the agent")
        sh("ip link set pri up")
        again = self.start(command, "sby", "mac")
        wait_until(lambda: again.poll() is not None or self.owner() == again.pid, "it has started again")
        _, log = again.communicate(timeout=20)
        self.assertEqual(again.returncode, 0, log)
        self.expect(0, "detach", "sby")

    def test_keep_a_pair(self):
        for language, command in AGENTS.items():
            with self.subTest(language):
                self.story(command)

    def test_keep_what_they_name_and_nothing_else(self):
        """Which virtual NICs cannot show: by the machine's own rule only hardware is paired."""
        library = f"{self.state}/libhitless.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-I", f"{ROOT}/loader/include", "-o", library, "-x", "c", "-"],
                       input=STUB, text=True, check=True)
        self.env |= {"LIBHITLESS": library, "LD_PRELOAD": library}
        for language in ("C", "Python"):  # C++ has the library in it
            with self.subTest(language):
                asked, log = self.start(AGENTS[language], "sby", "mac").communicate(timeout=20)
                self.assertEqual(asked, "only_listed 1, sby\n", log)

    def test_say_what_is_wrong(self):
        for language, command in AGENTS.items():
            with self.subTest(language):
                _, log = self.start(command, "lo", "pci:nonsense").communicate(timeout=20)
                self.assertIn("agent: ", log)
                self.assertIn("pci:nonsense", log)


if __name__ == "__main__":
    unittest.main()
