# SPDX-License-Identifier: BSD-2-Clause
"""Every command that is ever printed as a way out is run: what it shall mend is provoked, the command is taken from
what was printed, run as it stands, and what it was printed for is gone.

The commands are found in the sources (printed_commands.py). One that has no place in the tables there fails
`test_every_command_has_a_test`; one that stands in MENDED and was not run fails `test_zz_all_were_run`."""
import fcntl
import glob
import json
import mmap
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from bed import HITLESS, MAC, NetCase, netns_cookie, oldest_ancestor, sh, wait_until
from printed_commands import (COMMAND, ELSEWHERE, IN_THE_WAY, MENDED, PRINTED, PROGRAMS, ROOT, SHOWN, WELL, WORDS,
                              command_of, offers, pattern_of)
from test_versions import MAGIC, OURS, VERSION, obj_get

sys.path.append(f"{ROOT}/scripts")
from small_programs import TCX_DROP, Attached, longer_than  # noqa: E402  (found by the line above)

# A client of DHCP as the kernel sees it: a packet socket bound to a device.
LISTENER = """
import socket, sys, time
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
listener.bind((sys.argv[1], 3))
print(flush=True)
time.sleep(60)
"""


FOREIGN = """
import fcntl, os, struct, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(lock, 37, struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK
os.write(lock, b"%d\\nabi-1\\n" % os.getpid())
print(flush=True)
time.sleep(60)
"""


