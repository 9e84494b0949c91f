# SPDX-License-Identifier: BSD-2-Clause
"""Every call of hitless.h: that it says what the command line says, and what it does with bad input."""
import ctypes as c
import errno
import fcntl
import json
import os
import re
import select
import subprocess
import threading
import time
import unittest

import abi
from bed import HITLESS, MAC, Case, NetCase, sh, wait_until


def process_state():
    """What a library could leave in a process: threads, caught signals, descriptors."""
    with open("/proc/self/status", encoding="utf-8") as status:
        caught = [line for line in status if line.startswith(("SigCgt", "SigIgn", "SigBlk", "Threads"))]
    return caught, len(os.listdir("/proc/self/fd"))


class WithoutPrivilege(Case):
    def setUp(self):
        self.before = process_state()
        self.lib = abi.Lib()

    def tearDown(self):
        self.lib.close()
        self.assertEqual(process_state(), self.before)

    def test_version(self):
        said = self.hitless("--version").stdout
        self.assertTrue(said.startswith(f"hitless {self.lib.so.hitless_version().decode()} (ABI "), said)

    def test_null_is_refused(self):
        so, null = self.lib.so, None
        for name in ("attach", "detach", "switch", "status", "flips", "examine", "control", "process",
                     "controller_pid", "fd", "unpaired_nics", "reconfigure", "check"):
            with self.subTest(name):
                self.assertEqual(getattr(so, f"hitless_{name}")(null, null, null), -errno.EINVAL)
        self.assertIsNone(so.hitless_state_directory(null))
        for name in ("attach", "flips", "examine", "controller_pid", "switch", "unpaired_nics"):
            with self.subTest(name):
                self.assertEqual(self.lib.call(name, null, 0), -errno.EINVAL)
                self.assertIn("NULL", self.lib.error())
        self.assertEqual(so.hitless_open(null), -errno.EINVAL)
        self.assertIn(b"no handle", so.hitless_error(null))
        so.hitless_close(null)

    def refused(self, code, says, options):
        self.assertEqual(self.lib.call("attach", c.byref(options)), -code, self.lib.error())
        self.assertIn(says, self.lib.error())

    def test_wrong_options(self):
        self.refused(errno.EINVAL, "size is not set", abi.Attach(0, b"sby"))
        self.refused(errno.EINVAL, "no standby", abi.Attach(c.sizeof(abi.Attach)))
        self.refused(errno.EINVAL, "liveness 'hope'", abi.attach(b"sby", liveness=b"hope"))
        self.refused(errno.EINVAL, "it is none", abi.attach(b"sby", model=b"five"))
        self.refused(errno.EINVAL, "datapath 'dpdk'", abi.attach(b"sby", datapath=b"dpdk"))
        self.refused(errno.EINVAL, "reselect 'never'", abi.attach(b"sby", policy=abi.policy(reselect=b"never")))
        self.refused(errno.EINVAL, "announce 'all'", abi.attach(b"sby", policy=abi.policy(announce=b"all")))
        self.refused(errno.EINVAL, "size is not set", abi.attach(b"sby", policy=c.pointer(abi.Policy(0))))
        self.refused(errno.EINVAL, "hold_down_ms 3600001", abi.attach(b"sby", policy=abi.policy(hold_down_ms=3600001)))
        self.refused(errno.EINVAL, "probe_interval_ms 60001",
                     abi.attach(b"sby", policy=abi.policy(probe_interval_ms=60001)))
        self.refused(errno.EINVAL, "pci:nonsense", abi.attach(b"sby", b"pci:nonsense"))
        self.assertEqual(self.lib.call("switch", b"sby", 7), -errno.EINVAL)

    def test_a_newer_program_is_not_misunderstood(self):
        class Newer(c.Structure):
            _fields_ = [("known", abi.Attach), ("speed", c.c_uint64)]
        newer = Newer(abi.attach(b"nosuch0"), 1)
        newer.known.size = c.sizeof(Newer)
        self.refused(errno.E2BIG, "does not know", newer)
        newer.speed = 0
        self.assertNotEqual(self.lib.call("attach", c.byref(newer)), -errno.E2BIG)

    def test_no_descriptors_left(self):
        handles = []
        with open("/dev/null", "rb") as null:
            fds = []
            try:
                while True:
                    fds.append(os.dup(null.fileno()))
            except OSError:
                handles.append(c.c_void_p(1))
                self.assertEqual(self.lib.so.hitless_open(c.byref(handles[0])), -errno.EMFILE)
            finally:
                for fd in fds:
                    os.close(fd)
        self.assertFalse(handles[0])


