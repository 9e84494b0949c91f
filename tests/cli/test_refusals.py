# SPDX-License-Identifier: BSD-2-Clause
"""Every bad request: the exit code, the reason and the way out, and a machine that is as before."""
import os
import re
import socket
import struct
import unittest

from bed import MAC, NetCase, sh, wait_until
from machine import living, machine, objects_at, unchanged


class Refusals(NetCase):
    def setUp(self):
        super().setUp()
        sh(f"ip link add oth address {MAC} type veth peer name odd && "
           "ip link set oth up && ip link set odd up")
        self.before = machine()

    def refused(self, *line, says, code=1, prefix=()):
        self.expect(code, *line, says=["hitless: ", *says], prefix=prefix)
        unchanged(self, self.before)
        self.assertEqual(self.pins(), [])

    def test_unknown_interface(self):
        self.refused("attach", "nope", says=["attach to nope: there is no such interface", "`ip link`"])
        self.refused("attach", "sby", "--primary", "nope", says=["pair sby with nope: there is no such"])
        self.refused("detach", "nope", says=["the pair of nope: there is no such interface"])
        self.refused("status", "nope", says=["the pair of nope: there is no such interface"])
        self.refused("switch", "nope", "auto", says=["the pair of nope: there is no such interface"])
        self.refused("attach", "a-name-longer-than-any", says=["there is no such interface"])
        self.refused("attach", "", says=["there is no such interface"])
        self.refused("-n", "no-such-netns", "status", says=["no-such-netns", "`ip netns`"])

    def test_nothing_attached(self):
        self.expect(3, "status", says="nothing attached")
        self.refused("status", "sby", says=["none is attached to it", "`hitless attach sby`"])
        self.refused("detach", "sby", says=["none is attached to it", "`hitless attach sby`"])
        self.refused("switch", "sby", "auto", says=["none is attached to it", "`hitless attach sby`"])
        self.expect(0, "detach", "--all")
        self.expect(0, "events")
        unchanged(self, self.before)

    def test_standby_is_primary(self):
        self.refused("attach", "sby", "--primary", "sby",
                     says=["standby and primary are one device; name two"])

    def test_different_macs(self):
        self.refused("attach", "sby", "--primary", "odd",
                     says=["their MACs differ", MAC, f"ip link set odd address {MAC}"])

    def test_loopback(self):
        self.refused("attach", "lo", says=["pair lo: it is no Ethernet device; name the paravirtual NIC"])
        self.refused("attach", "sby", "--primary", "lo", says=["sby with lo: ", "Ethernet"])

    def test_nics_that_have_a_master(self):
        sh("ip link add br0 type bridge && ip link set pri master br0")
        self.before = machine()
        self.refused("attach", "sby", "--primary", "pri",
                     says=["pri belongs to a bridge; ip link set pri nomaster"])
        self.refused("attach", "pri", says=["it belongs to a bridge", "ip link set pri nomaster"])
        sh("ip link del br0")

    def test_stacked_device(self):
        sh(f"ip link add br0 address {MAC} type bridge")
        self.before = machine()
        self.refused("attach", "sby", "--primary", "br0", says=["br0 is stacked on other devices (bridge)"])

    def test_what_stands_on_a_standby_that_is_not_the_master(self):
        """Also a tunnel whose device only the data of its kind tells; the kernel would remove it."""
        for kind in ("macvlan mode bridge", "macvtap", "vxlan id 5 dev sby remote 192.0.2.1 dstport 4789"):
            link = "" if "dev" in kind else "link sby"
            sh(f"ip link add up0 {link} type {kind}")
            self.before = machine()
            for model in ("three", "hidden", "one"):
                with self.subTest(kind=kind, model=model):
                    self.refused("attach", "sby", "--primary", "pri", "--model", model,
                                 says=["attach sby: up0 stands on it and would hear nothing", "the model two"])
            sh("ip link del up0")

    def test_a_tunnel_on_the_primary(self):
        sh("ip link add up0 type vxlan id 5 dev pri remote 192.0.2.1 dstport 4789")
        self.before = machine()
        self.refused("attach", "sby", "--primary", "pri", says=["up0 stands on pri", "ip link del up0"])

    def test_primary_that_names_no_device(self):
        self.refused("attach", "sby", "--primary", "pci:nonsense", says=["use auto (same MAC, on PCI), mac"])
        self.refused("attach", "sby", "--primary", "", says=["use auto (same MAC, on PCI), mac"])

    def test_several_candidates(self):
        self.refused("attach", "sby", "--primary", "mac", says=["2 devices match 'mac'", "pri", "oth",
                                                                "--primary"])

    def test_state_directory_that_cannot_be(self):
        with open(f"{self.state}/bpf", "w"):
            pass
        self.refused("attach", "sby", "--primary", "pri", says=[f"{self.state}/bpf", "Not a directory"])
        self.env["HITLESS_STATE_DIR"] = "/proc/nowhere"
        self.refused("attach", "sby", "--primary", "pri",
                     says=["create /proc/nowhere: ", "HITLESS_STATE_DIR"])
        os.unlink(f"{self.state}/bpf")
        self.env["HITLESS_STATE_DIR"] = f"{self.state}/file"
        with open(f"{self.state}/file", "w"):
            pass
        self.refused("attach", "sby", "--primary", "pri", says=["file", "Not a directory"])

    def test_read_only_file_system(self):
        sh(f"mount -t tmpfs -o ro none {self.state}")
        self.addCleanup(sh, f"umount {self.state}")
        self.before = machine()
        self.refused("attach", "sby", "--primary", "pri", says=["Read-only file system", "HITLESS_STATE_DIR"])
        self.refused("run", "--once", says=["Read-only file system", "HITLESS_STATE_DIR"])


