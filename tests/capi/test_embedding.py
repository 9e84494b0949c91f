# SPDX-License-Identifier: BSD-2-Clause
"""The agents of docs/embedding.md, run as written there."""
import os
import subprocess
import sys
import unittest

from bed import NetCase, sh, wait_until

HERE = os.environ["AGENTS"]
AGENTS = {"C": [f"{HERE}/capi_agent_c"], "C++": [f"{HERE}/capi_agent_cpp"],
          "Python": [sys.executable, f"{HERE}/agent.py"]}


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

    def test_say_what_is_wrong(self):
        for language, command in AGENTS.items():
            with self.subTest(language):
                _, log = self.start(command, "lo", "pci:nonsense").communicate(timeout=20)
                self.assertIn("agent: ", log)
                self.assertIn("pci:nonsense", log)


if __name__ == "__main__":
    unittest.main()
