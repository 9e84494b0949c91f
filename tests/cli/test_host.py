# SPDX-License-Identifier: BSD-2-Clause
"""`hitless host`, as an administrator of a hypervisor uses it: a bridge, taps, nobody in the guests."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from bed import HITLESS, MAC, Case, NetCase, sh, wait_until
from varlink import Client

GUEST = """[[guest]]
name = "web1"
mac = "52:54:00:77:01:02"
standby = "sby_far"
primary = { port = "pri_far" }
"""

VF = GUEST.replace('{ port = "pri_far" }', '{ pf = "pri_far", vf = 3 }')

# A configuration, and what is said of it: the line and column, and words.
MISTAKES = [
    ('[[guest]\n', "1:", ""),
    ('[[guest]]\nnam = "a"\n', "2:1", "unknown key 'nam', nearest is 'name'"),
    ('[[guest]]\nmac = "52:54:00:77:01:02"\n', "1:1", "needs the key 'name'"),
    (GUEST.replace("52:54", "53:54"), "3:7", "'mac' is no MAC of a NIC"),
    (GUEST.replace('"52:54:00:77:01:02"', "7"), "3:7", "'mac' is no string"),
    (GUEST.replace('standby = "sby_far"\n', ""), "1:1", "needs the key 'standby'"),
    (GUEST.replace("sby_far", "a_name_of_17_letters"), "4:11", "no interface name"),
    (GUEST.replace("port", "prot"), "5:13", "unknown key 'prot'"),
    (GUEST.replace("pri_far", "sby_far"), "5:11", "'primary' is the standby"),
    (GUEST + 'want = "both"\n', "6:8", "'want' cannot be 'both'; use primary, standby"),
    (GUEST + 'deadline_ms = 0\n', "6:15", "'deadline_ms' is out of range"),
    (GUEST + 'delivery = "magic"\n', "6:12", "'delivery' cannot be 'magic'; use bridge, vf, exec"),
    (GUEST + 'delivery = "vf"\n', "6:12", "'delivery' cannot be 'vf' where the primary is no VF; use bridge"),
    (VF + 'delivery = "bridge"\n', "6:12", "'delivery' cannot be 'bridge' where the primary is a VF; use vf"),
    (VF.replace(", vf = 3", ""), "5:11", "'primary' is neither a port nor a VF; write { port = "),
    (VF.replace('pf = "pri_far", ', ""), "5:11", "'primary' is neither a port nor a VF"),
    (VF.replace("vf = 3", 'vf = 3, port = "x"'), "5:11", "'primary' is neither a port nor a VF"),
    (VF.replace("vf = 3", "vf = -1"), "5:34", "'vf' is no number of a VF; they are counted from 0"),
    (VF.replace("vf = 3", "vf = 65536"), "5:34", "'vf' is no number of a VF"),
    (VF.replace("vf = 3", 'vf = "3"'), "5:34", "'vf' is no whole number"),
    (VF.replace("vf = 3", "vf = 3, fv = 3"), "5:", "unknown key 'fv'"),
    (VF + VF.replace("web1", "web2").replace('02"', '03"').replace("sby_far", "tap2"), "7:8",
     "the VF '3 of pri_far' is another guest's"),
    (GUEST + 'delivery = "exec"\n', "1:1", "needs the key 'move'"),
    (GUEST + 'read = ["cat"]\n', "6:8", "'read' is of the delivery exec"),
    (GUEST + GUEST, "7:8", "the name 'web1' is another guest's, at "),
    (GUEST + GUEST.replace("web1", "web2"), "7:8", "the MAC '52:54:00:77:01:02' is another guest's"),
    (GUEST + GUEST.replace("web1", "web2").replace("02\"", "03\""), "7:8", "the port 'sby_far' is another"),
    ('guest = 7\n', "1:9", "'guest' is no list of tables"),
]

# What a bridge of Open vSwitch takes: the same word more than once.
COMMANDS = 'delivery = "exec"\nmove = ["true", "--", "set", "port", "a", "--", "set", "port", "b"]\n' \
           'read = ["echo", "standby"]\n'


class Configuration(Case):
    def test_a_mistake_is_named_with_its_place(self):
        for text, place, says in MISTAKES:
            with self.subTest(text), tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write(text)
                file.flush()
                self.expect(1, "host", "check", "--config", file.name, says=[f"read {file.name}:{place}", says])

    def test_files_of_the_folder_beside_it_are_read_in_order(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/host.toml.d")
            for name in ("host.toml.d/20-b.toml", "host.toml.d/10-a.toml", "host.toml"):
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write("" if name == "host.toml" else GUEST)
            self.expect(1, "host", "check", "--config", f"{folder}/host.toml",
                        says=[f"read {folder}/host.toml.d/20-b.toml:2:8: the name 'web1' is another guest's, "
                              f"at {folder}/host.toml.d/10-a.toml:2:8"])
            os.rename(f"{folder}/host.toml.d/20-b.toml", f"{folder}/host.toml.d/20-b.disabled")
            with open(f"{folder}/host.toml.d/10-a.toml", "a", encoding="utf-8") as file:
                file.write("want = 7\n")
            self.expect(1, "host", "check", "--config", f"{folder}/host.toml", says="10-a.toml:6:8")

    def test_a_file_that_is_not_there(self):
        self.expect(1, "host", "check", "--config", "/no/such.toml", says="read /no/such.toml: No such file")


class HostCase(NetCase):
    """The namespace of two NICs becomes a hypervisor: their far ends are ports of a bridge."""

    def setUp(self):
        super().setUp()
        sh("ip link add br0 type bridge && ip link set br0 up && ip link set sby_far master br0 && "
           "ip link set pri_far master br0")
        self.config = f"{self.state}/host.toml"
        self.write(GUEST)

    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def daemon(self, *args):
        log = tempfile.TemporaryFile("w+")
        process = subprocess.Popen([HITLESS, "host", "run", "--config", self.config, *args], env=self.env,
                                   stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(self.end, process)
        process.log = log
        wait_until(lambda: process.poll() is not None or self.hitless("host", "status").returncode != 1,
                   "the daemon answers")
        return process

    def guests(self, *codes):
        done = self.hitless("host", "status", "-j")
        self.assertIn(done.returncode, codes, done.stdout + done.stderr)
        return json.loads(done.stdout)["guests"]


class Daemon(HostCase):
    def test_says_how_guests_stand(self):
        self.expect(1, "host", "status", says="none runs in this network namespace; `systemctl start")
        self.daemon()
        [guest] = self.guests(2)
        self.assertEqual((guest["name"], guest["want"], guest["phase"], guest["downlink"], guest["guest"]),
                         ("web1", "primary", "waiting", "standby", None))
        self.expect(2, "host", "status", says=["GUEST", "web1", "on the way", "not heard"])
        self.expect(2, "host", "status", "web1", says="web1: primary wanted, on the way")
        self.expect(1, "host", "status", "web2", says="`hitless host status` lists them")

    def test_no_guests(self):
        self.write("")
        self.daemon()
        self.expect(3, "host", "status", says="no guests")

    def test_takes_from_who_does_not_answer_and_says_so(self):
        self.daemon()
        self.expect(0, "host", "events", says="none since the daemon was started")
        self.expect(2, "host", "give", "web1", says=["on the way; it waits for a word of `hitless run` in the guest",
                                                     "`hitless host give web1 --wait`"])
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        self.expect(0, "host", "status")
        self.assertIn("web1 take:", self.expect(0, "host", "events").stdout)
        event = json.loads(self.expect(0, "host", "events", "-j").stdout.splitlines()[-1])
        self.assertEqual((event["guest"], event["kind"], event["answered_s"]), ("web1", "take", None))
        self.assertIn("the guest did not answer", self.expect(0, "host", "events").stdout)
        waited = self.expect(2, "host", "give", "web1", "--wait", "--timeout", "0.1").stderr
        self.assertIn("give web1: not there after 0.1 s", waited)
        self.assertIn("waits    for a word of `hitless run`", waited)
        self.expect(1, "host", "give", "web2", says="find the guest web2")

    def test_a_take_that_is_overdue_is_not_waited_for_any_longer(self):
        # As a daemon leaves it that has waited for this guest in vain.
        sh("bridge fdb replace 52:54:00:77:01:02 dev sby_far master static sticky")
        self.daemon()
        take = self.hitless("host", "take", "web1", "--wait", "--timeout", "86400")
        self.assertEqual(take.returncode, 2, take.stdout + take.stderr)
        self.assertIn("did not leave its primary in time", take.stderr)

    def test_somebody_elses_request_is_not_ones_own(self):
        self.daemon()
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        give = subprocess.Popen([HITLESS, "host", "give", "web1", "--wait", "--timeout", "60"], env=self.env,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, give)
        wait_until(lambda: self.guests(0, 2)[0]["want"] == "primary", "it was heard")
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        self.assertIn("somebody has taken its primary since", give.communicate()[1])
        self.assertEqual(give.returncode, 2)

    def test_keeps_what_was_requested_when_it_is_killed(self):
        first = self.daemon()
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        first.kill()
        first.wait()
        self.daemon()
        self.assertEqual(self.guests(0, 2)[0]["want"], "standby")

    def test_there_is_one_of_its_kind(self):
        self.daemon()
        self.expect(75, "host", "run", "--config", self.config, says="keep the guests of this network namespace")

    def test_a_tap_that_is_not_there_yet(self):
        sh("ip link set sby_far down && ip link set sby_far name other")
        self.daemon()
        [guest] = self.guests(2)
        self.assertIn("there is no device sby_far; start the guest", guest["problems"][0])
        self.expect(1, "host", "take", "web1", says="there is no device sby_far")
        sh("ip link set other name sby_far && ip link set sby_far up")
        wait_until(lambda: not self.guests(2)[0]["problems"], "the tap is found")

    def test_a_configuration_is_read_again(self):
        daemon = self.daemon()
        self.write(GUEST + "want = 7\n")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "the last good configuration stays in force" in self.said(daemon), "it refuses")
        self.assertEqual(len(self.guests(2)), 1)
        self.write("")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in self.said(daemon), "it reads again")
        self.assertEqual(self.guests(3), [])

    def test_a_mistake_in_one_file_is_no_other_guests(self):
        folder = f"{self.config}.d"
        os.mkdir(folder)
        other = GUEST.replace("web1", "web2").replace('02"', '03"').replace("sby_far", "tap2").replace(
            "pri_far", "port2")

        def put(name, text):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)

        def named():
            done = json.loads(self.hitless("host", "status", "-j").stdout)
            return [guest["name"] for guest in done["guests"]], done["problems"]
        put("10-bad.toml", "[[guest]]\nname = 7\n")
        put("20-web2.toml", other)
        daemon = self.daemon()
        guests, problems = named()
        self.assertEqual(guests, ["web1", "web2"])
        self.assertIn(f"read {folder}/10-bad.toml:2:8: 'name' is no string", problems[0])
        self.assertIn("10-bad.toml:2:8", self.expect(2, "host", "status").stdout)
        self.assertIn("this file is left out", self.said(daemon))
        self.expect(1, "host", "check", "--config", self.config, says="10-bad.toml:2:8")

        # One that was good stays what it was.
        os.unlink(f"{folder}/10-bad.toml")
        put("20-web2.toml", other + "want = 7\n")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in self.said(daemon), "it reads again")
        guests, problems = named()
        self.assertEqual(guests, ["web1", "web2"])
        self.assertIn("20-web2.toml:6:8", problems[0])
        put("30-web2.toml", other)
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said(daemon).count("read again") == 2, "it reads again")
        self.assertEqual(named()[0], ["web1", "web2"])

    def test_a_deadline_is_of_the_guests_of_its_file(self):
        folder = f"{self.config}.d"
        os.mkdir(folder)
        with open(f"{folder}/10-slow.toml", "w", encoding="utf-8") as file:
            file.write("deadline_ms = 60000\n")
        with open(f"{folder}/20-web1.toml", "w", encoding="utf-8") as file:
            file.write(GUEST)
        self.write("deadline_ms = 100\n")
        self.daemon()
        self.expect(2, "host", "give", "web1")
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")

    def test_words_of_a_command_may_be_the_same(self):
        self.write(GUEST.replace('primary = { port = "pri_far" }\n', "") + COMMANDS)
        self.daemon()
        self.expect(0, "host", "check", "--config", self.config)

    def test_waits_across_a_restart(self):
        first = self.daemon()
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        give = subprocess.Popen([HITLESS, "host", "give", "web1", "--wait", "--timeout", "60"], env=self.env,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, give)
        wait_until(lambda: self.guests(0, 2)[0]["want"] == "primary", "it was heard")
        first.kill()
        first.wait()
        self.daemon()
        self.assertEqual(self.guests(2)[0]["want"], "primary")
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        self.assertIn("somebody has taken its primary since", give.communicate(timeout=30)[1])
        self.assertEqual(give.returncode, 2)

    def test_as_many_guests_as_there_may_be(self):
        self.write("".join(f'[[guest]]\nname = "web-{n:04}.example"\nmac = "52:54:00:78:{n // 256:02x}:{n % 256:02x}"\n'
                           f'standby = "t{n}"\nprimary = {{ port = "p{n}" }}\n' for n in range(1000)))
        self.daemon("--metrics-socket", f"{self.state}/m")
        self.assertEqual(len(self.guests(2)), 1000)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(f"{self.state}/m")
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = reply.partition(b"\r\n\r\n")
        self.assertIn(f"Content-Length: {len(body)}".encode(), head)
        self.assertIn(b"web-0999.example", body)
        # Who does not take what he asked for costs the daemon neither its time nor its memory.
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                client = stack.enter_context(Client(f"{self.state}/host-control"))
                client.send("io.hitless.Host.Status")
            self.assertEqual(len(self.guests(2)), 1000)

    def test_a_take_outlives_its_description(self):
        """As when a hook takes a guest's file away and brings it back."""
        def again(text, says):
            self.write(text)
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: self.said(daemon).count("read again") == says, "it reads again")
        daemon = self.daemon()
        self.expect(0, "host", "take", "web1", "--wait", "--timeout", "20")
        again("", 1)
        again(GUEST, 2)
        self.assertEqual(self.guests(0, 2)[0]["want"], "standby")
        self.write("")
        self.end(daemon)
        self.end(self.daemon())
        self.write(GUEST)
        self.daemon()
        self.assertEqual(self.guests(0, 2)[0]["want"], "standby")

    def test_the_daemon_of_another_namespace_is_not_ones_own(self):
        self.daemon()
        other = f"{self.netns}-other"
        sh(f"ip netns add {other}")
        self.addCleanup(sh, f"ip netns del {other}")
        self.expect(1, "host", "take", "web1", prefix=("ip", "netns", "exec", other),
                    says="none runs in this network namespace")
        self.assertEqual(self.guests(2)[0]["want"], "primary")

    def test_what_plugs(self):
        device = """'{"driver":"vfio-pci","id":"primary"}'"""
        for text, says in (('device = "{}"', "'device' needs a 'monitor'"),
                           ('monitor = "qmp:/run/q"', "what is plugged, as for device_add"),
                           ('monitor = "hmp:/run/q"', "'monitor' cannot be 'hmp:/run/q'; write qmp:"),
                           ('monitor = "qmp:relative"', "write qmp: and the path of a monitor socket"),
                           ('monitor = "qmp:/run/q"\ndevice = "e1000e"', "'device' is no JSON object"),
                           (f'monitor = "qmp:/run/q"\ndevice = {device}\nunplug_ms = 0', "use 1 to 60000"),
                           (f'monitor = "qmp:/run/q"\ndevice = {device}\nwhen_kept = "no"', "use give-back, reset")):
            self.write(GUEST + text)
            self.expect(1, "host", "run", "--config", self.config, says=[f"{self.config}:", says])
        self.write(GUEST + f'monitor = "qmp:{self.state}/qmp"\ndevice = {device}')
        self.daemon()
        [guest] = self.guests(2)
        self.assertEqual(guest["device"], {"plugged": None, "migrating": False, "elsewhere": False, "kept": False})
        self.assertIn(f"-qmp unix:{self.state}/qmp,server=on,wait=off", guest["problems"][0])
        self.assertIn("device   not known", self.expect(2, "host", "status", "web1").stdout)

    def test_metrics(self):
        self.daemon("--metrics-file", f"{self.state}/metrics")
        with open(f"{self.state}/metrics", encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r'hitless_host_downlink\{netns="\d+",guest="web1",path="standby"\} 1')
        self.assertRegex(text, r'hitless_host_messages_total\{netns="\d+",guest="web1",fate="heard"\} 0')

    def test_control_socket(self):
        self.daemon()
        with Client(f"{self.state}/host-control") as client:
            about = client.call("org.varlink.service.GetInterfaceDescription", {"interface": "io.hitless.Host"})
            methods = re.findall(r"(?m)^method (\w+)", about["parameters"]["description"])
            self.assertEqual(methods, ["Status", "Events", "Give", "Take"])
            [guest] = client.call("io.hitless.Host.Status")["parameters"]["guests"]
            self.assertEqual(guest, {**self.guests(2)[0], **{k: guest[k] for k in ("since_s", "counters")}})
            self.assertEqual(client.call("io.hitless.Host.Give", {"guest": "no"})["error"],
                             "io.hitless.Host.NoSuchGuest")
            self.assertEqual(client.call("io.hitless.Host.Take", {"guest": 7})["error"],
                             "org.varlink.service.InvalidParameter")

    def test_a_guest_that_changes_all_the_time_costs_no_other_its_history(self):
        sh("ip link add tap2 type veth peer name far2 && ip link set tap2 master br0 up && ip link set far2 up")
        other = GUEST.replace("web1", "web2").replace('02"', '03"').replace("sby_far", "tap2")
        self.write("deadline_ms = 1\n" + GUEST + other.replace("pri_far", "far2"))
        self.daemon()
        with Client(f"{self.state}/host-control") as client:
            def take(guest):
                client.call("io.hitless.Host.Take", {"guest": guest})
                wait_until(lambda: client.call("io.hitless.Host.Status", {"guest": guest})["parameters"]["guests"][0]
                           ["phase"] == "taken", "it is taken")
                client.call("io.hitless.Host.Give", {"guest": guest})
            take("web2")
            for _ in range(270):
                take("web1")
            events = client.call("io.hitless.Host.Events")["parameters"]["events"]
        self.assertEqual(len(events), 256)
        self.assertEqual([event["guest"] for event in events].count("web2"), 1)

    def test_who_may_not_look_is_told_so(self):
        self.daemon()
        os.chmod(self.state, 0o700)
        for words in (["status"], ["give", "web1"], ["events"]):
            self.expect(77, "host", *words, says="run as root, or have it run with --socket-group",
                        prefix=["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all"])

    def test_without_permission(self):
        for command in "run", "check":
            self.expect(77, "host", command, "--config", self.config, says="run as root, or with CAP_",
                        prefix=["setpriv", "--bounding-set", "-net_admin,-sys_admin",
                                "--inh-caps", "-net_admin,-sys_admin"])

    def test_a_daemon_that_stands_still_is_not_waited_for(self):
        daemon = self.daemon()
        daemon.send_signal(signal.SIGSTOP)
        self.expect(1, "host", "status", says="nobody answers; a daemon that was stopped does not")
        daemon.send_signal(signal.SIGCONT)
        self.guests(2)

    def test_nothing_is_left_of_a_namespace_that_is_gone(self):
        there = f"{self.netns}-gone"
        sh(f"ip netns add {there}")
        other = subprocess.Popen([HITLESS, "-n", there, "host", "run", "--config", "/dev/null"], env=self.env)

        def left(of):
            return [name for name in os.listdir(of) if re.fullmatch("host-[0-9]+", name)]
        wait_until(lambda: left(self.state) and left(f"{self.state}/bpf"), "it has begun")
        other.kill()
        other.wait()
        sh(f"ip netns del {there}")

        def begin_and_end():
            self.end(self.daemon())
            return not left(self.state)
        wait_until(begin_and_end, "the lock is gone with its namespace")


