# SPDX-License-Identifier: BSD-2-Clause
"""Models with a private namespace under systemd: the units as they are refuse them, and change nothing; with the
packaged example models.conf they are made, kept and given back."""
import json

from bed import ADDRESS, HERE, defined, sh, wait_until
from test_package import STATIC, PackageCase, say

UNIT = "hitless-attach@eth0.service"
UNITS = ("hitless.service", "hitless-attach@.service")
NETNS = "loader/kernel/netns/private_netns.cpp"
EXAMPLE = defined(NETNS, r'"(/usr/share/doc/hitless/examples/models.conf)\b')
REFUSED = defined(NETNS, r'"(the machine.s own mounts are out of sight[^"]*)"')
CANNOT_ENTER = defined(NETNS, r'"(enter a pair.s network namespace)"')


def making(model, files=()):
    """Options of a guest that makes a pair at boot. Its controller has no rules: it keeps what it finds."""
    return {"managers": ("networking.service", UNIT),
            "files": {"/etc/hitless/hitless.toml": None, "/etc/default/hitless": None,
                      "/etc/network/interfaces": STATIC,
                      "/etc/default/hitless-attach": f"HITLESS_ATTACH=--primary mac --model {model}\n", **dict(files)}}


def drop_in(unit):
    return f"/etc/systemd/system/{unit}.d/models.conf"


class ModelsCase(PackageCase):
    def links(self):
        """What the user sees: name, number, MAC, up, addresses."""
        return {link["ifname"]: (link["ifindex"], link["address"], "UP" in link["flags"],
                                 self.guest.addresses(link["ifname"]))
                for link in json.loads(self.guest.run("ip -j link"))}

    def namespaces(self):
        return [line.split()[0] for line in self.guest.run("ip netns").splitlines()]

    def gives_back(self):
        self.guest.run(f"systemctl stop {UNIT}")
        self.assertEqual(self.show(UNIT, "ActiveState"), ["inactive"])
        self.assertEqual(set(self.links()), {"lo", "eth0", "eth1"})
        self.assertEqual((self.guest.addresses("eth0"), self.namespaces(), self.guest.status()), ([ADDRESS], [], []))
        self.unharmed("given back", lambda: None)


class Hidden(ModelsCase):
    options = making("hidden")

    def test_1_refused_by_the_units_as_they_are_and_nothing_changes(self):
        before = self.links()
        self.unharmed("refused", lambda: self.guest.run(f"systemctl start {UNIT}", check=False))
        self.assertEqual(self.show(UNIT, "ActiveState", "Result"), ["failed", "exit-code"])
        said = self.guest.journal(UNIT)
        self.assertIn(REFUSED, said)
        self.assertIn(EXAMPLE, said, "and the way out")
        self.assertEqual((self.links(), self.namespaces(), self.guest.status()), (before, [], []))

    def test_2_made_with_the_example(self):
        for unit in UNITS:
            self.guest.run(f"install -D -m 644 {EXAMPLE} {drop_in(unit)}")
        self.guest.run("sysctl -q net.ipv4.conf.eth0.arp_announce=2 && systemctl daemon-reload && "
                       f"systemctl restart hitless.service && systemctl start {UNIT}")
        self.assertEqual(self.wait_paired()["model"], "hidden")
        self.assertEqual(self.show(UNIT, "ActiveState", "SubState"), ["active", "exited"])
        self.assertEqual(set(self.links()), {"lo", "fo-eth0"})
        self.assertEqual(self.guest.addresses("fo-eth0"), [ADDRESS])
        self.assertEqual(self.guest.run("sysctl -n net.ipv4.conf.fo-eth0.arp_announce").strip(), "2", "sysctls travel")
        (there,) = self.namespaces()
        self.assertIn("eth1", self.guest.run(f"ip -n {there} link"), "people can look into it, outside the unit")
        silent = self.guest.run(f"ip netns exec {there} sysctl -n net.ipv6.conf.default.disable_ipv6")
        self.assertEqual(silent.strip(), "1", "nothing there speaks IPv6")

    def test_3_kept_by_the_controller(self):
        """Carrier loss and a hot-add: both end in the private namespace."""
        for lost, returned in (("set f-eth1 down", lambda: sh(f"ip -n {self.guest.far} link set f-eth1 up")),
                               ("del f-eth1", lambda: self.guest.add_nic("eth1"))):
            self.wait_paired()
            sh(f"ip -n {self.guest.far} link {lost}")
            wait_until(lambda: self.guest.status()[0]["active"] == "standby", "the standby is used")
            returned()
            self.wait_paired()
        self.unharmed("kept", lambda: self.guest.run("systemctl restart hitless.service"))
        self.wait_paired()

    def test_4_a_controller_without_it_says_so_and_harms_nothing(self):
        self.guest.run(f"rm {drop_in('hitless.service')} && systemctl daemon-reload")
        self.unharmed("not kept", lambda: self.guest.run("systemctl restart hitless.service"))
        said = self.guest.journal("hitless.service")
        self.assertIn(f"{CANNOT_ENTER}: Operation not permitted", said)

    def test_5_stopped_it_gives_all_back(self):
        self.gives_back()


class OneAtBoot(ModelsCase):
    with open(f"{HERE}/../../packaging/systemd/models.conf") as file:
        options = making("one", dict.fromkeys(map(drop_in, UNITS), file.read()))

    def test_1_made_before_anybody_configures_the_nic(self):
        self.assertEqual(self.wait_paired()["model"], "one")
        made, network = (int(*self.show(unit, stamp)) for unit, stamp in (
            (UNIT, "ActiveEnterTimestampMonotonic"), ("networking.service", "InactiveExitTimestampMonotonic")))
        say(f"{UNIT}: {(network - made) / 1e3:.0f} ms before networking.service")
        self.assertLess(made, network)
        self.assertEqual(set(self.links()), {"lo", "eth0"})
        self.assertEqual(self.guest.addresses("eth0"), [ADDRESS])
        self.unharmed("one", lambda: self.guest.run("systemctl restart hitless.service"))
        self.assertEqual(self.show(UNIT, "ActiveState"), ["active"])

    def test_2_stopped_it_gives_all_back(self):
        """The standby was down when it was attached, and up as the failover device since."""
        self.gives_back()
