// SPDX-License-Identifier: BSD-2-Clause
//
// Who is whose primary, as tables: the links of a machine, the rule, the choice.
#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "tests/core/links.hpp"

#include <cerrno>
#include <gtest/gtest.h>

namespace hitless::test {
namespace {

const Link standby = virtio(2, "eth0", mac_a);

struct Case {
    const char *why;
    const char *selector;
    std::vector<Link> links;
    const char *chosen; ///< nullptr: nobody
};

Link with_mac(Link link, Mac mac, Mac perm) {
    link.mac = mac;
    link.perm_mac = perm;
    return link;
}

/// With all that a hypervisor may tell of a NIC.
Link at(Link link) {
    link.slot = "4";
    link.acpi_index = "2";
    link.port_id = "0a0b";
    link.switch_id = "0c";
    return link;
}

const Case cases[] = {
    {"one PCI NIC of the same MAC", "auto", {standby, vf(3, "eth1", mac_a)}, "eth1"},
    {"the order of the dump does not matter", "auto", {vf(3, "eth1", mac_a), standby}, "eth1"},
    {"nobody there", "auto", {standby}, nullptr},
    {"another MAC", "auto", {standby, vf(3, "eth1", mac_b)}, nullptr},
    {"the MAC it was made with counts: the present one can be changed",
     "auto",
     {standby, with_mac(vf(3, "eth1", mac_b), mac_b, mac_a)},
     "eth1"},
    {"several of the same MAC are not guessed between",
     "auto",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)},
     nullptr},
    {"two paravirtual NICs are no pair", "auto", {standby, virtio(3, "eth1", mac_a)}, nullptr},
    {"auto wants hardware", "auto", {standby, of_kind(nic(3, "tap0", mac_a), "tun")}, nullptr},
    {"mac takes any bus", "mac", {standby, of_kind(nic(3, "tap0", mac_a), "tun")}, "tap0"},
    {"mac wants the MAC all the same", "mac", {standby, vf(3, "eth1", mac_b)}, nullptr},
    {"a VLAN copies the MAC of its device and is no primary",
     "mac",
     {standby, of_kind(nic(3, "eth0.5", mac_a), "vlan")},
     nullptr},
    {"a VLAN beside the real one does not disturb",
     "mac",
     {standby, of_kind(nic(3, "eth0.5", mac_a), "vlan"), vf(4, "eth1", mac_a)},
     "eth1"},
    {"macvlan", "mac", {standby, of_kind(nic(3, "mv0", mac_a), "macvlan")}, nullptr},
    {"bridge", "mac", {standby, of_kind(nic(3, "br0", mac_a), "bridge")}, nullptr},
    {"bond", "mac", {standby, of_kind(nic(3, "bond0", mac_a), "bond")}, nullptr},
    {"team", "mac", {standby, of_kind(nic(3, "team0", mac_a), "team")}, nullptr},
    {"stacked devices not even by name",
     "br0",
     {standby, of_kind(nic(3, "br0", mac_a), "bridge")},
     nullptr},
    {"by name, whatever its MAC: check_pair judges that",
     "eth1",
     {standby, vf(3, "eth1", mac_b), vf(4, "eth2", mac_a)},
     "eth1"},
    {"a name chooses between several",
     "eth2",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)},
     "eth2"},
    {"a name that nobody has", "eth7", {standby, vf(3, "eth1", mac_a)}, nullptr},
    {"the standby is not its own primary", "eth0", {standby, vf(3, "eth1", mac_a)}, nullptr},
    {"loopback by name", "lo", {loopback(), standby}, nullptr},
    {"by PCI address",
     "pci:0000:00:04.0",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_b)},
     "eth2"},
    {"by slot", "slot:4", {standby, vf(3, "eth1", mac_a), at(vf(4, "eth2", mac_b))}, "eth2"},
    {"by the firmware's number", "acpi:2", {standby, at(vf(4, "eth2", mac_b))}, "eth2"},
    {"by port", "port:0a0b", {standby, vf(3, "eth1", mac_a), at(vf(4, "eth2", mac_b))}, "eth2"},
    {"by switch", "switch:0c", {standby, vf(3, "eth1", mac_a), at(vf(4, "eth2", mac_b))}, "eth2"},
    {"by bus path",
     "bus:pci/0000:00:04.0",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_b)},
     "eth2"},
    {"by driver", "driver:iavf", {standby, vf(3, "eth1", mac_a)}, "eth1"},
    {"several of a driver are not guessed between",
     "driver:iavf",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_b)},
     nullptr},
    {"what a NIC does not have is not matched by an empty word",
     "slot:4",
     {standby, vf(3, "eth1", mac_a)},
     nullptr},
    {"the best of a list",
     "eth2,eth1",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)},
     "eth2"},
    {"the next of a list when the best is not there",
     "eth2,slot:9,eth1",
     {standby, vf(3, "eth1", mac_a)},
     "eth1"},
    {"the next of a list when the best has a master",
     "eth2,eth1",
     {standby, vf(3, "eth1", mac_a), enslaved(vf(4, "eth2", mac_a), 9)},
     "eth1"},
    {"a list does not guess within one rank",
     "mac,eth2",
     {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)},
     nullptr},
    {"nobody of a list", "eth7,eth8", {standby, vf(3, "eth1", mac_a)}, nullptr},
    {"by the PCI address of nobody", "pci:0000:00:05.0", {standby, vf(3, "eth1", mac_a)}, nullptr},
};

