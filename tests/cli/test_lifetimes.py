# SPDX-License-Identifier: BSD-2-Clause
"""What is left of pairs: of namespaces that are gone, of pins that somebody removed, of versions."""
import fcntl
import json
import mmap
import os
import struct
import subprocess
import tempfile
import unittest

from bed import CLONE_NEWNET, HITLESS, NetCase, libc, must, netns_cookie, sh, wait_until
from machine import machine, unchanged
from test_versions import OURS, VERSION, obj_get

SECOND_MAC = "02:00:00:00:00:02"
F_OFD_SETLK = 37  # as fcntl.h has it


class Lifetimes(NetCase):
    def namespace(self, name):
        """Another one with two NICs, as the test's own. Returns its name."""
        name = f"{self.netns}-{name}"
        sh(f"ip netns add {name}")
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
        sh(f"ip -n {name} link add sby address {SECOND_MAC} type veth peer name sby_far && "
           f"ip -n {name} link add pri address {SECOND_MAC} type veth peer name pri_far && "
           f"for i in lo sby sby_far pri pri_far; do ip -n {name} link set $i up; done")
        return name

    def second_pair(self):
        sh(f"ip link add sby2 address {SECOND_MAC} type veth peer name sby2_far && "
           f"ip link add pri2 address {SECOND_MAC} type veth peer name pri2_far && "
           "for i in sby2 sby2_far pri2 pri2_far; do ip link set $i up; done")
        return ["attach", "sby2", "--primary", "pri2"]

    def remains(self):
        """Others on this machine may leave theirs."""
        found = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
        return next((f["detail"] for f in found if f["what"] == "remains"), "")

    def test_of_a_namespace_that_was_deleted(self):
        for model in ("two", "three", "hidden", "one"):
            with self.subTest(model):
                dead = self.namespace("dead")
                self.expect(0, "-n", dead, "attach", "sby", "--primary", "pri", "--model", model)
                (pair,) = self.pins()
                private = f"/run/netns/hitless-{pair}"
                self.assertEqual(os.path.exists(private), model != "two")
                self.assertNotIn(pair, self.remains())
                sh(f"ip netns del {dead}") # the kernel takes it apart in its own time
                wait_until(lambda: pair in self.remains(), "the namespace is gone")
                self.attach()
                self.assertNotIn(pair, self.pins())
                self.assertFalse(os.path.exists(private))
                self.assertNotIn(pair, self.remains())
                self.expect(0, "detach", "sby")

    def test_a_namespace_without_a_name_lives(self):
        """Held by a descriptor alone, where no search for processes finds it."""
        living = self.namespace("living")
        self.expect(0, "-n", living, "attach", "sby", "--primary", "pri", "--model", "hidden")
        pairs = self.pins()
        private = f"/run/netns/hitless-{pairs[0]}"
        with open(f"/run/netns/{living}") as held:
            sh(f"ip netns del {living}")
            self.assertNotIn(pairs[0], self.remains())
            self.attach()
            self.expect(0, "detach", "sby")
            self.assertEqual(self.pins(), pairs)
            self.assertTrue(os.path.exists(private))
            home = os.open("/proc/self/ns/net", os.O_RDONLY)
            must(libc.setns(held.fileno(), CLONE_NEWNET))
            try:
                self.assertTrue(self.status()[0]["healthy"])
                self.expect(0, "detach", "--all")
            finally:
                must(libc.setns(home, CLONE_NEWNET))
                os.close(home)

    def test_a_crashed_stage_of_another_namespace_is_kept_for_it(self):
        other = self.namespace("other")
        settings = ["ip", "-n", other, "-d", "link", "show", "pri"]
        before = subprocess.check_output(settings, text=True)
        self.expect(0, "-n", other, "attach", "sby", "--primary", "pri")
        (pair,) = self.pins()
        os.rename(f"{self.state}/bpf/{pair}", f"{self.state}/bpf/stage")
        self.attach()
        self.expect(0, "detach", "sby")
        self.assertNotEqual(subprocess.check_output(settings, text=True), before, "still the pair's")
        self.expect(0, "-n", other, "detach", "--all")
        self.assertEqual(subprocess.check_output(settings, text=True), before)
        self.assertEqual(self.pins(), [])

    def test_lost_pins_are_their_own_pairs_trouble(self):
        before = machine()
        self.attach()
        (first,) = self.pins()
        for pin in ("twins", "knobs"):
            os.unlink(f"{self.state}/bpf/{first}/{pin}")
        self.expect(0, *self.second_pair())
        self.assertIn(first, self.pins(), "nobody asked for that")
        done = self.hitless("status", "-j")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual([pair["name"] for pair in json.loads(done.stdout)["pairs"]], ["sby2"])
        self.assertIn("the pair is incomplete", done.stderr)
        self.expect(1, "attach", "sby2", "--primary", "pri", says="already")
        self.expect(0, "detach", "sby2")
        sh("ip link del sby2 && ip link del pri2")
        self.expect(0, "detach", "sby")
        unchanged(self, before)

    def lose_pins(self):
        """As `rm -r` does in the state directory; bpffs has no other way to lose them."""
        (pair,) = self.pins()
        sh(f"rm -r {self.state}/bpf/{pair}")

    RULE = "auto_pair = false\n[[pair]]\nstandby = \"sby\"\nprimary = \"mac\"\nmodel = \"{}\"\n"

    def test_all_pins_are_removed(self):
        """The primary keeps what the pair gave it, and no record says so: it answers nobody when it is used alone."""
        before = machine()
        for end in (["detach", "--all"], ["detach", "sby"], ["attach", "sby", "--primary", "pri"]):
            with self.subTest(end):
                self.attach()
                self.assertIn("ALLMULTI", sh("ip link show pri"))
                self.lose_pins()
                wait_until(lambda: self.hitless("status").returncode == 1, "the programs have gone")
                says = ["the pair of sby", "its record is gone", "pri answers no ARP", "`hitless detach --all`"]
                for look in (["status"], ["status", "-j"], ["status", "sby"], ["explain"]):
                    done = self.hitless(*look)
                    self.assertEqual(done.returncode, 1, look)
                    for text in says:
                        self.assertIn(text, done.stderr, look)
                found = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
                (finding,) = (f for f in found if f["what"] == "pair sby")
                self.assertIn("pri answers no ARP", finding["detail"])
                self.assertIn("hitless detach --all", finding["remedy"])
                done = self.expect(0, *end)
                self.assertIn("the record of the pair of sby was gone: pri answers ARP", done.stderr)
                if end[0] == "attach":
                    self.assertTrue(self.status()[0]["healthy"])
                    self.expect(0, "detach", "sby")
                unchanged(self, before)
                self.expect(3, "status")

    @staticmethod
    def own_settings():
        """Of both NICs: what a pair changes."""
        nics = json.loads(sh("ip -d -j link"))
        out = [(n["ifname"], n["mtu"], n["txqlen"], n["inet6_addr_gen_mode"], "ALLMULTI" in n["flags"], "PROMISC" in n["flags"])
               for n in nics if n["ifname"] in ("sby", "pri")]
        return sorted(out), sh("sysctl net.ipv4.conf.sby.arp_ignore net.ipv4.conf.pri.arp_ignore")

    def test_all_pins_are_removed_under_a_controller(self):
        """It knows what they had saved; a rule has it make the pair again, and what it saves then is the NICs' own."""
        sh("ip link set pri mtu 1400 txqueuelen 77 && sysctl -qw net.ipv4.conf.pri.arp_ignore=1")
        before = self.own_settings()
        for model in ("two", "three", "hidden", "one"):
            for rule in (False, True):
                with self.subTest(model=model, rule=rule):
                    self.attach("--model", model)
                    config = f"{self.state}/hitless.toml"
                    with open(config, "w", encoding="utf-8") as file:
                        file.write(self.RULE.format(model) if rule else "auto_pair = false\n")
                    controller = self.controller("--config", config)
                    self.lose_pins()
                    wait_until(lambda: "sby: somebody has removed the pair's pins" in self.said(controller), "it is noticed")
                    self.assertIn("given back", self.said(controller))
                    if rule:
                        wait_until(lambda: "sby: paired with pri" in self.said(controller), "it is made again")
                        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is well")
                    self.end(controller)
                    self.assertEqual(self.hitless("detach", "--all").stdout, f"detached: {int(rule)}\n")
                    self.assertEqual(self.own_settings(), before)

    def test_settings_of_a_living_pair_are_its_own(self):
        """Seen from another state directory, which has no record of it."""
        self.attach()
        with tempfile.TemporaryDirectory() as other:
            seen = subprocess.run([HITLESS, "status"], env={**self.env, "HITLESS_STATE_DIR": other},
                                  capture_output=True, text=True)
            self.assertEqual(seen.returncode, 3, seen.stderr)
        sh("ip link set sby allmulticast on && sysctl -qw net.ipv4.conf.sby.arp_ignore=8")
        self.assertTrue(self.status()[0]["healthy"], "somebody has set that")

    def set_version(self, pair, version):
        fd = obj_get(f"{self.state}/bpf/{pair}/pair")
        with mmap.mmap(fd, 4096) as state:
            struct.pack_into("=I", state, VERSION, version)
        os.close(fd)

    def test_the_version_is_looked_at_first(self):
        self.attach()
        (pair,) = self.pins()
        self.set_version(pair, OURS - 1)
        os.unlink(f"{self.state}/bpf/{pair}/twins")
        for line in (["status"], ["switch", "sby", "standby"], ["attach", "sby", "--primary", "pri"]):
            self.expect(1, *line, says=f"ABI {OURS - 1}, this is {OURS}")
        self.expect(0, *self.second_pair())
        self.assertIn(pair, self.pins())
        self.expect(0, "detach", "sby2")

    def test_detach_loses_nothing_of_another_versions_namespace(self):
        for model in ("three", "hidden", "one"):
            with self.subTest(model):
                sh("ip addr replace 192.0.2.2/24 dev sby")
                self.attach("--model", model)
                (pair,) = self.pins()
                self.set_version(pair, OURS - 2)
                before = sh("ip -br addr")
                self.expect(1, "detach", pair, says=["another version", "detach it with that version"])
                self.expect(1, "detach", "--all", says="another version")
                self.assertEqual(self.pins(), [pair])
                self.assertEqual(sh("ip -br addr"), before)
                self.set_version(pair, OURS)
                self.expect(0, "detach", pair)
                self.assertIn("192.0.2.2/24", sh("ip -br addr show dev sby"))

    def test_a_pair_that_is_made_again_is_not_called_incomplete(self):
        """A look that comes between finds its directory renamed away; the way out of an incomplete pair is a detach."""
        self.attach()
        looks = [["status"], ["switch", "sby", "auto"], ["explain"], ["doctor"]]
        running = {}  # four at a time while the pair comes and goes
        said = []
        for round_ in range(60):
            for look in looks:
                name = " ".join(look)
                if name not in running:
                    running[name] = subprocess.Popen([HITLESS, *look], env=self.env, stdout=subprocess.PIPE,
                                                     stderr=subprocess.STDOUT, text=True)
            self.expect(0, *(["detach", "sby"] if round_ % 2 == 0 else
                             ["attach", "sby", "--primary", "mac", "--proof-timeout", "0"]))
            for name, process in list(running.items()):
                if process.poll() is not None:
                    said.append(running.pop(name).communicate()[0])
        said += [process.communicate()[0] for process in running.values()]
        self.assertGreater(len(said), 60, "they looked")
        for text in said:
            self.assertNotIn("incomplete", text)

    def test_under_ip_netns_exec(self):
        """Whose mounts end with its command."""
        # The last command of a shell may be run in its place: so there are two.
        for command in (f"{HITLESS} attach sby --primary pri", f"{HITLESS} attach sby --primary pri; true"):
            with self.subTest(command):
                done = subprocess.run(["ip", "netns", "exec", self.netns, "sh", "-c", command],
                                      env=self.env, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(len(self.pins()), 1)
                self.assertTrue(self.status()[0]["healthy"])
                done = subprocess.run(["ip", "netns", "exec", self.netns, HITLESS, "detach", "sby"],
                                      env=self.env, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.pins(), [])

    def test_a_second_pair_beside_one_whose_pins_are_out_of_sight(self):
        self.attach()
        process = self.controller()
        sh(f"umount -l {self.state}/bpf")
        self.expect(1, "attach", "sby", "--primary", "pri",
                    says=["attach sby: programs of hitless run on it",
                          f"the controller holds it: `kill {process.pid}`, and it is gone"])
        self.end(process)
        self.expect(0, "attach", "sby", "--primary", "pri")
        self.expect(0, "status")


class AsAControllerStarts(NetCase):
    """The state is mounted by it and unmounted by a detach that finds it empty, before it is watched."""

    def held_back(self):
        """Its lock, as one that ends has it: a controller that starts waits for a second, between its two steps."""
        lock = os.open(f"{self.state}/controller-{netns_cookie()}", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.fcntl(lock, F_OFD_SETLK, struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return lock

    def started(self):
        """None when the machine was too slow for its patience."""
        lock = self.held_back()
        try:
            log = tempfile.TemporaryFile("w+")
            self.addCleanup(log.close)
            process = subprocess.Popen([HITLESS, "run"], env=self.env, stdout=log, stderr=log)
            process.log = log
            self.addCleanup(self.end, process)
            wait_until(lambda: os.path.ismount(f"{self.state}/bpf"), "it has mounted the state")
            self.hitless("detach", "--all")
        finally:
            os.close(lock)
        wait_until(lambda: process.poll() is not None or self.owner() == process.pid, "it has its lock, or is tired")
        return process if process.poll() is None else None

    def test_a_pair_made_then_is_in_its_care(self):
        process = next(filter(None, (self.started() for _ in range(20))))
        self.attach()
        # No event of a link that follows, which would have it look at everything.
        wait_until(lambda: "sby: managed" in self.said(process), "the controller keeps the pair")


if __name__ == "__main__":
    unittest.main()
