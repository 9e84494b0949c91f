# SPDX-License-Identifier: BSD-2-Clause
"""The control socket of `hitless run`: what it says, to whom, and what it does with bad clients."""
import json
import os
import re
import stat
import subprocess
import sys
import time
import unittest

from bed import MAC, NetCase, sh, wait_until
from cost import figure
from varlink import Client

FLOOD = """
import select, socket, sys
done = 0
while done < int(sys.argv[2]) or not select.select([0], [], [], 0)[0]:
    for _ in range(100):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(sys.argv[1])
    done += 100
print(done)
"""


class Socket(NetCase):
    def setUp(self):
        super().setUp()
        self.path = f"{self.state}/control"

    def serve(self, *args):
        process = self.controller(*args)
        wait_until(self.answers, "somebody listens")
        return process

    def answers(self):
        """A name alone may be that of a controller which is no more."""
        try:
            with Client(self.path):
                return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def call(self, method, parameters=None, **flags):
        with Client(self.path) as client:
            return client.call(method, parameters, **flags)

    def error(self, name, method, parameters=None):
        reply = self.call(method, parameters)
        self.assertEqual(reply.get("error"), name, reply)
        return reply["parameters"]


class Says(Socket):
    def setUp(self):
        super().setUp()
        self.attach()
        self.process = self.serve()

    def test_who_it_is(self):
        info = self.call("org.varlink.service.GetInfo")["parameters"]
        self.assertEqual(list(info), ["vendor", "product", "version", "url", "interfaces"])
        self.assertEqual(info["interfaces"], ["org.varlink.service", "io.hitless"])
        for name in info["interfaces"]:
            text = self.call("org.varlink.service.GetInterfaceDescription", {"interface": name})
            self.assertIn(f"\ninterface {name}\n", text["parameters"]["description"])
        self.assertEqual(self.error("org.varlink.service.InterfaceNotFound",
                                    "org.varlink.service.GetInterfaceDescription", {"interface": "io.other"}),
                         {"interface": "io.other"})

    def test_status_as_the_command_has_it(self):
        told = self.status()
        for parameters in (None, {}, {"standby": None}, {"standby": "sby"}):
            self.assertEqual(self.call("io.hitless.Status", parameters)["parameters"],
                             {"version": 1, "pairs": told})
        self.assertEqual(self.error("io.hitless.NoSuchPair", "io.hitless.Status", {"standby": "eth7"}),
                         {"standby": "eth7"})

    def test_the_description_names_what_is_sent(self):
        text = self.call("org.varlink.service.GetInterfaceDescription",
                         {"interface": "io.hitless"})["parameters"]["description"]
        fields = {name: re.findall(r"(\w+): ", re.sub(r"#.*", "", body))
                  for name, body in re.findall(r"^type (\w+) \((.*?)\)$", text, re.DOTALL | re.MULTILINE)}
        pair = self.status()[0]
        self.assertEqual(fields["Pair"], list(pair))
        self.assertEqual(fields["Nic"], list(pair["primary"]))
        self.assertEqual(fields["Flip"], list(self.call("io.hitless.Events")["parameters"]["flips"][0]))

    def test_switch(self):
        for path, active in (("standby", "standby"), ("auto", "primary"), ("standby", "standby"),
                             ("primary", "primary")):
            self.assertEqual(self.call("io.hitless.Switch", {"standby": "sby", "path": path}), {"parameters": {}})
            self.assertEqual(self.status()[0]["active"], active)
            self.assertEqual(self.call("io.hitless.Status")["parameters"]["pairs"][0]["active"], active)
        self.error("io.hitless.NoSuchPair", "io.hitless.Switch", {"standby": "lo", "path": "auto"})
        for wrong, parameters in (("standby", {"path": "auto"}), ("path", {"standby": "sby"}),
                                  ("path", {"standby": "sby", "path": "up"}), ("standby", {"standby": 1})):
            self.assertEqual(self.error("org.varlink.service.InvalidParameter", "io.hitless.Switch", parameters),
                             {"parameter": wrong})

    def test_events_go_on(self):
        with Client(self.path) as client:
            first = client.call("io.hitless.Events", more=True)
            self.assertTrue(first["continues"])
            self.assertEqual([flip["to"] for flip in first["parameters"]["flips"]], ["primary"])
            self.expect(0, "switch", "sby", "standby")
            (flip,) = client.receive()["parameters"]["flips"]
            self.assertEqual((flip["pair"], flip["to"], flip["actor"]), ("sby", "standby", "operator"))
            told = json.loads(self.expect(0, "events", "-j").stdout.splitlines()[-1])
            self.assertEqual({**flip, "time_s": 0, "duration_s": 0}, {**told, "time_s": 0, "duration_s": 0})

    def test_several_calls_at_once(self):
        with Client(self.path) as client:
            call = b'{"method":"org.varlink.service.GetInfo"}\0'
            client.socket.sendall(90 * call)  # in one piece, and more than one turn answers
            client.send("io.hitless.Nothing", oneway=True)
            client.send("io.hitless.Nothing")
            for _ in range(90):
                self.assertIn("parameters", client.receive())
            self.assertEqual(client.receive()["error"], "org.varlink.service.MethodNotFound")

    def test_too_many_verbs(self):
        with Client(self.path) as client:
            errors = [client.call("io.hitless.Switch", {"standby": "sby", "path": "auto"}).get("error")
                      for _ in range(50)]
            self.assertIn("io.hitless.TooMany", errors)
            self.assertIsNone(errors[0])

    def test_it_goes_with_the_controller(self):
        self.assertEqual(self.end(self.process), 0)
        self.assertFalse(os.path.exists(self.path))
        self.expect(0, "switch", "sby", "standby")
        self.assertEqual(self.status()[0]["active"], "standby", "the pins need no socket")


