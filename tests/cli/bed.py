# SPDX-License-Identifier: BSD-2-Clause
"""What the CLI tests stand on: a network namespace with NICs, the binary, a look at the machine.

The process has mounts of its own, so a test that is killed leaves no mount, and every test enters a
network namespace of its own, so that subprocesses are in it without more ado.
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from shell import sh, wait_until  # noqa: F401 (tests have them from here)

HITLESS = os.environ.get("HITLESS", "hitless")
HERE = os.path.dirname(os.path.abspath(__file__))
MAC = "02:00:00:00:00:01"

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1


def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def isolate_mounts():
    """And goes on as a child: mounts last where a parent has them too, as those of a shell do. What one process
    alone has (`ip netns exec`) is no place for state, and hitless goes to where its ancestors are."""
    must(libc.unshare(CLONE_NEWNS))
    must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xff)
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))


if os.geteuid() == 0:
    isolate_mounts()

needs_root = unittest.skipUnless(os.geteuid() == 0,
                                 "needs root, for network namespaces and BPF programs")


def netns_cookie():
    """The number by which hitless tells namespaces apart."""
    so_netns_cookie = 71
    with socket.socket(socket.AF_UNIX) as probe:
        return struct.unpack("=Q", probe.getsockopt(socket.SOL_SOCKET, so_netns_cookie, 8))[0]


def oldest_ancestor():
    """Among whose mounts the product keeps what people shall see: process 1, or what a container shows of it."""
    pid = os.getpid()
    while True:
        with open(f"/proc/{pid}/stat") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        if not parent or not os.access(f"/proc/{parent}/ns/mnt", os.R_OK):
            return pid
        pid = parent


class Case(unittest.TestCase):
    """A test that only needs the binary."""
    maxDiff = None
    binary = HITLESS
    env = {**os.environ, "LC_ALL": "C", "COLUMNS": "80"}

    def hitless(self, *args, prefix=(), **options):
        return subprocess.run([*prefix, self.binary, *args], capture_output=True, text=True, errors="replace",
                              timeout=120, env=self.env, **options)

    def expect(self, code, *args, says=(), **options):
        """Runs and checks exit code and what must be said where: errors on stderr only."""
        done = self.hitless(*args, **options)
        shown = f"hitless {' '.join(args)}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, code, shown)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, done.stderr if code in (1, 64, 75, 77) else done.stdout, shown)
        if code in (1, 64, 75, 77) and args[:1] != ("doctor",):
            self.assertEqual(done.stdout, "", shown)
        return done

    def golden(self, name, text):
        """Compares with golden/NAME; UPDATE_GOLDEN=1 writes it instead."""
        path = os.path.join(HERE, "golden", name)
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), text, f"{path}; UPDATE_GOLDEN=1 ctest -R cli.help renews it")


@needs_root
class NetCase(Case):
    """A test in a namespace with two NICs of one MAC, sby and pri, whose far ends are there too."""
    counter = 0

    def setUp(self):
        NetCase.counter += 1
        self.netns = f"hlt-{os.getpid()}-{NetCase.counter}"
        self.state = tempfile.mkdtemp(prefix="hitless-test-")
        self.env = {**Case.env, "HITLESS_STATE_DIR": self.state}
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        sh(f"ip netns add {self.netns}")
        self.addCleanup(self.tidy_up, home)
        with open(f"/run/netns/{self.netns}") as there:
            must(libc.setns(there.fileno(), CLONE_NEWNET))
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
        sh(f"ip link add sby address {MAC} type veth peer name sby_far && "
           f"ip link add pri address {MAC} type veth peer name pri_far && ip link set lo up && "
           "for i in sby sby_far pri pri_far; do ip link set $i up; done")

    def tidy_up(self, home):
        must(libc.setns(home, CLONE_NEWNET))
        os.close(home)
        sh(f"ip netns del {self.netns}")
        subprocess.run(["umount", "-l", f"{self.state}/bpf"], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.state)

    def attach(self, *args):
        self.expect(0, "attach", "sby", "--primary", "mac", *args)

    def status(self, *codes):
        done = self.hitless("status", "-j")
        self.assertIn(done.returncode, codes or (0,), done.stdout + done.stderr)
        return json.loads(done.stdout)["pairs"]

    def pins(self):
        return sorted(name for name in os.listdir(f"{self.state}/bpf") if "." not in name) \
            if os.path.ismount(f"{self.state}/bpf") else []

    def controller(self, *args, prefix=()):
        """A running `hitless run` that has taken in what there is; killed at the end of the test."""
        log = tempfile.TemporaryFile("w+")
        self.addCleanup(log.close)
        # By a path, as systemd's: it is the same in all network namespaces.
        with tempfile.TemporaryDirectory(prefix="hitless-notify-") as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
            manager.bind(f"{folder}/notify")
            process = subprocess.Popen([*prefix, HITLESS, "run", *args], env={**self.env, "NOTIFY_SOCKET": f"{folder}/notify"},
                                       stdout=log, stderr=log)
            self.addCleanup(self.end, process)
            wait_until(lambda: process.poll() is not None or self.is_ready(manager), "the controller is ready")
        process.log = log
        return process

    @staticmethod
    def is_ready(manager):
        """It was told so, as systemd is."""
        try:
            return b"READY=1" in manager.recv(4096)
        except BlockingIOError:
            return False

    @staticmethod
    def said(process):
        """By a controller, until now."""
        with open(f"/proc/self/fd/{process.log.fileno()}", encoding="utf-8") as log:
            return log.read()

    def owner(self):
        name = next((n for n in os.listdir(self.state) if n.startswith("controller-")), None)
        if not name:
            return None
        with open(f"{self.state}/{name}") as file:
            return int(file.readline() or 0)

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)
