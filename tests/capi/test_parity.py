# SPDX-License-Identifier: BSD-2-Clause
"""What the command line can do an agent can do too: it uses nothing of the library that hitless.h does not
offer. A new call, option or key fails here until it has its counterpart, or a reason to need none."""
import glob
import json
import os
import re
import tempfile
import unittest

from bed import Case, sh

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = f"{HERE}/../../loader/include/hitless.h"
OBJECTS = f"{os.environ['BUILD']}/cli/CMakeFiles/hitless.dir"

# Function of the library that the command line's objects call -> its counterpart in hitless.h, or, after a
# dash, why an agent needs none.
CALLS = {
    "netns_cookie": "- the name of the program's control socket",
    "attach": "hitless_attach",
    "detach": "hitless_detach",
    "convert": "- hitless_detach and hitless_attach with another model",
    "detach_all": "hitless_detach",
    "upgrade": "- hitless_control: a controller that starts takes over what the version before has made",
    "foreign_controller_pid": "- the same: it cannot start while another holds the namespace",
    "status": "hitless_status",
    "unpaired": "hitless_unpaired_nics",
    "switch_path": "hitless_switch",
    "examine_machine": "hitless_examine",
    "controller_pid": "hitless_controller_pid",
    "is_controlled": "- hitless_controller_pid, in a process that keeps to one version",
    "FlipReader::unreadable": "- hitless_examine names those pairs",
    "state_directory": "hitless_state_directory",
    "idle_rules": "hitless_check",
    "FlipReader::FlipReader": "hitless_flips",
    "FlipReader::~FlipReader": "hitless_close",
    "FlipReader::read": "hitless_flips",
    "FlipReader::rescan": "hitless_flips",
    "Controller::Controller": "hitless_control",
    "Controller::~Controller": "hitless_close",
    "Controller::fd": "hitless_fd",
    "Controller::process": "hitless_process",
    "Controller::reconfigure": "hitless_reconfigure",
    "PairStatus::healthy": "hitless_pair.healthy",
    "Selector::parse": "hitless_attach_options.primary",
    "Selector::ranked": "- the configuration file's own look at a text that hitless_attach_options.primary takes",
    "Selector::text": "hitless_pair.selector",
    "Mac::text": "hitless_nic.mac",
    "parse_liveness": "hitless_attach_options.liveness",
    "model_name": "hitless_pair.model",
    "model_row": "- where the NICs are, for commands that are printed",
    "shell_quoted": "- for commands that are printed",
    "model_named": "hitless_attach_options.model",
    "datapath_name": "hitless_pair.datapath",
    "reason_names": "hitless_reason.name",
    "name": "hitless_host.want",
    "Error::Error": "hitless_error",
    "Error::problem": "- hitless_error, whose text has the way out behind it",
    "now": "- clock_gettime(CLOCK_BOOTTIME)",
    "enter_netns": "- setns(2): calls act in the namespace of the thread",
    "Poller::Poller": "- epoll of the control socket's own descriptors",
    "Poller::add": "- the same",
    "Poller::add_for_writing": "- the same",
    "Poller::remove": "- the same",
    "Poller::take": "- the same",
    "Timer::Timer": "- when metrics are written next",
    "Timer::acknowledge": "- the same",
    "Timer::arm": "- the same",
    "Timer::due": "- the same",
}