class Privilege(Socket):
    def ask(self, user, method, parameters=None):
        """The reply to a process of this user and group."""
        near, far = os.pipe()
        child = os.fork()
        if not child:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            try:
                reply = self.call(method, parameters)
            except OSError as error:
                reply = {"error": type(error).__name__}
            os.write(far, json.dumps(reply).encode())
            os._exit(0)
        os.close(far)
        os.waitpid(child, 0)
        with open(near, encoding="utf-8") as answer:
            return json.load(answer)

    def test_the_group_reads_and_root_steers(self):
        self.attach()
        self.serve("--socket-group", "nogroup")
        member, foreign = 65534, 65533
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o710, "passed, not listed")
        self.assertEqual(self.ask(member, "io.hitless.Status", {})["parameters"]["pairs"], self.status())
        self.assertEqual(self.ask(member, "io.hitless.Switch", {"standby": "sby", "path": "standby"})["error"],
                         "org.varlink.service.PermissionDenied")
        self.assertEqual(self.status()[0]["active"], "primary")
        self.assertEqual(self.ask(foreign, "io.hitless.Status"), {"error": "PermissionError"})

    def test_without_a_group_it_is_roots(self):
        self.serve()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)


class Start(Socket):
    def test_wrong_places(self):
        for args, says in ((["--socket", "/nowhere/control"], "listen at /nowhere/control"),
                           (["--socket", "/" + "x" * 200], "no name of a socket"),
                           (["--socket-group", "nosuchgroup"], "there is no such group"),
                           (["--metrics-socket", "/nowhere/m"], "listen at /nowhere/m"),
                           (["--metrics-file", "/nowhere/m.prom"], "write /nowhere/m.prom")):
            with self.subTest(args):
                self.assertIn(says, self.expect_failure("run", *args))

    def expect_failure(self, *args):
        done = self.hitless(*args)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_none(self):
        self.controller("--socket", "")
        self.assertFalse(os.path.exists(self.path))

    def test_a_stale_socket_is_replaced_and_nothing_else(self):
        process = self.serve()
        process.kill()
        process.wait()
        self.assertTrue(os.path.exists(self.path))
        self.serve()
        wait_until(lambda: self.call("org.varlink.service.GetInfo"), "served anew")

    def test_a_file_in_the_way_stays(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("mine")
        process = self.controller()
        self.assertIsNone(process.poll(), "the socket is an addition")
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")
        self.end(process)
        self.assertIn("the name is in use", self.expect_failure("run", "--socket", self.path))

    def test_a_second_namespace_has_a_socket_of_its_own(self):
        """With the same names there, none says or steers what is the other's; each goes with its own controller."""
        other = f"{self.netns}-b"
        sh(f"ip netns add {other}")
        self.addCleanup(sh, f"ip netns del {other}")
        for nic in ("sby", "pri"):
            sh(f"ip -n {other} link add {nic} address {MAC} type veth peer name {nic}_far && "
               f"ip -n {other} link set {nic} up && ip -n {other} link set {nic}_far up")
        self.attach()
        self.expect(0, "-n", other, "attach", "sby", "--primary", "pri", "--hold-down", "7")
        first = self.serve()
        second = self.controller("-n", other)
        own = f"{self.path}-{self.cookie(other)}"
        self.assertIn(f"another controller serves {self.path}; this one serves {own}", self.said(second))

        def held_down(path):
            with Client(path) as client:
                (pair,) = client.call("io.hitless.Status")["parameters"]["pairs"]
            return pair["hold_down_s"]

        here = self.status()[0]["hold_down_s"]
        self.assertNotEqual(here, 0.007, "the pairs can be told apart")
        self.assertEqual([held_down(self.path), held_down(own)], [here, 0.007])
        with Client(own) as client:
            self.assertEqual(client.call("io.hitless.Switch", {"standby": "sby", "path": "standby"}), {"parameters": {}})
            self.assertEqual(client.call("io.hitless.Status")["parameters"]["pairs"][0]["active"], "standby")
        self.assertEqual(self.status()[0]["active"], "primary", "the other's pair of this name is as it was")
        self.assertEqual(self.end(first), 0)
        self.assertFalse(os.path.exists(self.path))
        self.assertEqual(held_down(own), 0.007)
        self.assertEqual(self.end(second), 0)
        self.assertFalse(os.path.exists(own))
        self.expect(0, "-n", other, "detach", "--all")

    @staticmethod
    def cookie(netns):
        """Of another namespace."""
        return int(sh(f"ip netns exec {netns} {sys.executable} -B -c "
                      "'import struct, socket; print(struct.unpack(\"=Q\", "
                      "socket.socket(socket.AF_UNIX).getsockopt(socket.SOL_SOCKET, 71, 8))[0])'"))


class BadClients(Socket):
    def setUp(self):
        super().setUp()
        self.attach()
        self.process = self.serve()

    def lives(self):
        self.assertEqual(self.call("io.hitless.Status")["parameters"]["pairs"][0]["name"], "sby")
        self.assertIsNone(self.process.poll())

    def raw(self, data):
        """What is answered to these bytes until the service closes; None: it did not within a second."""
        with Client(self.path, timeout=1) as client:
            client.socket.sendall(data)
            try:
                return client.receive()
            except TimeoutError:
                return None

    def test_no_calls(self):
        for data in (b"\0", b"{}\0", b"nonsense\0", b"[]\0", b"1\0", b'{"method":1}\0', b"\xff\xfe\0",
                     b'{"method":"io.hitless.Status","parameters":[]}\0', b"[" * 16000 + b"\0",
                     b'{"method":"' + b"x" * 20000):
            with self.subTest(data[:40]):
                self.assertIsNone(self.raw(data))
        self.lives()

    def test_silent_ones_are_let_go(self):
        with Client(self.path) as client:
            began = time.monotonic()
            client.socket.sendall(b'{"method"')
            self.assertIsNone(client.receive())
            self.assertGreater(time.monotonic() - began, 4)
        self.lives()

    def test_more_than_it_holds(self):
        clients = [Client(self.path) for _ in range(200)]
        self.lives()
        self.assertIsNone(clients[0].receive(), "the one that was silent longest went")
        for client in clients:
            client.socket.close()

    def test_one_that_does_not_read(self):
        with Client(self.path) as client:
            client.socket.settimeout(0.5)
            try:
                for _ in range(3000):
                    client.send("io.hitless.Status")
            except (TimeoutError, BrokenPipeError, ConnectionResetError):
                pass
        self.lives()

    def latencies(self, times):
        """How long the controller took to give the primary back, beyond the hold-down: ms."""
        out = []
        for _ in range(times):
            sh("ip link set pri_far down")
            wait_until(lambda: self.status(0, 2)[0]["active"] == "standby", "left the primary")
            wait_until(lambda: "link-down" in self.status(0, 2)[0]["veto"], "the controller has seen it")
            began = time.time()
            sh("ip link set pri_far up")
            wait_until(lambda: self.status(0, 2)[0]["active"] == "primary", "returned")
            last = json.loads(self.expect(0, "events", "-j").stdout.splitlines()[-1])
            self.assertEqual((last["to"], last["actor"]), ("primary", "controller"))
            out.append((last["time_s"] - began - 0.2) * 1e3)
        return out

    def test_flips_do_not_wait_for_the_end_of_a_burst(self):
        """100,000 connections, and more until five flips there and back were made beside them."""
        figure("return beyond the hold-down", self.latencies(5))
        floods = [subprocess.Popen([sys.executable, "-c", FLOOD, self.path, "50000"], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        for flood in floods:
            self.addCleanup(flood.wait)
            self.addCleanup(flood.kill)
        figure("return beyond the hold-down, beside 100,000 connections", self.latencies(5))
        made = [int(flood.communicate()[0]) for flood in floods]
        self.assertEqual([flood.returncode for flood in floods], [0, 0], "each connection was taken")
        self.assertGreaterEqual(min(made), 50000)
        self.lives()


if __name__ == "__main__":
    unittest.main()