class WithItsGuest(HostCase):
    """The daemon and the guest's controller in one namespace, each at its end of the cables."""

    def setUp(self):
        super().setUp()
        self.write(GUEST.replace("52:54:00:77:01:02", MAC))
        self.attach("--hold-down", "20")
        self.controller()
        self.daemon()

    def told(self):
        [pair] = self.status(0, 2)
        return pair["host"]

    def metric(self, name, **labels):
        text = self.expect(0, "metrics").stdout
        wanted = ",".join(f'{key}="{value}"' for key, value in {"pair": "sby", **labels}.items())
        [value] = re.findall(rf"(?m)^{name}\{{[^}}]*{re.escape(wanted)}\}} (\d+)$", text)
        return int(value)

    def test_what_the_host_does_is_told_in_the_guest(self):
        for verb, path, said in (("give", "primary", "in-use"), ("take", "standby", "left"),
                                 ("give", "primary", "in-use")):
            self.expect(0, "host", verb, "web1", "--wait", "--timeout", "30")
            told = self.told()
            self.assertEqual({key: told[key] for key in ("speaks", "want", "downlink", "able", "told")},
                             {"speaks": True, "want": path, "downlink": path, "able": True, "told": said})
            [guest] = self.guests(0)
            self.assertEqual(guest["guest"], {key: told[of] for key, of in
                                              (("able", "able"), ("primary", "told"), ("slot", "slot"))})
            self.assertEqual(self.metric("hitless_channel_host_speaks"), 1)
            for other in ("standby", "primary"):
                for name in ("hitless_channel_wanted", "hitless_channel_downlink"):
                    self.assertEqual(self.metric(name, path=other), int(other == path), f"{name} {other}")
            self.assertGreater(self.metric("hitless_channel_messages_total", fate="heard"), 0)
            flip = json.loads(self.expect(0, "events", "-j").stdout.splitlines()[-1])
            self.assertEqual((flip["to"], flip["actor"]), (path, "controller"), flip)
            self.assertEqual(flip["reason"], ["host"], flip)
            self.expect(0, "explain", "sby", says=f"The host wants the {path}")
        self.assertEqual(self.status()[0]["veto"], [])