class InAPair(NetCase):
    """Refusals while a pair stands, which must go on as if nothing had been asked."""

    def setUp(self):
        super().setUp()
        sh(f"ip link add oth address {MAC} type veth peer name odd && "
           "ip link set oth up && ip link set odd up")
        self.expect(0, "attach", "sby", "--primary", "pri")
        self.before = machine()
        self.pinned = self.pins()

    def refused(self, *line, says, code=1):
        self.expect(code, *line, says=says)
        self.assertEqual(self.pins(), self.pinned)
        self.assertTrue(self.status()[0]["healthy"])
        unchanged(self, self.before)

    def test_a_nic_belongs_to_one_pair(self):
        self.refused("attach", "sby", "--primary", "pri",
                     says=["sby: it is the standby of a pair already", "`hitless status sby`"])
        self.refused("attach", "pri", "--primary", "oth",
                     says=["pri: it is the primary of sby", "`hitless detach sby` first"])
        self.refused("attach", "oth", "--primary", "pri",
                     says=["pri: it is the primary of sby", "`hitless detach sby` first"])
        self.refused("attach", "oth", "--primary", "sby",
                     says=["sby: it is the standby of a pair already"])

    def test_second_controller(self):
        first = self.controller()
        self.before = machine()
        pid = str(first.pid)
        self.refused("run", code=75, says=[f"process {pid} is", f"`kill {pid}`"])
        self.refused("run", "--once", code=75, says=[pid])
        self.assertIsNone(first.poll())
        self.assertEqual(self.end(first), 0)
        self.assertIsNone(self.owner())
        self.assertTrue(self.status()[0]["healthy"], "the datapath stays in force")
        self.expect(0, "run", "--once")

    def test_a_controller_that_was_killed_is_no_obstacle(self):
        first = self.controller()
        first.kill()
        first.wait()
        self.assertEqual(self.end(self.controller()), 0)


class Vanished(NetCase):
    def test_primary(self):
        self.attach()
        sh("ip link del pri")
        pair = self.status(2)[0]
        self.assertEqual((pair["active"], pair["primary"]["present"]), ("standby", False))
        self.assertIn("the primary pri is gone", pair["problems"][0])
        self.expect(0, "detach", "sby")
        self.assertEqual(self.pins(), [])

    def test_standby(self):
        self.attach()
        sh("ip link del sby")
        pair = self.status(2)[0]
        self.assertIn("sby is gone", pair["problems"][0])
        self.expect(1, "detach", "sby", says=["there is no such interface", "`hitless status`"])
        self.expect(0, "detach", pair["name"])
        self.assertEqual(self.pins(), [])

    def test_both(self):
        self.attach()
        sh("ip link del sby && ip link del pri")
        self.status(2)
        self.expect(0, "detach", "--all")
        self.expect(3, "status")

    def test_a_name_that_another_device_took(self):
        self.attach()
        sh("ip link set sby down && ip link set sby name old && ip link set old up && "
           f"ip link add sby address {MAC} type veth peer name odd")
        self.assertEqual(self.status()[0]["name"], "old")
        self.expect(1, "detach", "sby", says="none is attached to it")
        self.expect(0, "detach", "old")


