# SPDX-License-Identifier: BSD-2-Clause
"""Hitless: pair the NICs of an instance and keep them paired.

A module of cloud-init: it writes the controller's configuration, starts the service and logs what
`hitless status -j` says. It runs with the first modules (see vendor-data.yaml), which is after cloud-init
has configured the network; nothing of cloud-init runs earlier, so what must be so before that is done by
hitless.service, which starts before cloud-init-local.service and works without this module.
"""
import json
import logging

from cloudinit import subp, util
from cloudinit.config.schema import validate_cloudconfig_schema
from cloudinit.distros import ALL_DISTROS
from cloudinit.settings import PER_ALWAYS

CONFIG = "/etc/hitless/hitless.toml"
DEFAULTS = "/etc/default/hitless"

# What every version from 22.4 to 25 asks for; texts for manuals are no longer among it.
meta = {
    "id": "cc_hitless",
    "distros": [ALL_DISTROS],
    "frequency": PER_ALWAYS,
    "activate_by_schema_keys": ["hitless"],
}
LOG = logging.getLogger(__name__)

# Not named "schema": cloud-init refuses modules that bring one under that name.
HOLD_DOWN = {"type": "integer", "minimum": 0, "maximum": 3600000}
SCHEMA = {
    "type": "object",
    "properties": {
        "hitless": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "enabled": {"type": "boolean", "default": True},
                "auto_pair": {"type": "boolean", "default": True},
                "hold_down_ms": HOLD_DOWN,
                "pairs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["standby"],
                        "properties": {
                            "standby": {"type": "string", "minLength": 1, "maxLength": 15},
                            "primary": {"type": "string", "minLength": 1},
                            "hold_down_ms": HOLD_DOWN,
                        },
                    },
                },
            },
        }
    },
}


def toml(value):
    """A scalar as TOML; its strings are those of JSON."""
    return json.dumps(value)


def render(wanted):
    """The controller's configuration, hitless.toml(5)."""
    lines = ["# Written by cloud-init's module cc_hitless."]
    lines += [f"{key} = {toml(wanted[key])}" for key in ("auto_pair", "hold_down_ms") if key in wanted]
    for pair in wanted.get("pairs", []):
        lines += ["", "[[pair]]"] + [f"{key} = {toml(value)}" for key, value in pair.items()]
    return "\n".join(lines) + "\n"


def status():
    """What `hitless status -j` says; its exit codes 2 and 3 are answers, too."""
    out, _ = subp.subp(["hitless", "status", "-j"], rcs=[0, 2, 3])
    return json.loads(out)["pairs"]


def current(path):
    """The text of a file, or None; what cloud-init calls its own function for it depends on the version."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def handle(name, cfg, *_by_place, **_by_name):
    """Before 23.2: (name, cfg, cloud, log, args) by their places; since then name=, cfg=, cloud=, args=. A handler with
    five parameters is taken for an old one there."""
    if "hitless" not in cfg:
        LOG.debug("%s: no 'hitless' in the configuration, nothing to do", name)
        return
    validate_cloudconfig_schema(cfg, SCHEMA, strict=True)
    wanted = cfg["hitless"]
    if not wanted.get("enabled", True):
        # Pairs that are in force stay: an image must not cut its own network.
        subp.subp(["systemctl", "disable", "--now", "hitless.service"])
        return
    text = render(wanted)
    changed = current(CONFIG) != text
    if changed:
        util.write_file(CONFIG, text, mode=0o644)
        util.write_file(DEFAULTS, f"HITLESS_RUN=--config {CONFIG}\n", mode=0o644)
    # A restart adopts what is attached and loses no frame.
    subp.subp(["systemctl", "enable", "hitless.service"])
    subp.subp(["systemctl", "restart" if changed else "start", "hitless.service"])
    for pair in status():
        LOG.info("%s: %s is on its %s (%s)", name, pair["name"], pair["active"],
                 "healthy" if pair["healthy"] else ", ".join(pair["veto"] + pair["problems"]))