SHOWS = "- what is shown, and how"
SERVES = "- the control socket and metrics are the program's, made of hitless_status, _flips and _switch"
OPTIONS = {
    "run": {"--config": "- the file's keys: KEYS", "--once": "hitless_close", "--check": "hitless_check",
            "--socket": SERVES, "--socket-group": SERVES, "--metrics-file": SERVES, "--metrics-interval": SERVES,
            "--metrics-socket": SERVES},
    "attach": {"standby": "hitless_attach_options.standby", "--primary": "hitless_attach_options.primary",
               "--model": "hitless_attach_options.model", "--datapath": "hitless_attach_options.datapath",
               "--failover": "hitless_attach_options.failover", "--gate": "hitless_attach_options.gate",
               "--checksums-complete": "hitless_attach_options.checksums_complete",
               "--liveness": "hitless_attach_options.liveness",
               "--hold-down": "hitless_policy.hold_down_ms", "--up-delay": "hitless_policy.up_delay_ms",
               "--probe-interval": "hitless_policy.probe_interval_ms",
               "--probe-rest": "hitless_policy.probe_rest_ms",
               "--proof-timeout": "hitless_policy.proof_timeout_ms",
               "--reselect": "hitless_policy.reselect", "--announce": "hitless_policy.announce",
               "--carrier": "hitless_policy.carrier"},
    "detach": {"standby": "hitless_detach", "--all": "hitless_detach"},
    "convert": {"standby": "hitless_detach", "--model": "hitless_attach_options.model",
                "--failover": "hitless_attach_options.failover", "--gap": "- what hitless_detach means"},
    "upgrade": {"--check": "- hitless_control: what it refuses it logs, and leaves in force"},
    "status": {"standby": "hitless_status", "--json": SHOWS},
    "explain": {"pair": "hitless_status"},
    "switch": {"standby": "hitless_switch", "path": "hitless_path", "--wait": "hitless_pair.active",
               "--timeout": SHOWS},
    "events": {"--follow": "hitless_flips", "--json": SHOWS},
    "watch": {"--interval": SHOWS},
    "metrics": {"--file": SHOWS},
    "doctor": {"--json": SHOWS, "--config": "hitless_check"},
    "host": None,  # the hypervisor's half: no agent in a guest needs it
    "demo": None,  # namespaces and traffic around the same calls
    "bugreport": {"--output": SHOWS, "--config": SHOWS, "--keep-addresses": SHOWS},
}
KEYS = {  # of a configuration file, beside those that are options of attach
    "auto_pair": "hitless_control_options.only_listed", "pair": "hitless_control_options.pairs",
    "host": "hitless_control_options.ignore_host",
    "standby": "hitless_attach_options.other_standbys", "primary": "hitless_attach_options.primary",
}


def offered():
    """Calls, types and type.field of the header."""
    with open(HEADER, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    names = set(re.findall(r"\b(hitless_\w+)\(", text)) | set(re.findall(r"(?:struct|enum) (hitless_\w+)", text))
    for struct, body in re.findall(r"struct (hitless_\w+) \{(.*?)\n\};", text, re.DOTALL):
        names |= {f"{struct}.{field}" for line in body.split(";") for field in re.findall(r"(\w+)\s*(?:,|$)", line)}
    return names


class Parity(Case):
    def has(self, counterpart):
        self.assertTrue(counterpart.startswith("- ") or counterpart in offered(), counterpart)

    def test_calls(self):
        objects = [o for o in glob.glob(f"{OBJECTS}/**/*.o", recursive=True) if "/demo" not in o and "/host_" not in o
                   and not o.endswith("/host.cpp.o")]
        self.assertGreater(len(objects), 20)
        used = set(re.findall(r"\bU hitless::(?!cli::)([\w:~]+)", sh("nm -C --undefined-only " + " ".join(objects))))
        self.assertLessEqual({"attach", "Controller::process"}, used, "this looks at the right objects")
        self.assertEqual(used - set(CALLS), set(), "give hitless.h a counterpart")
        self.assertEqual(set(CALLS) - used, set(), "no longer used")
        for counterpart in CALLS.values():
            self.has(counterpart)

    def test_options(self):
        tree = json.loads(self.expect(0, "complete", "--tree").stdout)
        given = {command["name"]: {option["names"][-1] for option in command["options"]} - {"--help"}
                 for command in tree["subcommands"]}
        self.assertEqual(set(given), set(OPTIONS))
        for command, options in OPTIONS.items():
            if options is None:
                continue
            with self.subTest(command):
                self.assertEqual(given[command], set(options))
                for counterpart in options.values():
                    self.has(counterpart)

    def test_keys_of_the_configuration(self):
        known = set()
        for text in ("wrong = 1", "[[pair]]\nstandby = 'a'\nwrong = 1"):
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write(text)
                file.flush()
                known |= set(self.expect(1, "run", "--check", "--config", file.name, says="known here: ")
                             .stderr.strip().rpartition("known here: ")[2].split(", "))
        options = {name.removeprefix("--").replace("-", "_") for name in OPTIONS["attach"]}
        for key in known:
            with self.subTest(key):
                self.assertTrue(key in KEYS or key.removesuffix("_ms") in options, "give hitless.h a counterpart")
        for counterpart in KEYS.values():
            self.has(counterpart)


if __name__ == "__main__":
    unittest.main()