class OnTheFailoverDevice(NetCase):
    """What people have made on the failover device ends with it, or loses it."""

    def made(self, model):
        self.attach("--model", model)
        master = "sby" if model == "one" else "fo-sby"
        sh(f"ip link add mv0 link {master} type macvlan mode bridge")
        return master

    def test_convert_refuses(self):
        for model in ("three", "hidden", "one"):
            with self.subTest(model):
                master = self.made(model)
                before = machine()
                self.expect(1, "convert", "sby", "--model", "two", "--gap",
                            says=[f"convert {master}: mv0 stands on it and would be lost", "`ip link del mv0`"])
                unchanged(self, before)
                sh(f"ip link del mv0 && ip link add br9 type bridge && ip link set {master} master br9")
                self.expect(1, "convert", "sby", "--model", "two", "--gap",
                            says=["it is a port of br9, which would lose it", f"`ip link set {master} nomaster`"])
                sh("ip link del br9")
                self.expect(0, "convert", "sby", "--model", "two", "--gap")
                self.expect(0, "detach", "sby")

    def test_detach_names_it(self):
        for model in ("three", "hidden", "one"):
            for how in (["sby"], ["--all"]):
                with self.subTest(model=model, how=how):
                    master = self.made(model)
                    done = self.expect(0, "detach", *how)
                    self.assertIn(f"mv0 stood on {master}, which goes: what is still needed must be made again on sby",
                                  done.stderr)
                    self.attach("--model", model)
                    sh(f"ip link add br9 type bridge && ip link set {master} master br9")
                    done = self.expect(0, "detach", *how)
                    self.assertIn(f"br9 had the port {master}, which goes: `ip link set sby master br9`", done.stderr)
                    sh("ip link del br9")


class Groups(NetCase):
    """A socket stays in its groups where it joined them."""

    def joined(self, dev, group="239.2.2.2"):
        """A socket that is in a group there."""
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(member.close)
        number = socket.if_nametoindex(dev)
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                          struct.pack("=4s4xi", socket.inet_aton(group), number))
        return member

    def test_attach_and_detach_name_them(self):
        sh("ip addr add 192.0.2.2/24 dev sby && ip addr add 239.1.1.1/32 dev sby autojoin")
        for model in ("three", "hidden", "one"):
            with self.subTest(model):
                master = "sby" if model == "one" else "fo-sby"
                with self.joined("sby"):
                    done = self.hitless("attach", "sby", "--primary", "pri", "--model", model)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("who joined 239.2.2.2 on sby receives nothing by it any more", done.stderr)
                with self.joined(master, "239.3.3.3"):
                    done = self.expect(0, "detach", "sby")
                self.assertIn(f"who joined 239.3.3.3 on {master} receives", done.stderr)
                self.assertIn("until it joins on sby", done.stderr)
                done = self.hitless("attach", "sby", "--primary", "pri", "--model", model)
                self.assertEqual(done.stderr, "", "nobody has joined any, the kernel's own and those of addresses "
                                              "are no socket's")
                self.assertEqual(self.expect(0, "detach", "sby").stderr, "")

    def test_convert_names_them(self):
        """In the words of attach: from the device that the guest uses to the one that it will use."""
        self.attach()
        before = "two", "sby"
        for after in (("three", "fo-sby"), ("hidden", "fo-sby"), ("one", "sby"), ("two", "sby")):
            with self.subTest(f"{before[0]} to {after[0]}"):
                with self.joined(before[1]):
                    done = self.expect(0, "convert", "sby", "--model", after[0], "--gap")
                self.assertEqual(done.stderr, f"hitless: who joined 239.2.2.2 on {before[1]} receives nothing by it any "
                                              f"more, until it joins on {after[1]}: start it again\n")
                before = after
        with self.joined("sby"):
            self.assertEqual(self.expect(0, "convert", "sby", "--model", "two", "--gap").stderr, "", "it is the same")

    def test_in_two_they_stay(self):
        with self.joined("sby"):
            self.assertEqual(self.hitless("attach", "sby", "--primary", "pri").stderr, "")


