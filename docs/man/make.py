#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the man pages: make.py HITLESS VERSION FOLDER.

Name, synopsis and options come from the parser (`hitless complete --tree`), so they cannot go stale;
what must be written by a person stands in NAME.scd beside this file, where @OPTIONS@ marks the place of
the options. A subcommand without such a file gets a page all the same. scdoc turns each into roff."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
OTHERS = {"hitless.toml": 5, "hitless-state": 5, "hitless.service": 8}  # pages of no subcommand


def plain(text):
    """Text that scdoc must not read as markup."""
    return "".join("\\" + c if c in "_*\\" else c for c in text)


def option(entry):
    names = ", ".join(f"*{plain(name)}*" for name in entry["names"])
    if entry["positional"]:
        names = f"_{plain(entry['value'] or entry['names'][0])}_"
    elif entry["value"]:
        names += f" _{plain(entry['value'])}_"
    text = plain(entry["help"][:1].upper() + entry["help"][1:])
    if entry["choices"]:
        text += f" ({', '.join(map(plain, entry['choices']))})"
    if entry["default"] not in ("", "false"):
        text += f"; {plain(entry['default'])} when not given"
    return f"{names}\n\t{text}.\n"


def options(command):
    return "# OPTIONS\n\n" + "\n".join(map(option, command["options"]))


def own_commands(command):
    """The subcommands of a subcommand, which have no page of their own."""
    return "# COMMANDS\n\n" + "\n".join(
        f"## {sub['name']}\n\n{synopsis(sub, ['*hitless*', '*' + command['name'] + '*'])}\n\n"
        f"{plain(sub['help'][:1].upper() + sub['help'][1:])}.\n\n" + "\n".join(map(option, sub["options"]))
        for sub in command["subcommands"])


def synopsis(command, before=("*hitless*",)):
    words = [*before] + ([f"*{command['name']}*"] if command["name"] != "hitless" else [])
    flags = [o for o in command["options"] if not o["positional"] and "--help" not in o["names"]]
    words += ["[_options_]"] if flags else []
    for entry in command["options"]:
        if entry["positional"]:
            word = f"_{plain(entry['value'] or entry['names'][0])}_"
            words.append(word if entry["required"] else f"[{word}]")
    words += ["_command_ [_arguments_]"] if command["subcommands"] else []
    return " ".join(words)


def vetoes(tree):
    """The reasons against a primary, from the list that the datapath is compiled with."""
    entries = []
    for veto in tree["vetoes"]:
        end = "" if veto["overruled"] else "; *hitless switch primary* does not overrule it"
        entries.append(f"*{veto['name']}* ({veto['kind']}, by {plain(veto['writer'])})\n"
                       f"\t{plain(veto['meaning'][:1].upper() + veto['meaning'][1:])}{end}.\n")
    return "\n".join(entries)


def page(name, command, version, reasons):
    body = HERE / f"{name}.scd"
    text = body.read_text() if body.exists() else f"# DESCRIPTION\n\n{plain(command['help'])}.\n\n@OPTIONS@"
    text = text.split("-->\n", 1)[-1].strip()
    commands = "".join(f"*hitless-{plain(sub['name'])}*(8)\n\t{plain(sub['help'])}\n\n"
                       for sub in command["subcommands"])
    text = text.replace("@OPTIONS@", options(command).strip()).replace("@COMMANDS@", commands.strip())
    text = text.replace("@OWN_COMMANDS@", own_commands(command).strip())
    text = text.replace("@VETOES@", reasons.strip())
    return (f"{name}(8) \"\" \"hitless {version}\"\n\n# NAME\n\n{name} - {plain(command['help'])}\n\n"
            f"# SYNOPSIS\n\n{synopsis(command)}\n\n{text}\n" +
            ("\n# SEE ALSO\n\n*hitless*(8)\n" if name != "hitless" and "# SEE ALSO" not in text else ""))


def other(name, section, version):
    text = (HERE / f"{name}.scd").read_text().split("-->\n", 1)[-1].strip()
    return f"{name}({section}) \"\" \"hitless {version}\"\n\n{text}\n"


def main(hitless, version, folder):
    tree = json.loads(subprocess.run([hitless, "complete", "--tree"], check=True, capture_output=True).stdout)
    reasons = vetoes(tree)
    pages = {("hitless", 8): page("hitless", tree, version, reasons)}
    for command in tree["subcommands"]:
        name = f"hitless-{command['name']}"
        pages[name, 8] = page(name, command, version, reasons)
    for name, section in OTHERS.items():
        pages[name, section] = other(name, section, version)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for (name, section), text in pages.items():
        roff = subprocess.run(["scdoc"], input=text, check=True, capture_output=True, text=True).stdout
        (folder / f"{name}.{section}").write_text(roff)


if __name__ == "__main__":
    main(*sys.argv[1:])