class Calls(NetCase):
    def setUp(self):
        super().setUp()
        os.environ["HITLESS_STATE_DIR"] = self.state
        self.addCleanup(os.environ.pop, "HITLESS_STATE_DIR")
        self.before = process_state()
        self.lib = abi.Lib()
        self.addCleanup(self.lib.close)

    def must(self, name, *args):
        self.assertEqual(self.lib.call(name, *args), 0, self.lib.error())

    def nic(self, nic, told):
        n = nic.contents
        self.assertEqual({"ifname": n.ifname.decode(), "ifindex": n.ifindex, "mac": n.mac.decode(),
                          "bus": n.bus.decode(), "present": bool(n.present), "up": bool(n.up),
                          "carrier": bool(n.carrier), "mtu": n.mtu}, told)
        self.assertEqual((n.known, n.native), (1, 0))

    def test_status_says_what_the_command_says(self):
        self.assertEqual(list(self.lib.each(abi.Pair, "status", None)), [])
        self.must("attach", c.byref(abi.attach(b"sby", policy=abi.policy(
            hold_down_ms=250, up_delay_ms=-1, probe_rest_ms=7000, reselect=b"failure", announce=b"none"))))
        self.must("switch", b"sby", abi.STANDBY)
        for which in (None, b"sby"):
            (pair,) = self.lib.each(abi.Pair, "status", which)
            (told,) = self.status()
            policy = pair.policy.contents
            self.assertEqual((policy.hold_down_ms, policy.up_delay_ms, policy.reselect), (250, -1, b"failure"))
            self.assertEqual(
                {"name": pair.name.decode(), "model": pair.model.decode(), "datapath": pair.datapath.decode(),
                 "active": pair.active.decode(), "healthy": bool(pair.healthy), "veto": abi.names(pair.veto),
                 "problems": [], "liveness": pair.liveness.decode(), "selector": pair.selector.decode(),
                 "flips": pair.flips, "failover": pair.failover.decode(),
                 **{f"{name}_s": max(getattr(policy, f"{name}_ms"), 0) / 1000 for name in abi.TIMES},
                 "reselect": policy.reselect.decode(), "announce": policy.announce.decode(),
                 "proved": bool(pair.proved), "carrier": policy.carrier.decode(),
                 "host": pair.host.contents if pair.host else None,
                 "counters": abi.names(pair.counters)},
                {key: list(value) if key == "counters" else value
                 for key, value in told.items()
                 if key not in ("primary", "standby")})
            self.nic(pair.primary, told["primary"])
            self.nic(pair.standby, told["standby"])
        veto = pair.veto[0]
        self.assertEqual((veto.meaning, veto.actor), (b"an operator chose the standby", b"operator"))
        self.assertLess(time.clock_gettime_ns(time.CLOCK_BOOTTIME) - veto.since_ns, 60e9)

    def test_the_host_s_word_is_what_the_command_says(self):
        """A hypervisor's daemon at the other ends of the same cables."""
        sh("ip link add br0 type bridge && ip link set br0 up && "
           "for port in sby_far pri_far; do ip link set $port master br0; done")
        config = f"{self.state}/host.toml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'[[guest]]\nname = "web1"\nmac = "{MAC}"\nstandby = "sby_far"\n'
                       'primary = { port = "pri_far" }\n')
        self.must("attach", c.byref(abi.attach(b"sby")))
        self.controller()
        daemon = subprocess.Popen([HITLESS, "host", "run", "--config", config], env=self.env,
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(self.end, daemon)

        def by_both():
            """It speaks once a second, and may between the two questions."""
            (pair,) = self.lib.each(abi.Pair, "status", b"sby")
            if not pair.host:
                return None
            host = pair.host.contents
            (told,) = self.status(0, 2)
            return told["host"] and {
                "speaks": bool(host.speaks), "able": bool(host.able), "slot": host.slot, "heard": host.heard,
                "ignored": host.ignored, "sent": host.sent,
                **{name: getattr(host, name).decode() for name in ("want", "downlink", "told")}} == told["host"] and host

        for verb, path, said in (("give", b"primary", b"in-use"), ("take", b"standby", b"left")):
            wait_until(lambda: self.hitless("host", verb, "web1", "--wait", "--timeout", "30").returncode == 0,
                       f"the daemon answers, {verb}")
            host = wait_until(by_both, "both say the same")
            self.assertEqual((host.speaks, host.want, host.downlink, host.told), (1, path, path, said))
            self.assertGreater(host.heard, 0)
            self.assertGreater(host.sent, 0)

    def test_flips_say_what_the_command_says(self):
        self.must("attach", c.byref(abi.attach(b"sby")))
        for path in (abi.STANDBY, abi.AUTO, abi.STANDBY, abi.PRIMARY):
            self.must("switch", b"sby", path)
        flips = list(self.lib.each(abi.Flip, "flips"))
        told = [json.loads(line) for line in self.expect(0, "events", "-j").stdout.splitlines()]
        self.assertEqual(
            [(f.pair.decode(), f.to.decode(), abi.names(f.reasons), f.actor.decode(), f.lasted_ns / 1e9, f.lost)
             for f in flips],
            [(f["pair"], f["to"], f["reason"], f["actor"], f["duration_s"] or 0,
              -1 if f["lost_frames"] is None else f["lost_frames"]) for f in told])
        self.assertEqual(list(self.lib.each(abi.Flip, "flips")), [], "each is told once")
        self.must("switch", b"sby", abi.STANDBY)
        self.assertEqual(len(list(self.lib.each(abi.Flip, "flips"))), 1)

    def test_findings_say_what_the_command_says(self):
        found = [{"what": f.what.decode(), "grade": f.grade.decode(), "detail": f.detail.decode(),
                  "remedy": f.remedy.decode()} for f in self.lib.each(abi.Finding, "examine")]
        told = json.loads(self.hitless("doctor", "-j").stdout)["findings"]
        # The file is the program's own; an agent asks hitless_check() about its rules.
        self.assertEqual(found, [finding for finding in told if finding["what"] != "configuration"])

    def test_errors_say_what_the_command_says(self):
        for code, call, line in (
                (errno.ENODEV, ("attach", c.byref(abi.attach(b"nosuch0"))), ("attach", "nosuch0")),
                (errno.ENOENT, ("detach", b"sby"), ("detach", "sby")),
                (errno.ENOENT, ("switch", b"sby", abi.AUTO), ("switch", "sby", "auto"))):
            with self.subTest(line):
                self.assertEqual(self.lib.call(*call), -code, self.lib.error())
                self.assertEqual(f"hitless: {self.lib.error()}\n", self.hitless(*line).stderr)
        with self.assertRaises(OSError) as missing:
            list(self.lib.each(abi.Pair, "status", b"sby"))
        self.assertEqual(missing.exception.errno, errno.ENOENT)

    def test_detach_all(self):
        self.must("attach", c.byref(abi.attach(b"sby")))
        self.must("detach", None)
        self.assertEqual(self.pins(), [])

    def test_nics_in_no_pair(self):
        """Paravirtual ones: a veth is none, so that the command and the call both have nothing to say."""
        self.assertEqual(list(self.lib.each(abi.Unpaired, "unpaired_nics")), [])
        self.expect(0, "explain", says="no paravirtual NIC to pair")

    def test_state_directory(self):
        self.assertEqual(self.lib.so.hitless_state_directory(self.lib.handle).decode(), self.state)

    def check(self, *rules):
        lines = c.POINTER(c.c_char_p)()
        self.must("check", c.byref(abi.control(*rules)), c.byref(lines))
        return [line.decode() for line in abi.until_null(lines)]

    def test_check_says_what_matches_nothing_and_changes_nothing(self):
        self.assertEqual(self.check(), [])
        self.assertEqual(self.check(abi.attach(b"sby")), [])
        others = (c.c_char_p * 2)(b"sby", None)
        self.assertEqual(self.check(abi.attach(b"gone0", other_standbys=others)), [])
        self.assertEqual(self.check(abi.attach(b"gone0", origin=b"agent.conf:7"), abi.attach(b"gone1")),
                         ["agent.conf:7: the rule matches nothing now: there is no interface gone0",
                          "gone1: the rule matches nothing now: there is no interface gone1"])
        self.assertEqual(self.lib.call("check", c.byref(abi.control(abi.attach(b"sby", b"pci:nonsense"))),
                                       c.byref(c.POINTER(c.c_char_p)())), -errno.EINVAL)
        self.assertEqual(self.pins(), [])

    def test_reconfigure(self):
        def rule(hold_down_ms, **fields):
            return c.byref(abi.control(abi.attach(b"sby", policy=abi.policy(hold_down_ms=hold_down_ms), **fields)))
        self.assertEqual(self.lib.call("reconfigure", None), -errno.ESRCH)
        self.must("control", rule(20))
        self.assertEqual(self.status(0, 2)[0]["hold_down_s"], 0.02)
        self.must("reconfigure", rule(70))
        self.assertEqual(self.status(0, 2)[0]["hold_down_s"], 0.07)
        self.assertEqual(self.lib.call("reconfigure", rule(90, datapath=b"dpdk")), -errno.EINVAL)
        self.assertEqual(self.status(0, 2)[0]["hold_down_s"], 0.07, "what is refused changes nothing")
        self.must("reconfigure", None)
        self.assertEqual(len(self.pins()), 1, "no pair ends because nobody names it")

    def test_control(self):
        lines = []
        log = abi.LOG(lambda line, _: lines.append(line.decode()))
        pid = c.c_int(-1)
        self.must("controller_pid", c.byref(pid))
        self.assertEqual(pid.value, 0)
        fd = self.lib.call("fd")
        self.must("process")
        self.lib.so.hitless_set_log(self.lib.handle, log, None)
        wanted = abi.attach(b"sby")
        self.must("control", c.byref(abi.control(wanted)))
        self.assertEqual(self.lib.call("fd"), fd)
        self.assertIn("sby: paired with pri", lines)
        self.must("controller_pid", c.byref(pid))
        self.assertEqual(pid.value, os.getpid())
        self.assertEqual(self.lib.call("control", None), -errno.EBUSY)
        self.expect(75, "run", says=str(os.getpid()))

        self.expect(0, "detach", "sby")
        self.assertTrue(select.select([fd], [], [], 10)[0], "what others do wakes the controller")
        self.must("process")
        self.assertEqual(self.pins(), [], "a detach lasts, whatever the rules")
        self.must("reconfigure", c.byref(abi.control(wanted)))
        self.assertIn("sby: paired with pri", lines[1:], "until they are given anew")
        self.lib.close()
        self.assertEqual(process_state(), self.before)
        self.assertEqual(len(self.pins()), 1)

    def test_process_waits_for_no_lock(self):
        """An agent serves others beside us, and `attach --gate` proves for seconds under the lock: what needs it is
        done later, what needs none is done."""
        for name, mac in (("oth", "02:00:00:00:00:11"), ("thd", "02:00:00:00:00:12")):
            sh(f"ip link add {name} address {mac} up type veth peer name {name}_far && ip link set {name}_far up && "
               f"ip link add {name}_pri address {mac} up type veth peer name {name}_pri_far && "
               f"ip link set {name}_pri_far up")
        sh("ip link set oth name later && ip link set later up")
        self.must("control", c.byref(abi.control(abi.attach(b"sby"), abi.attach(b"oth"))))
        self.assertEqual(len(self.pins()), 1)
        fd = self.lib.call("fd")
        lock = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiter = subprocess.Popen([HITLESS, "attach", "thd"], env=self.env, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.waits(waiter.pid), "others wait for the lock")
            sh("ip link set pri down && ip link set later down && ip link set later name oth up")
            wait_until(lambda: self.processed(fd) and "link-down" in self.status(2)[0]["veto"], "the primary is left")
            self.assertEqual(len(self.pins()), 1, "no pair is made beside who has the lock")
            self.assertTrue(self.waits(waiter.pid), "somebody had the lock all the time")
        finally:
            os.close(lock)
            self.assertEqual(waiter.wait(timeout=30), 0)
        wait_until(lambda: self.processed(fd) and len(self.pins()) == 3, "the pair is made when the lock is free")

    @staticmethod
    def waits(pid):
        """For a lock that somebody else has."""
        with open("/proc/locks", encoding="utf-8") as locks:
            return re.search(rf"-> FLOCK .* {pid} ", locks.read())

    def processed(self, fd):
        """What there was, without being kept waiting."""
        select.select([fd], [], [], 0.1)
        caller = threading.Thread(target=self.must, args=("process",), daemon=True)
        caller.start()
        caller.join(timeout=30)
        if caller.is_alive():
            raise AssertionError("hitless_process() waits")
        return True


if __name__ == "__main__":
    unittest.main()
