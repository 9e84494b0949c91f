# SPDX-License-Identifier: BSD-2-Clause
"""`hitless doctor`: says what is, changes nothing, is quick, and its exit code is its worst finding."""
import json
import os
import re
import resource
import signal
import subprocess
import unittest

from bed import HITLESS, NetCase, sh, wait_until
from cost import Cost, figure, in_turns, least
from machine import living, machine, unchanged
from test_privilege import without

EXIT = {"ok": 0, "degraded": 2, "missing": 1}
SUPPORTED = ("privilege", "kernel", "btf", "bpf_jit", "bpffs", "fentry", "tracepoints", "controller",
             "tc_index")

# What programs return to who runs them for a test, in this process, is 0.
FORGETS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
long syscall(long number, ...)
{
	long a[6];
	va_list rest;
	va_start(rest, number);
	for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
	va_end(rest);
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long result = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_bpf && a[0] == 10) /* BPF_PROG_TEST_RUN */
		((unsigned *)a[1])[1] = 0;
	return result;
}
"""


class Doctor(NetCase):
    def examine(self, *args, **options):
        done = self.hitless("doctor", "-j", *args, **options)
        found = json.loads(done.stdout)["findings"]
        worst = max(found, key=lambda f: ("ok", "degraded", "missing").index(f["grade"]))["grade"]
        self.assertEqual(done.returncode, EXIT[worst], found)
        for finding in found:
            self.assertTrue(finding["what"] and finding["detail"], finding)
            self.assertEqual(bool(finding["remedy"]), finding["grade"] != "ok", finding)
        return {f["what"]: f for f in found}

    def bad(self, found):
        return {what: f for what, f in found.items() if f["grade"] != "ok"}

    def test_says_what_this_machine_can_do(self):
        found = self.examine()
        for what in SUPPORTED:
            self.assertIn(what, found)
        self.assertEqual(found["privilege"]["grade"], "ok")
        self.assertTrue({"tcx", "clsact", "tcx, clsact"} & found.keys())
        self.assertTrue({"bpf_rdonly_cast", "bpf_probe_read_kernel", "programs"} & found.keys())

    def test_a_kernel_that_forgets_marks(self):
        """As without CONFIG_NET_SCHED: what a program wrote into tc_index is not there when it is read."""
        shim = f"{self.state}/shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, "-x", "c", "-", "-ldl"], input=FORGETS, text=True, check=True)
        self.assertEqual(self.examine()["tc_index"]["grade"], "ok")
        self.env["LD_PRELOAD"] = shim
        if "runtime does not come first" in self.hitless("doctor").stderr:
            self.skipTest("a sanitizer has this place")
        found = self.examine()["tc_index"]
        self.assertEqual(found["grade"], "missing")
        self.assertIn("taken for twins", found["detail"])
        self.assertIn("CONFIG_NET_SCHED=y", found["remedy"])

    def test_agrees_with_what_attach_takes(self):
        found = self.examine()
        self.attach()
        liveness = {"cast": "bpf_rdonly_cast", "probe-read": "bpf_probe_read_kernel"}
        self.assertEqual(found[liveness[self.status()[0]["liveness"]]]["grade"], "ok")

    def test_changes_nothing(self):
        self.attach()
        self.status()
        before = machine()
        pins = self.pins()
        self.examine()
        unchanged(self, before)
        self.assertEqual(pins, self.pins())

    def test_makes_no_state_and_leaves_no_object(self):
        self.examine()
        wait_until(lambda: not living("prog", "hl_probe"), "its probes are gone")
        self.expect(3, "status")
        self.assertEqual(self.pins(), [])

    def test_is_quick(self):
        """It loads what attach loads, to see whether it can; so it takes a few times as long."""
        def attach():
            cost = Cost([HITLESS, "attach", "sby", "--primary", "mac"], self.env)
            self.expect(0, "detach", "sby")
            return cost
        loads, examines = in_turns(5, attach, lambda: Cost([HITLESS, "doctor", "-j"], self.env, EXIT.values()))
        figure("doctor", [cost.ms for cost in examines])
        self.assertLessEqual(least(examines, "cpu"), 8 * least(loads, "cpu"))

    def test_without_privilege(self):
        # The binary may lie where another user cannot reach it: drop capabilities, not the user.
        found = self.examine(prefix=without("net_admin", "bpf"))
        self.assertEqual(found["privilege"]["grade"], "missing")
        self.assertEqual(found["privilege"]["detail"], "without CAP_NET_ADMIN")  # SYS_ADMIN has BPF in it
        found = self.examine(prefix=without("net_admin", "bpf", "perfmon", "sys_admin"))
        self.assertEqual(found["privilege"]["detail"],
                         "without CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN")
        self.assertIn("kernel", found)

    def test_pairs_want_a_controller(self):
        self.assertEqual(self.examine()["controller"]["detail"], "none, and no pair to keep")
        self.attach()
        found = self.examine()
        self.assertEqual((found["controller"]["grade"], found["controller"]["remedy"]),
                         ("degraded", "hitless run"))
        self.assertEqual(found["pair sby"]["grade"], "ok")
        pid = self.controller().pid
        self.assertEqual(self.examine()["controller"]["detail"], f"process {pid}")

    def test_a_primary_that_is_not_used(self):
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        self.assertEqual(self.examine()["pair sby"]["grade"], "ok", "an operator decided so")
        self.expect(0, "switch", "sby", "auto")
        self.controller()
        sh("ip link set pri down")
        wait_until(lambda: "link-down" in self.status(2)[0]["veto"], "it is seen")
        found = self.examine()["pair sby"]
        self.assertEqual((found["grade"], found["remedy"]), ("degraded", "hitless explain sby"))
        self.assertIn("standby active: the kernel reports the primary down", found["detail"])
        self.expect(0, *found["remedy"].split()[1:], says="ip link set pri up")

    def test_a_controller_that_is_stopped(self):
        self.attach()
        process = self.controller()
        process.send_signal(signal.SIGSTOP)
        found = self.examine()["controller"]
        self.assertEqual((found["grade"], found["remedy"]), ("degraded", f"kill -CONT {process.pid}"))
        sh(found["remedy"])
        self.assertEqual(self.examine()["controller"]["grade"], "ok")

    def test_a_controller_without_descriptors(self):
        pid = self.controller().pid
        self.assertRegex(self.examine()["descriptors"]["detail"], rf"process {pid} uses \d+ of \d+")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 1, 4096))
        found = self.examine()["descriptors"]
        self.assertEqual(found["grade"], "degraded")
        sh(found["remedy"])
        self.assertEqual(self.examine()["descriptors"]["grade"], "ok", "the remedy mends it")

    def test_few_descriptors_for_a_controller(self):
        self.assertNotIn("descriptors", self.examine())
        found = self.examine(prefix=("prlimit", "--nofile=100"))["descriptors"]
        self.assertEqual((found["grade"], found["remedy"]), ("degraded", "ulimit -n 1024"))

    def test_a_bpffs_unmounted_under_a_controller(self):
        self.attach()
        process = self.controller()
        sh(f"umount -l {self.state}/bpf")
        found = self.examine()["bpffs"]
        self.assertEqual(found["grade"], "degraded")
        self.assertIn(f"unmounted under process {process.pid}", found["detail"])
        self.assertIn("start `hitless run` again", found["remedy"])
        self.end(process)
        self.controller()
        self.assertEqual(self.examine()["bpffs"]["grade"], "ok", "the remedy mends it")

    def test_pins_deleted_under_us(self):
        self.attach()
        (pair,) = self.pins()
        for pin in os.listdir(f"{self.state}/bpf/{pair}"):
            os.unlink(f"{self.state}/bpf/{pair}/{pin}")
        found = self.examine()[f"pair {pair}"]
        self.assertEqual(found["grade"], "degraded")
        self.assertEqual(found["remedy"], f"the pair is incomplete: `hitless detach {pair}` removes it")
        self.expect(0, "detach", pair)
        self.controller("--config", self.written('[[pair]]\nstandby = "sby"\nprimary = "mac"\n'))
        self.assertNotIn(f"pair {pair}", self.examine())
        wait_until(lambda: self.examine()["pair sby"]["grade"] == "ok", "the remedy has mended it")

    def test_any_pin_that_is_missing(self):
        self.attach()
        (pair,) = self.pins()
        for pin in os.listdir(f"{self.state}/bpf/{pair}"):
            with self.subTest(pin):
                os.unlink(f"{self.state}/bpf/{self.pins()[0]}/{pin}")
                found = [f for f in self.examine().values() if "the pair is incomplete" in f["remedy"]]
                if found:
                    self.expect(0, *re.search("`hitless ([^`]*)`", found[0]["remedy"])[1].split())
                    self.assertFalse([what for what in self.examine() if what.startswith("pair")], found)
                    self.attach()

    def test_no_room_for_state(self):
        """Each on a file system of its own in the place of the state directory."""
        self.assertEqual(self.examine()["state"]["grade"], "ok")
        sh(f"mount -t tmpfs -o size=16k tmpfs {self.state}")
        self.addCleanup(sh, f"umount -R {self.state}")
        with open(f"{self.state}/leavings", "wb", buffering=0) as file, self.assertRaises(OSError):
            while file.write(bytes(4096)):
                pass
        found = self.examine()["state"]
        self.assertEqual(found["grade"], "missing")
        self.assertIn("is full", found["detail"])
        self.expect(1, "run", "--once", says="No space left")
        os.unlink(f"{self.state}/leavings")
        self.assertEqual(self.examine()["state"]["grade"], "ok")
        sh(f"mount -o remount,ro {self.state}")
        found = self.examine()["state"]
        self.assertEqual(found["grade"], "missing")
        self.assertIn("read-only", found["detail"])
        sh(found["remedy"])
        self.assertEqual(self.examine()["state"]["grade"], "ok", "the remedy mends it")

    def test_configuration(self):
        self.assertEqual(self.examine()["configuration"]["grade"], "ok", "none is needed")
        file = self.written('[[pair]]\nstandby = "sby"\nprimary = "mac"\n[[pair]]\nstandby = "nosuch"\n')
        found = self.examine("--config", file)["configuration"]
        self.assertEqual((found["grade"], found["detail"]), ("ok", "2 pairs are named, 1 of them match nothing now"))
        for text, says in (("stand_by = 1\n", f"{file}:1:1: unknown key 'stand_by'"), ("[[pair]\n", f"{file}:1:")):
            found = self.examine("--config", self.written(text))["configuration"]
            self.assertEqual(found["grade"], "missing")
            self.assertIn(says, found["detail"])
            self.assertIn(f"hitless run --check --config {file}", found["remedy"])
            self.expect(1, "run", "--check", "--config", file, says=says)
        found = self.examine("--config", "/nowhere")["configuration"]
        self.assertEqual(found["grade"], "missing")

    def written(self, text):
        file = f"{self.state}.toml"
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        self.addCleanup(lambda: os.path.exists(file) and os.unlink(file))
        return file

    def test_foreign_filters_on_a_standby(self):
        self.attach()
        program = self.compiled("tc")
        sh(f"tc qdisc add dev sby clsact && tc filter add dev sby egress bpf da obj {program} sec tc")
        found = self.examine()["pair sby"]
        self.assertEqual(found["grade"], "degraded")
        self.assertIn("clsact filters", found["detail"])
        self.assertEqual(found["remedy"], "hitless convert sby --model two --gap")
        sh(found["remedy"].replace("hitless", f"HITLESS_STATE_DIR={self.state} {self.binary}"))
        self.assertEqual(self.examine()["pair sby"]["grade"], "ok", "the remedy mends it")

    def test_foreign_xdp_on_a_member(self):
        self.attach()
        program = self.compiled("xdp")
        sh(f"ip link set pri xdpgeneric obj {program} sec xdp")
        found = self.examine()["pair sby"]
        self.assertEqual(found["grade"], "degraded")
        self.assertIn("filters what comes in by pri", found["detail"])
        self.assertIn("bpftool net attach xdpgeneric id ", found["remedy"], "not: to switch the filter off")
        sh(found["remedy"])
        self.assertNotIn("filters what comes in by", self.examine()["pair sby"]["detail"], "the remedy mends it")

    def compiled(self, section):
        """An object with one program that lets everything pass: -1 in tc, which ends no chain, 2 in XDP."""
        program = f"{self.state}/{section}.o"
        sh(f"echo '__attribute__((section(\"{section}\"))) int p(void *c) "
           f"{{ return {2 if section == 'xdp' else -1}; }}' | clang-14 -target bpf -O2 -x c - -c -o {program}")
        return program

    def test_text(self):
        done = self.hitless("doctor")
        self.assertRegex(done.stdout, r"(?m)^ok        kernel +\d")
        for line in done.stdout.splitlines():
            self.assertRegex(line, r"^(ok      |degraded|MISSING )  \S|^ {7}-> \S")


if __name__ == "__main__":
    unittest.main()