def nft_chain(table, *devices, egress=False):
    """A chain "input" of the family netdev for what comes in (or leaves) by the devices, as nft makes it; False where
    the kernel has none."""
    def attr(kind, value):
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def message(kind, payload, flags=0):
        netdev, version, about = 5, 0, 10 if kind in (0x10, 0x11) else 0
        body = struct.pack("=BB", 0 if about else netdev, version) + struct.pack(">H", about) + payload
        return struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, 1, 0) + body

    nested, create, ack, tables = 0x8000, 0x400, 4, 10 << 8
    hook = attr(1, struct.pack(">I", egress)) + attr(2, struct.pack(">i", 0))
    hook += attr(4 | nested, b"".join(attr(1, name.encode() + b"\0") for name in devices))
    chain = attr(1, table.encode() + b"\0") + attr(3, b"input\0") + attr(4 | nested, hook) + attr(7, b"filter\0")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as nft:
        nft.bind((0, 0))
        nft.send(message(0x10, b"") + message(tables, attr(1, table.encode() + b"\0"), create) +
                 message(tables | 3, chain, create | ack) + message(0x11, b""))
        return struct.unpack_from("=i", nft.recv(4096), 16)[0] == 0


class Chains(NetCase):
    """Of nftables, for what comes in or leaves by a NIC: our programs lead the frames away before them, and what tc
    has led to another device passes no chain of that one on its way out."""

    def setUp(self):
        super().setUp()
        if not nft_chain("other", "sby_far"):
            self.skipTest("a kernel without nftables' family netdev")

    def test_on_a_nic_that_moves(self):
        nft_chain("t", "pri_far", "sby")
        for model in ("hidden", "one"):
            self.expect(1, "attach", "sby", "--primary", "pri", "--model", model,
                        says=["move sby", "its nftables chain netdev t input would see no frame any more",
                              "`nft delete chain netdev t input`", "the model two"])
            self.assertEqual(self.pins(), [])

    def test_on_the_way_out_of_a_nic_that_moves(self):
        nft_chain("t", "pri", egress=True)
        self.expect(1, "attach", "sby", "--primary", "pri", "--model", "one",
                    says=["move pri", "its nftables chain netdev t input would see no frame any more"])

    def test_on_the_way_out_of_the_primary(self):
        self.attach()
        nft_chain("both", "sby", "pri", egress=True)
        self.assertEqual(self.status()[0]["problems"], [])
        nft_chain("t", "pri", egress=True)
        self.assertIn("the nftables chain netdev t input of pri does not see the frames of sby",
                      " ".join(self.status(2)[0]["problems"]))

    def test_on_the_standby_of_three(self):
        self.attach("--model", "three")
        self.assertEqual(self.status()[0]["problems"], [])
        nft_chain("t", "sby")
        self.assertIn("the nftables chain netdev t input of sby does not see the frames of fo-sby; make it on fo-sby, "
                      "then `nft delete chain netdev t input`", self.status(2)[0]["problems"])

    def test_on_the_primary(self):
        """One that the master has too sees all frames there."""
        self.attach()
        nft_chain("both", "sby", "pri")
        self.assertEqual(self.status()[0]["problems"], [])
        nft_chain("t", "pri")
        self.assertIn("the nftables chain netdev t input of pri does not see the frames of sby",
                      " ".join(self.status(2)[0]["problems"]))


class Filters(NetCase):
    """Of tc, for what comes in by the primary: ours is first, and leads the frames away."""
    DROP = "ingress prio 7 protocol all bpf bytecode '1,6 0 0 0' da"

    def test_on_the_primary(self):
        self.attach()
        sh("tc qdisc add dev pri clsact && tc qdisc add dev sby clsact && "
           "tc filter add dev pri egress prio 7 protocol all bpf bytecode '1,6 0 0 4294967295' da")
        self.assertEqual(self.status()[0]["problems"], [], "this one sees what leaves there")
        sh(f"tc filter add dev pri {self.DROP}")
        self.assertIn("the tc filters of pri do not see the frames of sby; make them on sby, then `tc qdisc del dev pri "
                      "clsact`", self.status(2)[0]["problems"])
        sh(f"tc filter add dev sby {self.DROP}")
        self.assertEqual(self.status()[0]["problems"], [], "the master has the same")


