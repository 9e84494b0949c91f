# SPDX-License-Identifier: BSD-2-Clause
"""The `lab` command."""
import argparse
import os
import sys
from pathlib import Path

from . import binaries, ci, comparison, fetch, icount, machine, nics, peers, runner, scenario, shell
from .cache import LabError


def main() -> int:
    options = _parser().parse_args()
    try:
        return options.act(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real guests with NICs that come and go.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(act=act)
        return sub

    def with_build(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--build", type=Path, default=binaries.DEFAULT_BUILD,
                         help="where hitless and hl-traffic were built (default: %(default)s)")

    sub = command("fetch", _fetch, "download kernels, QEMU and the guest's tools into the cache")
    sub.add_argument("bundles", nargs="*", help=f"some of: {', '.join(fetch.BUNDLES)}")

    sub = command("list", _list, "the cases there are")
    sub.add_argument("scenarios", nargs="*")

    sub = command("run", _run, "run scenarios, all of them by default")
    sub.add_argument("scenarios", nargs="*", help="a scenario, or a whole case name as `lab list` prints it")
    sub.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="cases at once")
    sub.add_argument("-k", "--only", default="", help="cases whose name has this in it")
    sub.add_argument("--urgent", action="store_true",
                     help="go before other work on this machine, for figures it does not spoil")
    sub.add_argument("--logs", type=Path, help="a folder for the logs (default: one in the cache)")
    sub.add_argument("--junit", type=Path, help="write a JUnit file too")
    with_build(sub)

    sub = command("ci", _ci, "the cases of `lab run` that fit a pull request")
    sub.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="cases at once")
    sub.add_argument("--logs", type=Path, help="a folder for the logs (default: one in the cache)")
    sub.add_argument("--junit", type=Path, help="write a JUnit file too")
    with_build(sub)

    sub = command("peers", _peers, "what each peer loses to each event, into docs/results/peers.md")
    sub.add_argument("-j", "--jobs", type=int, default=1, help="guests at once; more than one spoils figures")
    sub.add_argument("-k", "--only", default="", help="measure these peers again, keep the others' figures")
    sub.add_argument("--redraw", action="store_true", help="only write page and chart again")
    with_build(sub)

    sub = command("icount", _icount, "instructions per packet, into docs/results/instructions.md")
    sub.add_argument("--redraw", action="store_true", help="only write the page again")
    with_build(sub)

    sub = command("case", _case, "one case in this process (what `run` starts)")
    sub.add_argument("name")
    sub.add_argument("--logs", type=Path, required=True)
    with_build(sub)

    sub = command("shell", _shell, "a shell in a guest with both NICs; `exit` ends it")
    sub.add_argument("--kernel", default="", choices=scenario.KERNELS)
    sub.add_argument("--qemu", default="", choices=("7", "10"))
    sub.add_argument("--primary", default="e1000e", choices=nics.MODELS)
    sub.add_argument("--peer", default="none", choices=peers.PEERS)
    sub.add_argument("--native", action="store_true", help="pciehp instead of ACPI hotplug")
    sub.add_argument("-p", "--program", type=Path, action="append", default=[],
                     help="another host-built program to take along, with its libraries")
    sub.add_argument("-c", "--command", help="run this instead of an interactive shell")
    with_build(sub)
    return parser


def _fetch(options) -> int:
    if unknown := set(options.bundles) - set(fetch.BUNDLES):
        raise LabError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(fetch.BUNDLES)}")
    fetch.fetch(options.bundles or fetch.BUNDLES)
    return 0


def _cases(words: list[str]) -> list[scenario.Case]:
    found = []
    for word in words or scenario.names():
        name = word.partition(":")[0]
        found += [case for case in scenario.cases(name) if word in (name, case.name)]
    return found


def _list(options) -> int:
    for case in _cases(options.scenarios):
        print(case.name)
    return 0


def _run(options) -> int:
    fetch.fetch()
    if options.urgent:
        _be_urgent()
    cases = [case for case in _cases(options.scenarios) if options.only in case.name]
    return runner.run(cases, max(1, options.jobs), options.build.resolve(), options.logs, options.junit)


def _be_urgent() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, -10)  # never real time: two guests starve two cores


def _ci(options) -> int:
    fetch.fetch()
    return runner.run(ci.cases(), max(1, options.jobs), options.build.resolve(), options.logs, options.junit)


def _peers(options) -> int:
    fetch.fetch()
    _be_urgent()
    return comparison.run(options.build.resolve(), max(1, options.jobs), options.only, options.redraw)


def _icount(options) -> int:
    fetch.fetch()
    return icount.run(options.build.resolve(), options.redraw)


def _case(options) -> int:
    cases = _cases([options.name])
    if not cases:
        raise LabError(f"no case {options.name}")
    return runner.run_case(cases[0], options.logs, options.build)


def _shell(options) -> int:
    fetch.fetch()
    spec = machine.Spec(
        kernel=options.kernel or scenario.newest("kernel", scenario.KERNELS),
        qemu=options.qemu or scenario.newest("qemu", ("7", "10")),
        primary=options.primary, native_hotplug=options.native)
    return shell.shell(spec, options.peer, options.build.resolve(), options.command,
                       [path.resolve() for path in options.program])