TEST(ChoosePrimary, Table) {
    for (const Case &row : cases) {
        Choice choice = choose_primary(standby, Selector::parse(row.selector), row.links);
        std::string chosen = choice.primary ? choice.primary->name : "nobody";
        EXPECT_EQ(chosen, row.chosen ? row.chosen : "nobody") << row.why;
        EXPECT_EQ(choice.why_not.empty(), choice.primary != nullptr) << row.why;
    }
}

TEST(ChoosePrimary, AnEmptyMacMatchesNobody) {
    Link bare = virtio(2, "eth0", Mac{});
    Link other = vf(3, "eth1", Mac{});
    EXPECT_EQ(choose_primary(bare, Selector::parse("mac"), std::vector{bare, other}).primary,
              nullptr);
}

/// The pair's own primary is in another namespace, where its number is another's in this one.
TEST(ChoosePrimary, OneOfAListIsMeantByItsPlaceNotItsNumber) {
    const std::vector<Link> links = {nic(3, "foreign", mac_b), vf(3, "vf0", mac_a)};
    EXPECT_EQ(choose_primary(standby, Selector::parse("late,mac"), links).primary, &links[1]);
}

TEST(ChoosePrimary, SaysWhyNot) {
    std::vector links = {standby, vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)};
    EXPECT_EQ(choose_primary(standby, {}, links).why_not, "2 devices match 'auto': eth1, eth2");
    links.resize(1);
    EXPECT_EQ(choose_primary(standby, {}, links).why_not,
              "no device matches 'auto' (the standby eth0 has MAC 52:54:00:00:00:0a)");
}

TEST(ProposePairs, OnePairForEachMac) {
    std::vector links = {loopback(), virtio(2, "eth0", mac_a), vf(3, "eth1", mac_a),
                         virtio(4, "eth2", mac_b), vf(5, "eth3", mac_b)};
    auto pairs = propose_pairs(links);
    ASSERT_EQ(pairs.size(), 2u);
    EXPECT_EQ(pairs[0].standby->name + pairs[0].primary->name, "eth0eth1");
    EXPECT_EQ(pairs[1].standby->name + pairs[1].primary->name, "eth2eth3");
}

TEST(ProposePairs, LeavesAloneWhatIsNotPlain) {
    Link primary = vf(3, "eth1", mac_a);
    EXPECT_TRUE(propose_pairs(std::vector{standby}).empty()) << "no primary";
    EXPECT_TRUE(propose_pairs(std::vector{enslaved(standby, 9), primary}).empty())
        << "standby in use";
    EXPECT_TRUE(propose_pairs(std::vector{standby, enslaved(primary, 9)}).empty())
        << "primary in use";
    EXPECT_TRUE(propose_pairs(std::vector{standby, virtio(4, "eth2", mac_a), primary}).empty())
        << "two standbys, one primary";
    EXPECT_TRUE(propose_pairs(std::vector{standby, primary, vf(4, "eth2", mac_a)}).empty())
        << "two primaries, one standby";
    EXPECT_TRUE(propose_pairs(std::vector{vf(2, "eth0", mac_a), vf(3, "eth1", mac_a)}).empty())
        << "no standby";
}

/// The error's code, or 0; its text goes to `text`.
template <typename Check>
int refused(Check check, std::string &text) {
    try {
        check();
        return 0;
    } catch (const Error &error) {
        text = error.what();
        return error.code();
    }
}

TEST(CheckStandby, RefusesWithTheWayOut) {
    std::string text;
    EXPECT_EQ(refused([] { check_standby(standby); }, text), 0);
    EXPECT_EQ(refused([] { check_standby(loopback()); }, text), EINVAL);
    EXPECT_EQ(text, "pair lo: it is no Ethernet device; name the paravirtual NIC");
    EXPECT_EQ(refused([] { check_standby(enslaved(standby, 7, "bridge")); }, text), EBUSY);
    EXPECT_EQ(text, "pair eth0: it belongs to a bridge; ip link set eth0 nomaster");
}