class Qdiscs(NetCase):
    def test_of_a_primary_that_moves(self):
        sh("tc qdisc add dev pri root tbf rate 8mbit burst 10k latency 50ms")
        for model in ("hidden", "one"):
            said = self.expect(1, "attach", "sby", "--primary", "pri", "--model", model,
                               says=["move pri", "its qdisc tbf would be lost on the way",
                                     "`tc qdisc del dev pri root`"])
            self.assertNotIn("classes", said.stderr)
            self.assertEqual(self.pins(), [])
        self.attach()  # in `two` it stays
        self.hitless("detach", "sby")
        sh("tc qdisc del dev pri root")
        self.attach("--model", "one")


class AddressesThatTheKernelRefuses(NetCase):
    @staticmethod
    def addresses(dev):
        return sorted(re.findall(r"inet6? (\S+)", sh(f"ip addr show dev {dev}")))

    def test_a_multicast_address_travels(self):
        """The kernel joins its group, and stays in it under the number of a device that is gone."""
        sh("ip addr add 239.1.1.1/32 dev sby autojoin && ip addr add 192.0.2.2/24 dev sby")
        before = self.addresses("sby")
        for model in ("three", "hidden", "one"):
            for _ in range(2):
                with self.subTest(model):
                    self.attach("--model", model)
                    master = "sby" if model == "one" else "fo-sby"
                    self.assertEqual(self.addresses(master), before)
                    self.assertIn("239.1.1.1", sh(f"ip maddr show dev {master}"))
                    self.assertEqual(self.hitless("detach", "--all").stderr, "")
                    self.assertEqual(self.addresses("sby"), before)
                    self.assertIn("239.1.1.1", sh("ip maddr show dev sby"))

    def test_one_is_no_reason_to_lose_the_others(self):
        for model in ("three", "hidden", "one"):
            with self.subTest(model):
                sh("sysctl -qw net.ipv4.igmp_max_memberships=20 && ip addr flush dev sby && "
                   "ip addr add 239.1.1.1/32 dev sby autojoin && ip addr add 192.0.2.2/24 dev sby && "
                   "ip route add 198.51.100.0/24 via 192.0.2.1")
                self.attach("--model", model)
                sh("sysctl -qw net.ipv4.igmp_max_memberships=0")  # no group more
                done = self.expect(0, "detach", "sby")
                self.assertIn("give 239.1.1.1/32 to", done.stderr)
                self.assertIn("all else is given back", done.stderr)
                self.assertEqual(self.addresses("sby"), ["192.0.2.2/24"])
                self.assertIn("198.51.100.0/24 via 192.0.2.1 dev sby", sh("ip route"))
                self.assertEqual(self.pins(), [])

    def test_attach_names_it(self):
        """And the standby has what it had."""
        sh("ip addr add 239.1.1.1/32 dev sby autojoin && ip addr add 192.0.2.2/24 dev sby && "
           "sysctl -qw net.ipv4.igmp_max_memberships=0")
        before = self.addresses("sby")
        self.expect(1, "attach", "sby", "--primary", "pri", "--model", "three", says="give 239.1.1.1/32 to")
        self.assertEqual(self.addresses("sby"), before)


class AttachAndDetach(NetCase):
    def test_leaves_everything_as_it_was(self):
        for settings in ("pri down", "pri mtu 1400", "sby mtu 9000", "sby down", "pri addrgenmode none"):
            with self.subTest(settings):
                sh(f"ip link set {settings}")
                before = machine()
                for _ in range(2):
                    self.attach()
                    self.assertNotEqual(before, machine())
                    self.expect(0, "detach", "sby")
                    unchanged(self, before)

    def test_by_xdp_no_library_speaks(self):
        """Where it may not put its dispatcher libxdp takes another way, and both of its libraries would tell."""
        sh("ethtool -K sby_far gro on && ethtool -K pri_far gro on")
        done = self.hitless("attach", "sby", "--primary", "mac", "--datapath", "xdp", "--checksums-complete")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.status()[0]["datapath"], "xdp")
        self.assertEqual(self.hitless("detach", "sby").stderr, "")

    def test_leaves_no_object_behind(self):
        """Maps are held by every program that uses them: when they are gone, all is."""
        self.attach()
        ours = objects_at(self.status()[0][nic]["ifindex"] for nic in ("primary", "standby"))
        self.assertEqual({kind for kind, _ in ours}, {"prog", "map"})
        self.expect(0, "detach", "sby")
        wait_until(lambda: not ours & (living("prog") | living("map")), f"{ours} are gone")


if __name__ == "__main__":
    unittest.main()
