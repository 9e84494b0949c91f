# SPDX-License-Identifier: BSD-2-Clause
"""cc_hitless as cloud-init calls it: by places before 23.2 (Debian 12), by names since (Debian 13), and told apart by
how many parameters it has. Against a stand-in for cloud-init with what both have; `CLOUDINIT=DIR:DIR` adds real ones,
unpacked anywhere (`dpkg -x`), whose own code then finds, checks and runs the module."""
import importlib
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
from inspect import signature
from unittest import mock

MODULE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/cloud-init")
WANTED = {"hitless": {"hold_down_ms": 300, "pairs": [{"standby": "eth0", "primary": "mac"}]}}
PAIRS = json.dumps({"pairs": [{"name": "eth0", "active": "primary", "healthy": True, "veto": [], "problems": []}]})


def stand_in():
    """Only what 22.4 and 25.1 have in common: what is not here must not be used."""
    def validate(config, schema=None, *_, strict=False):
        assert strict
        unknown = set(config["hitless"]) - set(schema["properties"]["hitless"]["properties"])
        if unknown:
            raise ValueError(unknown)

    def write_file(path, text, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
    parts = {"": {}, ".config": {}, ".subp": {"subp": None}, ".util": {"write_file": write_file},
             ".config.schema": {"validate_cloudconfig_schema": validate},
             ".distros": {"ALL_DISTROS": "all"}, ".settings": {"PER_ALWAYS": "always"}}
    modules = {}
    for name, content in parts.items():
        module = types.ModuleType("cloudinit" + name)
        module.__dict__.update(content)
        modules["cloudinit" + name] = module
    for name in ("subp", "util"):
        setattr(modules["cloudinit"], name, modules["cloudinit." + name])
    return modules


def as_before_23_2(module, cfg):
    module.handle("hitless", cfg, object(), mock.Mock(), [])


def as_since_23_2(module, cfg):
    args = {"name": "hitless", "cfg": cfg, "cloud": object(), "args": []}
    if len(signature(module.handle).parameters) == 5:
        args["log"] = mock.Mock()
    module.handle(**args)


def run_by(cloudinit):
    """The real thing: cloud-init's own loop over modules."""
    def run(_module, cfg):
        modules = importlib.import_module("cloudinit.config.modules")
        init = mock.Mock()
        init.distro.name = "debian"
        cloud = types.SimpleNamespace(run=lambda _name, functor, args, **_: (
            True, functor(**args) if isinstance(args, dict) else functor(*args)))
        init.cloudify.return_value = cloud
        loop = modules.Modules(init)
        loop._cached_cfg = {**cfg, "cloud_init_modules": ["hitless"]}
        _, failures = loop.run_section("cloud_init_modules")
        if failures:
            raise ValueError(failures)
    run.path = cloudinit
    return run


class Handler(unittest.TestCase):
    path = list(sys.path)

    def load(self, path=None):
        for name in [n for n in sys.modules if n.split(".")[0] == "cloudinit" or n == "cc_hitless"]:
            del sys.modules[name]
        if path:
            sys.path[:] = [path, *self.path]
            config = importlib.import_module("cloudinit.config")
            config.__path__.append(MODULE)
            module = importlib.import_module("cloudinit.config.cc_hitless")
        else:
            sys.modules.update(stand_in())
            sys.path[:] = [MODULE, *self.path]
            module = importlib.import_module("cc_hitless")
        self.ran = []
        module.subp.subp = lambda command, **_: (self.ran.append(" ".join(command)), (PAIRS, ""))[1]
        home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, home)
        module.CONFIG, module.DEFAULTS = f"{home}/hitless.toml", f"{home}/default"
        return module

    def ways(self):
        yield as_before_23_2
        yield as_since_23_2
        for path in filter(None, os.environ.get("CLOUDINIT", "").split(":")):
            yield run_by(path)

    def each(self, judge):
        for way in self.ways():
            path = getattr(way, "path", None)
            with self.subTest(path or way.__name__):
                judge(way, self.load(path))

    def test_it_configures_and_starts_the_service(self):
        def judge(call, module):
            call(module, WANTED)
            with open(module.CONFIG, encoding="utf-8") as file:
                self.assertIn('hold_down_ms = 300\n\n[[pair]]\nstandby = "eth0"', file.read())
            self.assertEqual(self.ran, ["systemctl enable hitless.service", "systemctl restart hitless.service",
                                        "hitless status -j"])
            self.ran.clear()
            call(module, WANTED)
            self.assertIn("systemctl start hitless.service", self.ran, "nothing has changed")
        self.each(judge)

    def test_without_a_word_it_does_nothing(self):
        def judge(call, module):
            call(module, {})
            self.assertEqual((self.ran, os.path.exists(module.CONFIG)), ([], False))
        self.each(judge)

    def test_what_it_does_not_know_it_refuses(self):
        def judge(call, module):
            with self.assertRaises(ValueError):
                call(module, {"hitless": {"pears": []}})
            self.assertEqual(self.ran, [])
        self.each(judge)

    def test_disabled(self):
        def judge(call, module):
            call(module, {"hitless": {"enabled": False}})
            self.assertEqual(self.ran, ["systemctl disable --now hitless.service"])
        self.each(judge)

    def test_cloud_init_takes_it_for_a_module(self):
        def judge(_, module):
            self.assertLessEqual({"id", "distros", "frequency", "activate_by_schema_keys"}, module.meta.keys())
            self.assertFalse(hasattr(module, "schema"), "refused by name")
        self.each(judge)


if __name__ == "__main__":
    unittest.main()