/// A VRF takes no frames from the device: it routes what that has received.
TEST(CheckStandby, MayStayInAVrfWhereItIsTheMasterItself) {
    std::string text;
    const Link routed = enslaved(standby, 7, "vrf");
    EXPECT_EQ(refused([&] { check_standby(routed); }, text), 0) << text;
    EXPECT_EQ(refused([&] { check_standby(routed, false); }, text), EBUSY);
    EXPECT_EQ(text, "pair eth0: it belongs to a VRF, which a failover device does not join; "
                    "use the model two, or ip link set eth0 nomaster");
    EXPECT_EQ(why_unpaired(routed, std::vector{routed, vf(3, "eth1", mac_a)}), "");
}

TEST(DescribeMaster, NamesItsKindAndWhatFreesTheDevice) {
    const struct {
        const char *kind, *called, *freed;
    } masters[] = {
        {"bridge", "a bridge", "ip link set eth1 nomaster"},
        {"bond", "a bond", "ip link set eth1 nomaster"},
        {"team", "a team", "ip link set eth1 nomaster"},
        {"vrf", "a VRF", "ip link set eth1 nomaster"},
        {"batadv", "a batman-adv mesh", "ip link set eth1 nomaster"},
        {"openvswitch", "an Open vSwitch datapath", "ovs-vsctl del-port eth1"},
        {"hsr", "an HSR or PRP ring", "remove the HSR device"},
        {"rmnet", "another device, of the kind rmnet", "ip link set eth1 nomaster"},
        {"", "another device, of the kernel's own failover (net_failover or netvsc)",
         no_failover_feature},
    };
    for (const auto &[kind, called, freed] : masters) {
        const Link link = enslaved(vf(3, "eth1", mac_a), 7, kind);
        EXPECT_EQ(describe_master(link), called);
        EXPECT_EQ(leave_master(link), freed) << kind;
    }
}

/// Roles that are known to be reversed are refused, not waited for.
TEST(CheckRoles, RefusesReversedOnes) {
    const Link passthrough = vf(3, "eth1", mac_a);
    Link vmxnet3 = vf(4, "ens192", mac_a);
    vmxnet3.driver = "vmxnet3";
    std::string text;
    for (const Link &other : {standby, vmxnet3}) {
        const std::vector<Link> links = {other, passthrough};
        EXPECT_EQ(refused([&] { check_pair(passthrough, other); }, text), EINVAL);
        for (const char *selector : {"auto", "slot:9", "auto,slot:9"}) {
            Choice choice = choose_primary(passthrough, Selector::parse(selector), links);
            EXPECT_EQ(refused([&] { check_roles(passthrough, choice, links); }, text), EINVAL)
                << selector;
        }
        EXPECT_EQ(text.find("pair eth1 with " + other.name + ": their roles are reversed"), 0u)
            << text;
        EXPECT_NE(text.find("hitless attach " + other.name + " --primary eth1"), text.npos) << text;
    }
}

TEST(CheckRoles, LeavesEqualOnesAlone) {
    std::string text;
    const std::vector<std::vector<Link>> equal = {
        {vf(3, "eth1", mac_a), vf(4, "eth2", mac_a)},
        {standby, virtio(4, "eth2", mac_a)},
        {vf(3, "eth1", mac_a), virtio(4, "eth2", mac_b)},
        {of_kind(nic(3, "veth0", mac_a), "veth"), of_kind(nic(4, "tap0", mac_a), "tun")},
        {standby, vf(3, "eth1", mac_a)},
    };
    for (const std::vector<Link> &links : equal)
        EXPECT_EQ(refused([&] { check_roles(links[0], {}, links); }, text), 0) << text;
    for (size_t i : {0, 1, 3, 4})
        EXPECT_EQ(refused([&] { check_pair(equal[i][0], equal[i][1]); }, text), 0) << text;
}

TEST(CheckPair, RefusesWithTheWayOut) {
    std::string text;
    Link primary = vf(3, "eth1", mac_a);
    auto check = [&](const Link &p) { return refused([&] { check_pair(standby, p); }, text); };
    EXPECT_EQ(check(primary), 0);
    EXPECT_EQ(check(standby), EINVAL);
    EXPECT_EQ(text, "pair eth0 with eth0: standby and primary are one device; name two");
    EXPECT_EQ(check(loopback()), EINVAL);
    EXPECT_EQ(text, "pair eth0 with lo: lo is no Ethernet device; name the passthrough NIC");
    EXPECT_EQ(check(of_kind(nic(5, "eth0.5", mac_a), "vlan")), EINVAL);
    EXPECT_EQ(text, "pair eth0 with eth0.5: eth0.5 is stacked on other devices (vlan); "
                    "name the passthrough NIC itself");
    EXPECT_EQ(check(enslaved(primary, 7, "bond")), EBUSY);
    EXPECT_EQ(text, "pair eth0 with eth1: eth1 belongs to a bond; ip link set eth1 nomaster");
    EXPECT_EQ(check(vf(3, "eth1", mac_b)), EINVAL);
    EXPECT_EQ(text, "pair eth0 with eth1: their MACs differ (52:54:00:00:00:0a and "
                    "52:54:00:00:00:0b); ip link set eth1 address 52:54:00:00:00:0a");
}