class Check(HostCase):
    def test_nothing_in_the_way(self):
        self.expect(2, "host", "check", "--config", self.config,
                    says=["this host: no daemon runs", "`systemctl enable --now hitless-host`", "in the way: 1"])
        self.daemon()
        self.expect(0, "host", "check", "--config", self.config, says="host.toml.d: 1; in the way: nothing")
        self.write(GUEST.replace('{ port = "pri_far" }', '"pri_far"'))
        self.expect(0, "host", "check", "--config", self.config, says="host.toml.d: 1; in the way: nothing")

    def test_nothing_is_described(self):
        self.write("")
        self.expect(3, "host", "check", "--config", self.config, says="in the way: no guest is described")

    def test_a_monitor_that_is_not_there(self):
        self.write(GUEST + f"""monitor = "qmp:{self.state}/qmp"\ndevice = '{{"driver":"e1000e","id":"p"}}'\n""")
        self.daemon()
        self.expect(2, "host", "check", "--config", self.config,
                    says=["web1: there is no monitor socket", f"-qmp unix:{self.state}/qmp,server=on,wait=off"])

    def test_each_thing_with_what_mends_it(self):
        self.daemon()

        def finds(*says):
            found = self.expect(2, "host", "check", "--config", self.config, says=says).stdout
            report = json.loads(self.expect(2, "host", "check", "-j", "--config", self.config).stdout)
            self.assertIn(report["findings"][0]["problem"], found)
        sh("ip link set pri_far nomaster")
        finds("web1: ", "pri_far is not in the bridge of sby_far", "`ip link set pri_far master br0 up`, or mend `primary`")
        sh("ip link set pri_far name other")
        finds("web1: ", "there is no device pri_far; make it, or mend `primary`")
        sh("ip link set other name pri_far")
        sh("ip link set pri_far master br0 up")
        wait_until(lambda: not self.guests(2)[0]["problems"], "the daemon has heard of it")
        self.expect(0, "host", "check", "--config", self.config)
        sh("ip link set sby_far nomaster")
        finds("sby_far is no port of a bridge")
        sh("ip link del sby_far")
        finds("there is no device sby_far")


    def speak(self, *sources):
        """As guests behind the tap, with addresses of their own."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("sby", 0))
            for source in sources:
                wire.send(b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + b"\x88\xb6" + bytes(50))
        wait_until(lambda: all(s in sh("bridge fdb show dev sby_far") for s in sources), "the bridge has heard them")

    def test_another_guest_behind_the_tap(self):
        found = "web1: the bridge hears 52:54:00:77:01:09 on sby_far, and not 52:54:00:77:01:02; mend `mac` or " \
                f"`standby` of the guest at {self.config}:2:8"
        self.daemon()
        for heard in "in the way: nothing", found:
            self.expect(2 if heard == found else 0, "host", "check", "--config", self.config, says=heard)
            self.speak("52:54:00:77:01:09")
        self.write(GUEST.replace("01:02", "01:09"))
        self.expect(0, "host", "check", "--config", self.config)

    def test_a_guest_that_forwards_for_others_is_the_right_one(self):
        self.daemon()
        nested = [f"52:54:00:77:02:{n:02x}" for n in range(3)]
        self.speak(*nested)  # and is silent itself
        self.expect(0, "host", "check", "--config", self.config)
        sh("ip link set sby_far type bridge_slave fdb_flush")
        self.speak(nested[0], "52:54:00:77:01:02")
        self.expect(0, "host", "check", "--config", self.config)
        sh("ip link set sby_far type bridge_slave fdb_flush")
        sh("ip link set sby_far address fe:54:00:77:01:02")  # libvirt's, for this guest
        self.speak(nested[0])
        self.expect(0, "host", "check", "--config", self.config)
        sh("bridge fdb replace 52:54:00:77:01:02 dev pri_far master dynamic")
        sh("ip link set sby_far address fe:54:00:77:01:03")
        self.expect(0, "host", "check", "--config", self.config)
        sh("bridge fdb del 52:54:00:77:01:02 dev pri_far master")
        self.expect(2, "host", "check", "--config", self.config, says=f"the bridge hears {nested[0]}")

    def test_a_vf_of_a_nic_that_has_none(self):
        self.write(VF)
        says = ["deliver to the VF 3 of pri_far for web1: ", "pri_far has no VFs", "/device/sriov_numvfs"]
        self.expect(2, "host", "check", "--config", self.config, says=["web1: ", *says])
        self.daemon()
        [guest] = self.guests(2)
        self.assertEqual((guest["primary"], guest["vf"], guest["delivery"], guest["downlink"]),
                         ("pri_far", 3, "vf", "standby"))
        self.assertIn("pri_far has no VFs", guest["problems"][0])
        self.expect(2, "host", "status", "web1", says="primary pri_far vf 3, by vf")
        report = json.loads(self.expect(2, "host", "check", "-j", "--config", self.config).stdout)
        self.assertEqual(report["physical_functions"], [])

    def test_commands_too(self):
        def guest(move, read):
            self.write(GUEST + f'delivery = "exec"\nmove = ["{move}"]\nread = ["echo", "{read}"]\n')
        self.daemon()
        guest("/no/such/mover", "standby")
        self.expect(2, "host", "check", "--config", self.config, says="`/no/such/mover` cannot be run: No such file")
        guest("true", "nowhere")
        self.expect(2, "host", "check", "--config", self.config, says="`echo` printed 'nowhere' instead of standby")
        guest("true", "standby")
        self.expect(0, "host", "check", "--config", self.config)


if __name__ == "__main__":
    unittest.main()