class Sender:
    """Short and long frames in turn, to nobody, until it is left."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((device, 0))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)

    def send(self):
        ethernet = bytes.fromhex("0200000000ff" + MAC.replace(":", "") + "0800")
        while not self.ended.wait(0.001):
            for size in (100, 600):
                self.socket.send(ethernet + struct.pack("!BBH", 0x45, 0, size).ljust(size, b"\0"))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.socket.close()


class Remedies(NetCase):
    run_so_far = set()

    def setUp(self):
        super().setUp()
        os.mkdir(f"{self.state}/bin")
        os.symlink(os.path.abspath(HITLESS), f"{self.state}/bin/hitless")
        self.env["PATH"] = f"{self.state}/bin:{os.environ['PATH']}"

    def doctor(self, what, *args, **options):
        """The finding, or nothing when all is well there."""
        found = json.loads(self.hitless("doctor", "-j", *args, **options).stdout)["findings"]
        return next((f for f in found if f["what"] == what and f["grade"] != "ok"), None)

    def type(self, command):
        return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, env=self.env)

    # A private namespace has its name among the machine's mounts, where people are, and not among this test's.
    OUTSIDE = f"nsenter --mount=/proc/{oldest_ancestor()}/ns/mnt"

    def mend(self, literal, text, names=()):
        """Runs the command that was printed, with the names that only people know; `hitless run` goes on until the
        test ends."""
        self.run_so_far.add(literal)
        command = command_of(literal, text)
        for name, value in dict(names).items():
            command = command.replace(name, value)
        if command == "hitless run":
            self.controller()
            return
        if command.startswith("ip netns exec "):
            command = f"{self.OUTSIDE} {command}"
        done = self.type(command)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")

    def mends(self, literal, what, *args):
        """The remedy of a finding, which is gone then."""
        self.assertIn(literal, PRINTED, "these sources print no such command")
        finding = self.doctor(what, *args)
        self.assertIsNotNone(finding, self.hitless("doctor").stdout)
        self.mend(literal, finding["remedy"])
        while (other := self.doctor(what, *args)) and other["detail"] != finding["detail"]:
            finding = other  # the same of another NIC
            self.mend(literal, finding["remedy"])
        wait_until(lambda: not self.doctor(what, *args), f"{finding} is mended")

    def refused(self, *line):
        done = self.hitless(*line)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def written(self, text, name="hitless.toml"):
        with open(f"{self.state}/{name}", "w", encoding="utf-8") as out:
            out.write(text)
        return f"{self.state}/{name}"

    def compiled(self, section, verdict=None):
        program = f"{self.state}/{section}.o"
        sh(f"echo '__attribute__((section(\"{section}\"))) int p(void *c) "
           f"{{ return {verdict or (2 if section == 'xdp' else -1)}; }}' | clang-14 -target bpf -O2 -x c - -c -o {program}")
        return program

    def word_at(self, field):
        """Where a field is in a pair, by the compiler that knows."""
        program = (f'#include "{ROOT}/maps/hitless_abi.h"\n#include <stdio.h>\n'
                   f'int main(void) {{ printf("%zu", HL_OFFSETOF(struct hl_pair, {field})); }}')
        sh(f"printf '%s' '{program}' | clang-14 -x c -include stdint.h -o {self.state}/offset -")
        return int(sh(f"{self.state}/offset"))

    def refuses(self, *whats):
        """The primary is told to have refused this."""
        bits = {"tx-queue-length": 1, "promiscuous-mode": 2, "multicast": 4, "arp-silence": 8}
        fd = obj_get(f"{self.state}/bpf/{self.pins()[0]}/pair")
        with mmap.mmap(fd, 4096) as pair:
            pair[self.word_at("primary_saved.unsynced")] = sum(map(bits.get, whats))
        os.close(fd)

    # --- attach, detach, convert, run

    def test_none_is_attached(self):
        self.mend("`hitless attach {}` makes one", self.refused("status", "sby"))
        self.assertEqual(self.status(0, 2)[0]["name"], "sby")

    def test_the_primary_of_another_pair(self):
        sh(f"ip link add oth address {MAC} type veth peer name odd && ip link set oth up && ip link set odd up")
        self.expect(0, "attach", "sby", "--primary", "pri")
        self.mend("`hitless detach {}` first", self.refused("attach", "oth", "--primary", "pri"))
        self.expect(0, "attach", "oth", "--primary", "pri")

    def test_macs_that_differ(self):
        sh("ip link set pri address 02:00:00:00:00:02")
        self.mend("ip link set {} address {}", self.refused("attach", "sby", "--primary", "pri"))
        self.expect(0, "attach", "sby", "--primary", "pri")

    def test_a_nic_that_has_a_master(self):
        sh("ip link add br0 type bridge")
        for nic in ("pri", "sby"):
            sh(f"ip link set {nic} master br0")
            self.mend("ip link set {} nomaster", self.refused("attach", "sby", "--primary", "pri"))
        self.expect(0, "attach", "sby", "--primary", "pri")

    def test_a_pair_by_xdp_has_one_model(self):
        sh("ethtool -K sby_far gro on && ethtool -K pri_far gro on")
        self.attach("--datapath", "xdp", "--checksums-complete")
        self.mend("`hitless detach {}`, and attach it anew", self.refused("convert", "sby", "--model", "hidden"))
        self.attach("--model", "hidden")

    def test_a_primary_that_is_needed_to_make_the_pair_again(self):
        self.expect(0, "attach", "sby", "--primary", "pri")
        sh("ip link del pri")
        said = self.refused("convert", "sby", "--model", "three", "--gap")
        self.assertEqual(self.status(2)[0]["model"], "two", "the old pair is as it was")
        self.mend("when it is back; or `hitless detach {}`", said)
        self.expect(3, "status")

    def test_neither_pair_can_be_made(self):
        """The primary is in a bridge by now, which only a new pair minds."""
        self.attach()
        sh("ip link add br0 type bridge && ip link set pri master br0")
        said = self.refused("convert", "sby", "--model", "three", "--gap")
        sh("ip link set pri nomaster")
        self.mend("when that is mended: `hitless attach {} --primary {} --model {}`", said)
        self.assertEqual(self.status()[0]["model"], "two")

    def test_a_second_controller(self):
        first = self.controller()
        self.mend("`kill {}` ends it without touching the pairs", self.refused("run"))
        self.assertEqual(first.wait(timeout=10), 0)
        self.controller()

    def test_too_few_descriptors(self):
        literal = "`ulimit -n 1024` raises the limit"
        said = (self.hitless("attach", "sby", "--primary", "mac", prefix=("prlimit", f"--nofile={few}:4096")).stderr
                for few in range(10, 80))
        self.mend(literal, next(text for text in said if "ulimit" in text))
        self.attach()

    def test_a_primary_that_comes_later(self):
        sh("ip link del pri")
        done = self.hitless("attach", "sby", "--primary", "mac")
        self.mend("{}: attached; no primary yet (`hitless run` takes it when it comes)\\n", done.stdout)
        sh(f"ip link add pri address {MAC} type veth peer name pri_far && ip link set pri_far up")
        wait_until(lambda: self.status(0, 2)[0]["primary"]["ifname"] == "pri", "it is taken")

    # --- status and doctor

    def lose_a_program(self):
        sh(f"bpftool link detach pinned {self.state}/bpf/{self.pins()[0]}/link_ingress_standby")

    def test_a_pair_made_again(self):
        """Somebody has taken a program of ours off: with what it was made for, the pair is made anew."""
        self.attach("--hold-down", "50")
        before = self.status()[0]
        self.lose_a_program()
        self.mends("hitless convert {} --model {} --gap", "pair sby")
        after = self.status()[0]
        for what in ("model", "selector", "hold_down_s", "failover"):
            self.assertEqual(before[what], after[what], what)

    def test_a_pair_of_a_failover_device_made_whole(self):
        """Which would go with the pair; a controller puts the program back."""
        self.attach("--model", "three")
        self.lose_a_program()
        self.mends("hitless run", "pair sby")

    def test_a_hidden_pair_made_whole(self):
        self.attach("--model", "hidden")
        self.lose_a_program()
        self.mends("hitless run", "pair sby")

    def test_a_pair_by_another_model_made_again(self):
        """The command, also where it is not what is printed first."""
        for model in ("three", "hidden", "one"):
            self.attach("--model", model, "--hold-down", "50")
            before = self.status()[0]
            self.lose_a_program()
            done = self.type(f"hitless convert sby --model {model} --gap")
            self.assertEqual(done.returncode, 0, done.stderr)
            after = self.status()[0]
            self.assertTrue(after["healthy"], after)
            for what in ("model", "selector", "hold_down_s", "failover"):
                self.assertEqual(before[what], after[what], what)
            self.expect(0, "detach", "sby")

    def test_a_primary_that_refused_to_follow(self):
        changes = {"ip link set {} txqueuelen {}": ("tx-queue-length", "txqueuelen 77"),
                   "ip link set {} promisc {}": ("promiscuous-mode", "promisc on"),
                   "ip link set {} allmulticast on": ("multicast", "allmulticast off")}
        self.attach()
        for literal, (what, change) in changes.items():
            with self.subTest(what):
                sh(f"ip link set pri {change}")
                self.refuses(what)
                self.assertIn(what, self.status(2)[0]["problems"][0])
                self.mends(literal, "pair sby")
        sh("sysctl -qw net.ipv4.conf.pri.arp_ignore=0")
        self.refuses("arp-silence")
        self.mends("sysctl -w net/ipv4/conf/{}/arp_ignore={}", "pair sby")

    def test_a_primary_in_a_private_namespace(self):
        self.attach("--model", "hidden")
        prefix = f"hitless-{netns_cookie()}-"
        netns = next(name for name in os.listdir("/run/netns") if name.startswith(prefix))
        sh(f"{self.OUTSIDE} ip -n {netns} link set pri allmulticast off")
        self.refuses("multicast")
        finding = self.doctor("pair sby")
        self.run_so_far.add("ip netns exec {} {}")
        done = self.type(f"{self.OUTSIDE} {finding['remedy']}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsNone(self.doctor("pair sby"))

    def test_a_standby_that_is_gone(self):
        self.attach()
        sh("ip link del sby")
        pair = self.status(2)[0]["name"]
        self.mends("hitless detach {}", f"pair {pair}")

    def test_a_primary_that_was_away(self):
        self.attach()
        sh(f"ip netns add {self.netns}x && ip link set pri netns {self.netns}x && "
           f"ip -n {self.netns}x link set pri netns {self.netns} && ip netns del {self.netns}x && ip link set pri up")
        self.mend("hitless run", self.status(2)[0]["problems"][0])
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is taken back")

    def test_a_primary_that_is_down(self):
        self.attach()
        sh("ip link set pri_far down")
        problem = self.status(2)[0]["problems"][0]
        sh("ip link set pri_far up")
        self.mend("hitless run", problem)
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is used again")

    def test_pairs_without_a_controller(self):
        self.attach()
        self.mends("hitless run", "controller")

    def test_a_controller_that_is_stopped(self):
        self.attach()
        self.controller().send_signal(signal.SIGSTOP)
        self.mends("kill -CONT {}", "controller")

    def test_a_controller_without_descriptors(self):
        pid = self.controller().pid
        # The last that it opens; until then it would end for want of a descriptor.
        wait_until(lambda: os.path.exists(f"{self.state}/control"), "it is started")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 1, 4096))
        self.mends("prlimit --pid {} --nofile={}:{}", "descriptors")

    def test_few_descriptors_for_a_controller(self):
        finding = self.doctor("descriptors", prefix=("prlimit", "--nofile=100"))
        self.run_so_far.add("ulimit -n 1024")
        done = self.type(f"ulimit -S -n 100; {finding['remedy']} && hitless doctor")
        self.assertNotIn("descriptors", done.stdout)

    def test_a_read_only_state(self):
        sh(f"mount -t tmpfs tmpfs {self.state} && mount -o remount,ro {self.state}")
        self.addCleanup(sh, f"umount -R {self.state}")
        self.env["PATH"] = os.environ["PATH"]
        self.mends("mount -o remount,rw $(findmnt -no TARGET -T {})", "state")

    def test_a_configuration_with_a_mistake(self):
        file = self.written("stand_by = 1\n")
        literal = "mend it, then: hitless run --check{}{}"
        said = self.doctor("configuration", "--config", file)["remedy"]
        self.written("")
        self.run_so_far.add(literal)
        done = self.type(said.split(": ", 1)[1])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_primary_with_addresses(self):
        sh("ip addr add 192.0.2.2/24 dev pri")
        self.mend("ip addr flush dev {}", self.refused("attach", "sby", "--primary", "mac"))
        self.attach()
        sh("ip addr add 192.0.2.2/24 dev pri")
        self.mends("ip addr flush dev {}", "pair sby")

    def test_a_primary_with_routes_and_what_stands_on_it(self):
        self.attach()
        for change, literal in (("ip route add 203.0.113.0/24 dev pri", "ip {} route del {}{}"),
                                ("ip link add mv0 link pri type macvlan", "ip link del {}"),
                                ("ip link set pri addrgenmode eui64", "ip link set {} addrgenmode none")):
            sh(change)
            self.mends(literal, "pair sby")

    def test_an_end_that_is_down(self):
        self.attach("--model", "three", "--failover", "fo0")
        outside = f"nsenter --mount=/proc/{oldest_ancestor()}/ns/mnt"
        prefix = f"hitless-{netns_cookie()}-"
        netns = next(name for name in os.listdir("/run/netns") if name.startswith(prefix))
        sh(f"{outside} ip -n {netns} link set hl-inner down")
        finding = self.doctor("pair sby")
        self.assertIn("its other end is down", finding["detail"])
        self.assertIn("ip link set hl-inner up", finding["remedy"])
        self.run_so_far.add("ip link set {} up")
        done = self.type(f"{outside} {finding['remedy']}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsNone(self.doctor("pair sby"))

    def test_a_standby_that_is_down(self):
        self.attach()
        sh("ip link set sby down")
        self.mends("ip link set {} up", "pair sby")

    def test_a_standby_that_was_chosen_and_is_dead(self):
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        sh("ip link set sby_far down")
        finding = self.doctor("pair sby")
        self.assertIn("no path", finding["detail"])
        self.mend("hitless switch {} auto", finding["remedy"])
        wait_until(lambda: self.status(2)[0]["active"] == "primary", "the primary is used")
        self.assertNotIn("no path", self.doctor("pair sby")["detail"])

    def test_a_macvlan_of_which_the_primary_knows_nothing(self):
        self.attach()
        sh("ip link add mv link sby up type macvlan")
        self.mends("ip link set {} promisc {}", "pair sby")

    def test_a_foreign_xdp_program_that_sees_nothing(self):
        self.attach("--model", "three")
        sh(f"mount -t bpf bpf /sys/fs/bpf && ip link set fo-sby xdpdrv obj {self.compiled('xdp')} sec xdp")
        self.addCleanup(sh, "umount /sys/fs/bpf")
        self.mends("bpftool prog pin id {0} /sys/fs/bpf/xdp-{0} && ip link set {1} xdpdrv off && "
                   "ip link set {1} xdpgeneric pinned /sys/fs/bpf/xdp-{0}", "pair sby")

    def test_a_foreign_xdp_program_on_one_nic(self):
        """The other gets it, and none loses it."""
        self.attach()
        sh(f"ip link set pri xdpgeneric obj {self.compiled('xdp')} sec xdp")
        there = self.xdp_of("pri")
        words = "filters what comes in by pri"
        self.mend("{}bpftool net attach {} id {} dev {}", self.doctor_says(words)["remedy"])
        self.assertIsNone(self.doctor_says(words))
        self.assertTrue(there)
        self.assertEqual([self.xdp_of("sby"), self.xdp_of("pri")], [there, there])

    def xdp_of(self, device):
        return json.loads(sh(f"ip -j link show {device}"))[0].get("xdp", {}).get("prog", {}).get("id")

    def test_programs_that_drop_what_leaves_by_the_primary(self):
        """What they are is shown; whether they shall is for their owner to say."""
        self.attach()
        ends = "egress: frames of the guest end there"
        with Sender("sby"):
            self.assertIsNone(self.doctor_says(ends), "nobody drops any yet")
            with Attached("pri", "tcx_egress", longer_than(200, TCX_DROP)):
                told = wait_until(lambda: self.doctor_says(ends), "the program is named")
                self.show("bpftool prog show id {}", told["remedy"], "somebody_elses")
            long_ones_end = "*(unsigned *)c > 200 ? 2 : -1"
            sh("tc qdisc add dev pri clsact && "
               f"tc filter add dev pri egress bpf da obj {self.compiled('tc', long_ones_end)} sec tc")
            told = wait_until(lambda: self.doctor_says(ends), "the filter is named")
            self.show("{}tc filter show dev {} egress", told["remedy"], "tc.o:[tc]")
            sh("tc qdisc del dev pri clsact")
            wait_until(lambda: not self.doctor_says(ends), "nobody drops any more")

    def test_a_qdisc_that_lets_nothing_out_by_the_primary(self):
        self.attach()
        ends = "qdisc tbf on pri, egress: frames of the guest end there"
        sh("tc qdisc add dev pri root tbf rate 8mbit burst 10k latency 50ms")
        self.assertIsNone(self.doctor_says(ends), "this one lets frames out")
        sh("tc qdisc replace dev pri root tbf rate 8kbit burst 30 limit 2000")  # less than any frame
        self.show("{}tc -s qdisc show dev {}", self.doctor_says(ends)["remedy"], "qdisc tbf")

    def doctor_says(self, words):
        found = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
        return next((f for f in found if words in f["detail"]), None)

    def show(self, literal, text, what):
        done = self.type(command_of(literal, text))
        self.assertIn(what, done.stdout, done.stderr)

    def test_a_qdisc_that_does_nothing_to_what_leaves_by_the_primary(self):
        self.attach()
        sh("tc qdisc add dev sby root tbf rate 8mbit burst 10k latency 50ms")
        self.mends(", or `hitless convert {} --model {} --gap{}`", "pair sby")

    def test_filters_that_a_move_would_lose(self):
        self.filtered("sby")
        said = self.refused("attach", "sby", "--primary", "mac", "--model", "hidden")
        self.mend("`tc qdisc del dev {} {}`, and make them on the device that takes its place; or use the model two", said)
        self.attach("--model", "hidden")

    def test_filters_beside_the_device_that_is_used(self):
        self.attach("--model", "three")
        self.filtered("sby", "ingress")
        self.mends("make them on {}, then `tc qdisc del dev {} {}`", "pair sby")

    def test_what_ends_with_the_failover_device(self):
        self.attach("--model", "hidden")
        sh("ip link add mv0 link fo-sby type macvlan && ip link add br9 type bridge")
        convert = ("convert", "sby", "--model", "two", "--gap")
        self.mend("`ip link del {}`, convert, and make it again on the device that takes its place",
                  self.refused(*convert))
        sh("ip link set fo-sby master br9")
        self.mend("`ip link set {} nomaster`, convert, and make the device that takes its place a port",
                  self.refused(*convert))
        self.expect(0, *convert)
        self.expect(0, "convert", "sby", "--model", "hidden", "--gap")
        sh("ip link set fo-sby master br9")
        self.mend("{} had the port {}: `ip link set {} master {}`", self.expect(0, "detach", "sby").stderr)
        self.assertIn("master br9", sh("ip link show sby"))

    def filtered(self, device, side="egress"):
        sh(f"tc qdisc add dev {device} clsact && "
           f"tc filter add dev {device} {side} bpf da obj {self.compiled('tc')} sec tc")

    def test_a_failover_device_without_gro(self):
        sh("ethtool -K sby_far gro on && ethtool -K pri_far gro on")
        self.attach("--datapath", "xdp", "--checksums-complete")
        sh("ethtool -K fo-sby gro off")
        self.mends("ethtool -K {} gro on", "pair sby")

    def test_nics_that_carry_shorter_frames(self):
        self.attach("--model", "three")
        sh("ip link set fo-sby mtu 9000")
        self.mends("ip link set {} mtu {}", "pair sby")

    def test_a_pair_without_its_record(self):
        sh("ip addr add 192.0.2.2/24 dev sby")
        for model in ("three", "hidden", "one"):
            self.attach("--model", model)
            sh(f"rm -r {self.state}/bpf/{self.pins()[0]}")
            self.mend("`hitless detach --all` ends it, and gives back what is there", self.refused("status"))
            self.expect(3, "status")
            self.assertIn("192.0.2.2/24", sh("ip addr show dev sby"))

    def test_a_filter_without_its_record(self):
        """Its pins are gone one by one, or with the file system that they were in. A pair beside it stays."""
        sh(f"ip link add oth address 02:00:00:00:00:0a type veth peer name oth_far && "
           f"ip link add odd address 02:00:00:00:00:0a type veth peer name odd_far && "
           "for i in oth oth_far odd odd_far; do ip link set $i up; done")
        for lose, living in ((f"rm -r {self.state}/bpf/", True), (f"umount -l {self.state}/bpf #", False)):
            self.filtered("sby")
            self.attach()
            (name,) = self.pins()
            if living:
                self.expect(0, "attach", "oth", "--primary", "mac")
            sh(lose + name)
            self.mends("hitless detach {}", "sby")
            filters = sh("tc filter show dev sby egress; tc filter show dev sby ingress")
            self.assertNotIn("hl_", filters)
            self.assertIn("pref", filters, "somebody else's is there still")
            if living:
                self.assertTrue(self.status()[0]["healthy"])
                self.expect(0, "detach", "oth")
            sh("tc qdisc del dev sby clsact")

    def test_another_version(self):
        """Strange, or of the version before and with a part missing: nobody else knows more of it."""
        for spoil in (lambda: self.set_word(MAGIC, 0x12345678), self.spoil_an_older_one):
            self.attach()
            spoil()
            (what,) = (f["what"] for f in json.loads(self.hitless("doctor", "-j").stdout)["findings"]
                       if "another version" in f["detail"])
            self.mends("it stays in force; `hitless detach {}` removes it, then attach again", what)
            self.expect(3, "status")

    def spoil_an_older_one(self):
        self.set_word(VERSION, OURS - 1)
        os.unlink(f"{self.state}/bpf/{self.pins()[0]}/bell")

    def set_word(self, at, value):
        fd = obj_get(f"{self.state}/bpf/{self.pins()[0]}/pair")
        with mmap.mmap(fd, 4096) as pair:
            struct.pack_into("=I", pair, at, value)
        os.close(fd)

    def older(self):
        self.attach()
        self.set_word(VERSION, OURS - 1)

    def refuses_to_upgrade(self, *prefix):
        done = self.hitless("upgrade", prefix=prefix)
        return done.stderr if "it stays in force as the older version made it" in done.stderr else ""

    def taken_over(self):
        self.assertTrue(self.status()[0]["healthy"])

    def test_an_upgrade_without_descriptors(self):
        self.older()
        said = (self.refuses_to_upgrade("prlimit", f"--nofile={few}:1024") for few in range(8, 80))
        self.mend("`ulimit -n 1024 && hitless upgrade`", next(filter(None, said)))
        self.taken_over()

    def test_an_upgrade_without_rights(self):
        self.older()
        said = self.refuses_to_upgrade("setpriv", "--bounding-set=-perfmon,-sys_admin,-bpf",
                                       "--inh-caps=-perfmon,-sys_admin,-bpf")
        self.mend("as root: `hitless upgrade`", said)
        self.taken_over()

    def test_an_upgrade_of_an_incomplete_pair(self):
        self.older()
        literal = "when that is mended: `hitless upgrade`; or `hitless detach {}`, and attach it anew"
        pins = f"{self.state}/bpf/{self.pins()[0]}"
        os.rename(f"{pins}/bell", f"{self.state}/bpf/kept")
        said = self.refuses_to_upgrade()
        os.rename(f"{self.state}/bpf/kept", f"{pins}/bell")
        self.mend(literal, said)
        self.taken_over()
        self.set_word(VERSION, OURS - 1)
        os.unlink(f"{pins}/bell")
        done = self.type(re.search("or `([^`]+)`", self.refuses_to_upgrade())[1])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.attach()
        self.taken_over()

    def test_an_incomplete_pair(self):
        self.attach()
        os.unlink(f"{self.state}/bpf/{self.pins()[0]}/bell")
        self.mend("the pair is incomplete: `hitless detach {}` removes it", self.refused("status"))
        self.expect(3, "status")

    def test_a_file_that_names_nics_by_their_mac(self):
        self.attach()
        os.makedirs("/run/systemd/network", exist_ok=True)
        sh("mount -t tmpfs tmpfs /run/systemd/network")
        self.addCleanup(sh, "umount /run/systemd/network")
        for match in (f"MACAddress={MAC}", f"PermanentMACAddress={MAC.upper()}", f"  MACAddress=02:00:00:00:00:09 {MAC}"):
            with self.subTest(match), open("/run/systemd/network/10-wan.link", "w") as file:
                file.write(f"[Match]\n{match}\n[Link]\nName=wan0\n")
            self.mends("sed -i '/^\\\\[Match\\\\]/a {}' {}", "names")

    # --- addresses that travel

    def test_an_address_that_a_client_renews(self):
        """A client that listens on the standby, as dhclient does, is in the way until it is ended."""
        sh("ip addr add 192.0.2.2/24 dev sby valid_lft 3600 preferred_lft 3600")
        client = subprocess.Popen(["python3", "-c", LISTENER, "sby"], stdout=subprocess.PIPE)
        self.addCleanup(client.stdout.close)
        self.addCleanup(self.end, client)
        client.stdout.readline()
        for model in ("three", "hidden", "one"):
            said = self.refused("attach", "sby", "--primary", "mac", "--model", model)
            self.assertIn(f"(process {client.pid}) listens on it, and would not renew 192.0.2.2/24", said)
            self.assertEqual(self.pins(), [])
        self.mend("`kill {}`", said)
        client.wait(timeout=10)
        done = self.expect(0, "attach", "sby", "--primary", "mac", "--model", "one")
        self.assertRegex(done.stderr, r"192.0.2.2/24 ends in \d+ s unless somebody renews it on sby")

    def test_an_address_that_nobody_renews(self):
        """Degraded when three quarters of its time are over, and after its end; until somebody gives one."""
        bin = f"{self.state}/bin/dhclient"
        with open(bin, "w") as file:
            file.write("#!/bin/sh\nexec ip addr replace 192.0.2.2/24 dev $1 valid_lft 3600 preferred_lft 3600\n")
        os.chmod(bin, 0o755)
        for life in (4, 1):
            sh(f"ip addr add 192.0.2.2/24 dev sby valid_lft {life} preferred_lft {life}")
            self.attach("--model", "three")
            self.assertEqual(self.status(0, 2)[0]["failover"], "fo-sby")
            says = "nobody renews it" if life == 4 else "nobody renewed it"
            wait_until(lambda: any(says in problem for problem in self.status(0, 2)[0]["problems"]), says)
            self.mends("dhclient {}", "pair sby")
            self.assertTrue(self.status()[0]["healthy"])
            self.expect(0, "detach", "sby")
            sh("ip addr flush dev sby")

    # --- by XDP

    def test_frames_that_the_other_end_leaves_unfinished(self):
        said = self.refused("attach", "sby", "--primary", "mac", "--datapath", "xdp")
        literal = "`ethtool -K OTHER-END tx off txvlan off`, then attach with --checksums-complete"
        for end in ("sby_far", "pri_far"):
            self.mend(literal, said, {"OTHER-END": end})
        said = self.refused("attach", "sby", "--primary", "mac", "--datapath", "xdp", "--checksums-complete")
        for end in ("sby_far", "pri_far"):
            self.mend("ethtool -K OTHER-END gro on", said, {"OTHER-END": end})
        self.attach("--datapath", "xdp", "--checksums-complete")

    def test_an_xdp_program_that_is_in_the_way(self):
        """The way out leaves it in force: it may be somebody's filter."""
        sh("ethtool -K sby_far gro on && ethtool -K pri_far gro on && "
           f"ip link set pri xdpdrv obj {self.compiled('xdp')} sec xdp")
        said = self.refused("attach", "sby", "--primary", "mac", "--datapath", "xdp", "--checksums-complete")
        self.run_so_far.add(IN_THE_WAY)
        self.assertRegex(said, pattern_of(IN_THE_WAY))
        there = self.xdp_of("pri")
        option = re.search("`(--datapath tc)`", said).group(1)
        done = self.type(f"hitless attach sby --primary mac {option}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.status(2)[0]["active"], "primary", "and says that the standby has no such program")
        self.assertEqual(self.xdp_of("pri"), there)
        self.assertTrue(there)

    def test_no_way_out_switches_off_what_others_have(self):
        """But where what runs there can be read by nobody any more: that is said, and is all there is."""
        found = [literal for literal in PRINTED if re.search(r"xdp\w* off", literal)]
        self.assertEqual([literal for literal in found if "where they are lost" not in literal],
                         [literal for literal in found if "xdpgeneric pinned" in literal],
                         "a filter is moved at most, and never taken away")

    # --- explain

    def explained(self):
        return self.expect(0, "explain", "sby").stdout

    def test_explain_an_operators_choice(self):
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        self.mend("`hitless switch {} {}`", self.explained())
        self.assertEqual(self.status()[0]["active"], "primary")

    def test_explain_what_would_change_it(self):
        self.attach()
        self.mend(WELL, self.explained())
        self.assertEqual(self.status()[0]["active"], "standby")

    def test_explain_a_primary_without_a_controller(self):
        self.attach()
        controller = self.controller()
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        self.mend("`{}ip link set {} up`, then {} takes it back", self.explained())
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is taken back")
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        self.end(controller)
        said = self.explained()
        sh("ip link set pri up")
        self.mend("a controller (`hitless run`; none runs now)", said)
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is taken back")

    def test_explain_another_mac(self):
        self.attach()
        self.controller()
        sh("ip link set pri address 02:00:00:00:00:02")
        wait_until(lambda: "mac" in self.status(2)[0]["veto"], "it is seen")
        self.mend("`{}ip link set {} address {}`", self.explained())
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is used again")

    def test_explain_nics_in_a_namespace_of_the_pairs_own(self):
        """Where a command of the guest's namespace finds none of them."""
        for model in ("hidden", "one"):
            with self.subTest(model):
                self.attach("--model", model)
                controller = self.controller()
                there = f"{self.OUTSIDE} ip -n hitless-{self.pins()[0]}"
                for change, literal in (("down", "`{}ip link set {} up`, then {} takes it back"),
                                        ("address 02:00:00:00:00:02", "`{}ip link set {} address {}`")):
                    sh(f"{there} link set pri {change}")
                    wait_until(lambda: self.status(0, 2)[0]["veto"], "it is seen")
                    self.mend(literal, self.explained())
                    wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is used again")
                self.end(controller)
                self.expect(0, "detach", "sby")

    def foreign_controller(self):
        """As a controller of another version has the namespace: by its lock, and what stands in it."""
        process = subprocess.Popen([sys.executable, "-c", FOREIGN, f"{self.state}/controller-{netns_cookie()}"],
                                   stdout=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close()))
        process.stdout.readline()
        return process

    def test_explain_a_controller_of_another_version(self):
        """It lives, and takes nothing back."""
        self.attach()
        ours = self.controller()
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        self.end(ours)
        foreign = self.foreign_controller()
        said = self.explained()
        self.assertNotIn("then the controller takes it back", said)
        self.assertNotIn("none runs now", said)
        literal = "a controller of this version (process {} is of another: `kill {}`, then `hitless run`)"
        sh("ip link set pri up")
        self.mend(literal, said)
        wait_until(lambda: foreign.poll() is not None, "it has ended")
        self.assertIn("then `hitless run`", said)
        self.controller()
        wait_until(lambda: self.status(0, 2)[0]["healthy"], "it is taken back")

    def test_attach_beside_a_controller_of_another_version(self):
        """Which proves no path of ours."""
        self.foreign_controller()
        self.attach()
        self.assertEqual(self.status(2)[0]["veto"], [])

    def test_explain_an_mtu_that_the_primary_refuses(self):
        """A tap takes 65521 at most, and veth 65535."""
        sh(f"ip link del pri && ip tuntap add pri mode tap && ip link set pri address {MAC} up")
        with open("/dev/net/tun", "r+b", buffering=0) as tap:
            fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"pri", 0x1002))
            self.attach()
            self.controller()
            sh("ip link set sby mtu 65535")
            wait_until(lambda: "mtu" in self.status(2)[0]["veto"], "it is seen")
            self.mend("`ip link set {} mtu {}`: {} refuses to carry longer frames", self.explained())
            wait_until(lambda: "mtu" not in self.status(0, 2)[0]["veto"], "it is used again")

    # --- the tables

    def test_shown(self):
        self.attach()
        for literal, line in (("`hitless status {}` shows it", ("attach", "sby")),
                              ("`hitless status` lists the pairs", ("status", "nope")),
                              ("`ip link` lists those of this network namespace", ("attach", "nope")),
                              ("`ip netns` lists those with a name", ("-n", "nope", "status"))):
            done = self.type(command_of(literal, self.refused(*line)))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.controller()
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        done = self.type(command_of("hitless explain {}", self.doctor("pair sby")["remedy"]))
        self.assertIn("ip link set pri up", done.stdout)

    def test_every_command_has_a_test(self):
        known = [*MENDED, *SHOWN, *ELSEWHERE, *WORDS, WELL]
        self.assertEqual(sorted(known), sorted(set(known)), "in one table")
        found = {literal: name for literal, name in PRINTED.items() if offers(literal)}
        self.assertEqual({k: v for k, v in found.items() if k not in known}, {},
                         "a command that is printed and never run: test it here")
        self.assertEqual([k for k in known if k not in PRINTED], [], "printed by nobody any more")
        for literal, where in ELSEWHERE.items():
            if where.endswith(".py"):
                with open(f"{ROOT}/{where}", encoding="utf-8") as file:
                    self.assertIn(literal.split(" {}")[0], file.read(), where)

    def test_zz_all_were_run(self):
        self.assertEqual((MENDED | {WELL}) - self.run_so_far, set())


if __name__ == "__main__":
    unittest.main()
