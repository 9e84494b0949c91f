# SPDX-License-Identifier: BSD-2-Clause
"""hitless-host.service under systemd: a hypervisor whose guest is another namespace, under traffic. Confined as it is
packaged it serves; restarted, killed or hung, nothing is lost and what was requested stands."""
import glob
import json
import os
import sys

from bed import PACKAGE, DistroCase, sh, wait_until

UNIT = "hitless-host.service"
GUEST_MAC = "52:54:00:77:01:02"
CONFIG = f"""[[guest]]
name = "web1"
mac = "{GUEST_MAC}"
standby = "tap1"
primary = {{ port = "vf1" }}
"""
COUNTED = 500  # echo requests around what is done, at 500 a second


class Host(DistroCase):
    """In the order of the names. The Debian is the hypervisor; `hitless run` in the guest is of the same package."""
    options = {"package": False, "files": {"/etc/hitless/host.toml": CONFIG, "/etc/default/hitless": None,
                                           "/etc/hitless/hitless.toml": None}}

    def show(self, name):
        return self.guest.run(f"systemctl show -P {name} {UNIT}").strip()

    def main_pid(self):
        return int(self.show("MainPID"))

    def requested(self):
        text = self.guest.run("hitless host status web1 -j", check=False)
        return json.loads(text)["guests"][0] if text.startswith("{") else {}

    def carry_out(self, verb):
        self.guest.run(f"hitless host {verb} web1 --wait --timeout 30")

    def sent(self):
        return int(self.guest.run("cat /sys/class/net/uplink/statistics/tx_packets"))

    def unharmed(self, what, act):
        before = self.sent()
        ping = self.guest.run("ip netns exec web1 ping -n -q -i 0.002 -W 1 192.0.2.1 >/tmp/ping 2>&1 & echo $!").strip()
        wait_until(lambda: self.sent() >= before + COUNTED, "traffic")
        act()
        after = self.sent()
        wait_until(lambda: self.sent() >= after + COUNTED, "traffic")
        self.guest.run(f"kill -INT {ping}; while kill -0 {ping} 2>/dev/null; do sleep 0.01; done")
        said = self.guest.run("grep transmitted /tmp/ping").split()
        print(f"\n  {what}: {said[0]} sent, {said[3]} answered", file=sys.stderr)
        self.assertLessEqual(int(said[0]) - int(said[3]), 1, "what is under way when ping ends")

    def test_1_installed_it_serves(self):
        for name in ("hitless", "hitless-host"):
            deb = glob.glob(f"{os.path.dirname(PACKAGE)}/{name}_*.deb")[0]
            sh(f"cp {deb} /proc/{self.guest.pid}/root/root/{name}.deb")
        self.guest.run(
            "ip link add br0 type bridge && ip link set br0 up && ip netns add web1 && "
            f"ip link add tap1 type veth peer name standby address {GUEST_MAC} netns web1 && "
            f"ip link add vf1 type veth peer name primary address {GUEST_MAC} netns web1 && "
            "ip link add uplink type veth peer name lan && ip addr add 192.0.2.1/24 dev lan && "
            "for p in tap1 vf1 uplink; do ip link set $p master br0 up; done && ip link set lan up && "
            "ip -n web1 link set standby up && ip -n web1 link set primary up && "
            "ip -n web1 addr add 192.0.2.2/24 dev standby")
        self.guest.run("dpkg -i /root/hitless.deb /root/hitless-host.deb")
        wait_until(lambda: self.show("SubState") == "running", f"{UNIT} runs")
        self.assertEqual([self.show(name) for name in ("Type", "WatchdogUSec")], ["notify", "30s"])
        self.guest.run(f"systemd-analyze security --threshold=20 {UNIT}")  # of 100
        self.guest.run("hitless -n web1 attach standby --primary mac && "
                       "systemd-run --unit hitless-web1 hitless -n web1 run --config /dev/null")
        self.carry_out("give")
        self.carry_out("take")
        self.carry_out("give")

    def test_2_restarted_it_goes_on(self):
        for verb, want in (("take", "standby"), ("give", "primary")):
            self.carry_out(verb)
            before = self.main_pid()
            self.unharmed(f"restarted after a {verb}", lambda: self.guest.run(f"systemctl restart {UNIT}"))
            self.assertNotEqual(self.main_pid(), before)
            wait_until(lambda: self.requested().get("as_requested"), "as it was requested")
            self.assertEqual(self.requested()["want"], want)

    def test_3_killed_it_comes_back(self):
        before = self.main_pid()

        def kill():
            self.guest.run(f"systemctl kill -s KILL {UNIT}")
            wait_until(lambda: self.main_pid() not in (0, before), "systemd has started another")
        self.unharmed("killed", kill)
        wait_until(lambda: self.requested().get("as_requested"), "as it was requested")

    def test_4_one_that_hangs_is_ended_by_the_watchdog(self):
        """With a watchdog of one second for this test."""
        self.guest.run(f"mkdir -p /run/systemd/system/{UNIT}.d && printf '[Service]\\nWatchdogSec=1\\n' "
                       f"> /run/systemd/system/{UNIT}.d/quick.conf && systemctl daemon-reload && systemctl restart {UNIT}")
        before = self.main_pid()

        def hang():
            self.guest.run(f"kill -STOP {before}")
            wait_until(lambda: self.main_pid() not in (0, before), "the watchdog has replaced it")
        self.unharmed("hung", hang)
        self.assertIn("Watchdog timeout", self.guest.journal(UNIT))
        wait_until(lambda: self.requested().get("as_requested"), "as it was requested")
        self.carry_out("take")

    def test_5_a_mistake_is_said_and_the_rest_served(self):
        self.guest.run("echo 'want = 7' >> /etc/hitless/host.toml")
        self.guest.run(f"systemctl reload {UNIT}")
        wait_until(lambda: "host.toml:6:8" in self.guest.journal(UNIT), "the place is named")
        self.assertEqual(self.requested()["want"], "standby")
