# SPDX-License-Identifier: BSD-2-Clause
"""A Debian guest without a hypervisor: systemd as process 1 in mount, pid, uts and network namespaces, on
an overlay of a cached root. Its udevd gets the kernel's own events of its NICs; the network on the other
side of them is another namespace, with a bridge and a DHCP server."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(f"{HERE}/../../tests/cli")
from shell import sh, wait_until  # noqa: E402

ROOT = os.environ.get("HLD_ROOT", "")
PACKAGE = os.environ.get("HLD_PACKAGE", "")
MAC = "02:00:00:00:00:01"
ADDRESS, GATEWAY = "192.0.2.50", "192.0.2.1"

# Only NICs are the guest's own; the machine's disks and settings are not its business.
COLDPLUG = """[Service]
ExecStart=
ExecStart=udevadm trigger --type=all --action=add --subsystem-match=net
"""
MASKED = ("systemd-sysctl.service", "systemd-modules-load.service", "systemd-timesyncd.service",
          "systemd-networkd-wait-online.service", "NetworkManager-wait-online.service", "getty.target",
          "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer")
MANAGERS = ("NetworkManager.service", "networking.service", "systemd-networkd.service",
            "systemd-networkd.socket")
# Pairs here are veth, which are not on PCI: they are asked for by name.
CONFIG = '[[pair]]\nstandby = "eth0"\nprimary = "mac"\n'


def defined(path, pattern):
    """A text of the product's, from the place where it is defined: a test that waits for a copy rots. That every
    one of them is still there is a test of scripts/test (tests/packaging)."""
    with open(f"{HERE}/../../{path}", encoding="utf-8") as source:
        found = re.findall(pattern, source.read())
    if len(found) != 1:
        raise LookupError(f"{path} has {len(found)} places for {pattern}")
    return found[0]


def cgroup_root():
    with open("/proc/self/mountinfo") as mounts:
        return next(line.split()[4] for line in mounts if " - cgroup2 " in line)


class Guest:
    counter = 0

    def __init__(self, managers=(), package=True, files=(), nics=("eth0", "eth1")):
        Guest.counter += 1
        self.name = f"hld{os.getpid()}-{Guest.counter}"
        self.far = f"{self.name}-far"
        self.work = tempfile.mkdtemp(prefix="hitless-distro-")
        self.cgroup = f"{cgroup_root()}/{self.name}"
        self.pid = self.process = self.dhcp = None
        try:
            self.make_network(nics)
            self.write_files(managers, files)
            self.start(package)
        except BaseException:
            self.stop()
            raise

    def make_network(self, nics):
        sh(f"ip netns add {self.name} && ip netns add {self.far} && ip -n {self.name} link set lo up && "
           f"ip -n {self.far} link add br0 type bridge && ip -n {self.far} link set br0 up && "
           f"ip -n {self.far} addr add {GATEWAY}/24 dev br0")
        for name in nics:
            self.add_nic(name)
        self.dhcp = subprocess.Popen(
            ["ip", "netns", "exec", self.far, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
             "--interface=br0", f"--dhcp-range={ADDRESS},{ADDRESS}", f"--dhcp-host={MAC},id:*,{ADDRESS}",
             f"--dhcp-leasefile={self.work}/leases", "--pid-file=", "--user=root"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add_nic(self, name):
        """Hot-plug: the guest's kernel sees a new NIC with the MAC that all of its NICs have."""
        sh(f"ip -n {self.far} link add f-{name} type veth peer name {name} address {MAC} netns {self.name} && "
           f"ip -n {self.far} link set f-{name} master br0 up")

    def remove_nic(self, name):
        sh(f"ip -n {self.name} link del {name}")

    def write_files(self, managers, files):
        systemd = f"{self.work}/upper/etc/systemd/system"
        os.makedirs(f"{systemd}/systemd-udev-trigger.service.d")
        for unit in (*MASKED, *(set(MANAGERS) - set(managers))):
            os.symlink("/dev/null", f"{systemd}/{unit}")
        os.makedirs(f"{systemd}/multi-user.target.wants")
        for unit in managers:
            template = re.sub("@.*[.]", "@.", unit)
            os.symlink(f"/lib/systemd/system/{template}", f"{systemd}/multi-user.target.wants/{unit}")
        for path, text in {f"/etc/systemd/system/systemd-udev-trigger.service.d/net.conf": COLDPLUG,
                           "/etc/hitless/hitless.toml": CONFIG,
                           "/etc/default/hitless": "HITLESS_RUN=--config /etc/hitless/hitless.toml\n",
                           "/etc/hostname": "guest\n", "/etc/cloud/cloud-init.disabled": "",
                           **dict(files)}.items():
            if text is None:
                continue
            os.makedirs(os.path.dirname(self.work + "/upper" + path), exist_ok=True)
            with open(f"{self.work}/upper{path}", "w") as file:
                file.write(text)

    def start(self, package):
        os.mkdir(self.cgroup)

        def enter_cgroup():
            with open(f"{self.cgroup}/cgroup.procs", "w") as procs:
                procs.write("0")
        with open(f"{self.work}/boot.log", "w") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork",
                 "--kill-child", "--propagation", "private", f"{HERE}/boot", ROOT, self.work,
                 *([PACKAGE] if package else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter_cgroup)

        def pid_one():
            if self.process.poll() is not None:
                with open(f"{self.work}/boot.log") as file:
                    raise AssertionError("the guest did not boot: " + file.read())
            children = sh(f"pgrep -P {self.process.pid} -x systemd", check=False).split()
            return children and int(children[0])
        self.pid = wait_until(pid_one, "systemd is process 1", 60)
        wait_until(lambda: self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"),
                   "the guest has booted", 60)

    def run(self, command, check=True):
        return sh(f"nsenter -t {self.pid} -a sh -c {shell_quote(command)}", check)

    def status(self):
        text = self.run("hitless status -j", check=False)
        return json.loads(text)["pairs"] if text.startswith("{") else []

    def addresses(self, name):
        links = json.loads(self.run(f"ip -j addr show dev {name} scope global", check=False) or "[]")
        return [a["local"] for link in links for a in link.get("addr_info", []) if "local" in a]

    def journal(self, unit):
        return self.run(f"journalctl --no-pager -u {unit}", check=False)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        if self.dhcp:
            self.dhcp.kill()
            self.dhcp.wait()
        for name in (self.name, self.far):
            sh(f"ip netns del {name}", check=False)
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            wait_until(lambda: not rmdir(folder), f"{folder} is empty")
        shutil.rmtree(self.work, ignore_errors=True)


def rmdir(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        return error
    return None


def shell_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


class Ping:
    """500 echo requests a second to the guest; both directions count."""

    def __init__(self, guest):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", guest.far, "ping", "-q", "-n", "-i", "0.002", ADDRESS],
            stdout=subprocess.PIPE, text=True)

    def end(self):
        """(sent, lost)"""
        self.process.send_signal(2)
        text = self.process.communicate(timeout=10)[0]
        sent, got = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
        return sent, sent - got


@unittest.skipUnless(os.geteuid() == 0 and ROOT, "needs root; start it by selftests/distro/run")
class DistroCase(unittest.TestCase):
    """One guest a class: `options` are the guest's."""
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.guest = Guest(**cls.options)
        cls.addClassCleanup(cls.guest.stop)

    def wait_paired(self):
        return wait_until(lambda: next((p for p in self.guest.status() if p["active"] == "primary"), None),
                          "the pair uses its primary")

    def replug(self):
        """The primary goes and a new one comes."""
        before = self.wait_paired()["primary"]["ifindex"]
        self.guest.remove_nic("eth1")
        self.guest.add_nic("eth1")
        after = self.wait_paired()["primary"]["ifindex"]
        self.assertNotEqual(before, after)
        self.guest.run("udevadm settle")