TEST(CheckPair, ANicWithoutAMacTakesTheStandbys) {
    std::string text;
    Link drawn = with_mac(vf(3, "eth1", mac_b), Mac{{0x5a, 1, 2, 3, 4, 5}}, Mac{});
    EXPECT_TRUE(lacks_mac(drawn)) << "drawn by its driver";
    EXPECT_TRUE(lacks_mac(with_mac(drawn, Mac{}, Mac{}))) << "none at all";
    EXPECT_FALSE(lacks_mac(vf(3, "eth1", mac_b))) << "burnt in";
    EXPECT_FALSE(lacks_mac(with_mac(drawn, Mac{{0x3c, 1, 2, 3, 4, 5}}, Mac{}))) << "some vendor's";
    EXPECT_FALSE(lacks_mac(of_kind(drawn, "veth"))) << "no passthrough NIC";
    EXPECT_EQ(refused([&] { check_pair(standby, drawn); }, text), 0);
}

/// Until its host delivers there, a VF may have an address that stands in for the guest's.
TEST(CheckPair, AHostMayHaveGivenItAnotherMac) {
    std::string text;
    const Link other = vf(3, "eth1", mac_b), changed = with_mac(other, mac_a, mac_b);
    EXPECT_EQ(refused([&] { check_pair(standby, other, true); }, text), 0);
    EXPECT_EQ(refused([&] { check_pair(standby, enslaved(other, 7, "bond"), true); }, text), EBUSY);
    for (const char *by : {"slot:3", "driver:igbvf", "eth1", "mac,slot:3"})
        EXPECT_TRUE(may_be_placeholder(Selector::parse(by), other)) << by;
    for (const char *by : {"auto", "mac"})
        EXPECT_FALSE(may_be_placeholder(Selector::parse(by), other)) << "chosen for its MAC";
    EXPECT_FALSE(may_be_placeholder(Selector::parse("slot:3"), changed)) << "by hand";
}

TEST(CheckStandby, LeavesTheKernelsOwnFailoverAlone) {
    std::string text;
    Link taken = enslaved(standby, 9);
    taken.failover = true;
    EXPECT_EQ(refused([&] { check_standby(taken); }, text), EBUSY);
    EXPECT_NE(text.find("net_failover"), text.npos) << text;
    EXPECT_NE(text.find("failover=off"), text.npos) << text;
    taken.master = Ifindex::none;
    EXPECT_EQ(refused([&] { check_standby(taken); }, text), 0) << "offered, but taken by nobody";
}

TEST(WhyUnpaired, NamesTheObstacle) {
    auto why = [](std::vector<Link> links) { return why_unpaired(links[0], links); };
    Link primary = vf(3, "eth1", mac_a);
    EXPECT_EQ(why({standby, primary}), "");
    EXPECT_EQ(why({enslaved(standby, 9, "team"), primary}), "it belongs to a team");
    EXPECT_EQ(why({standby, virtio(4, "eth2", mac_a), primary}),
              "2 paravirtual NICs have its MAC: eth0, eth2");
    EXPECT_EQ(why({standby, enslaved(primary, 9, "bridge")}), "eth1 belongs to a bridge");
    EXPECT_EQ(why({standby, primary, vf(4, "eth2", mac_a)}), "2 devices match 'auto': eth1, eth2");
}

TEST(IsParavirtual, ByDriverOrBus) {
    EXPECT_TRUE(is_paravirtual(virtio(2, "eth0", mac_a)));
    EXPECT_FALSE(is_paravirtual(vf(2, "eth0", mac_a)));
    EXPECT_FALSE(is_paravirtual(of_kind(nic(2, "veth0", mac_a), "veth")));
    for (const char *driver : {"hv_netvsc", "vmxnet3", "xen_netfront", "vif", "ena"}) {
        Link link = vf(2, "eth0", mac_a);
        link.driver = driver;
        EXPECT_TRUE(is_paravirtual(link)) << driver;
    }
}

} // namespace
} // namespace hitless::test
