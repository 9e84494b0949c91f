// SPDX-License-Identifier: BSD-2-Clause
//
// The downlink by the filter of an SR-IOV NIC. The uplink of the bridge stands for the PF; its VFs
// are written down. What a real NIC does is shown by the lab's case vf_delivery.
#include "loader/host/physical_function.hpp"
#include "loader/host/vf_kind.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "tests/host/bed.hpp"

#include <algorithm>
#include <cerrno>

namespace hitless::test {
namespace {

constexpr Instant any{0};

struct Nic {
    std::string driver = "igb";
    std::vector<VirtualFunction> functions{{0, Mac{{2, 0, 0, 0, 0, 1}}, 0},
                                           {1, Mac{{2, 0, 0, 0, 0, 2}}, 0}};
    int refusal = 0;                ///< an errno
    bool deaf = false;              ///< it takes an address, and has none
    std::function<void()> on_write; ///< before it is done
    unsigned writes = 0;
};

class WrittenDown : public PhysicalFunction {
  public:
    explicit WrittenDown(Nic &nic) : nic_(nic) {}
    std::string driver() override { return nic_.driver; }
    std::vector<VirtualFunction> functions() override { return nic_.functions; }
    int set_mac(uint32_t vf, const Mac &mac) override {
        nic_.writes++;
        if (nic_.on_write) nic_.on_write();
        if (nic_.refusal) return nic_.refusal;
        for (VirtualFunction &one : nic_.functions)
            if (one.number == vf && !nic_.deaf) one.mac = mac;
        return 0;
    }

  private:
    Nic &nic_;
};

class VfDeliveryTest : public HostBed {
  protected:
    VfDeliveryTest() {
        spec_.name = "web1";
        spec_.mac = *Mac::parse(guest_mac);
        spec_.standby = "tap1";
        spec_.primary = "uplink";
        spec_.vf = 1;
        begin();
    }
    void begin() { delivery_ = deliver_by_vf(rtnl_, spec_, std::make_unique<WrittenDown>(nic_)); }
    const Delivery::State &look() {
        delivery_->look(any);
        return delivery_->state();
    }
    const Delivery::State &move(DataPath to) {
        delivery_->move(to, any);
        return delivery_->state();
    }
    Mac address() const { return nic_.functions.at(1).mac; }
    /// Where the bridge sends frames for the guest; "" where it has not heard it.
    std::string bridge() {
        auto entry = fdb_entry(rtnl_, link("br0").index, spec_.mac, 0);
        return entry ? rtnl_.link(entry->port)->name + (entry->sticky ? " sticky" : "") : "";
    }
    bool pf_lets_through() {
        return std::ranges::count(rtnl_.filter(link("uplink").index), spec_.mac) == 1;
    }
    /// Asked until the bridge has learnt it: its port may just have come up.
    bool is_heard_by_the_uplink(const std::string &mac) {
        const std::string hex = "020000000009" + mac + "88b6" + std::string(100, '0');
        return testbed::until([&] {
            on(far(), "lan").send(testbed::from_hex(hex));
            auto entry = fdb_entry(rtnl_, link("br0").index, *Mac::parse(mac), 0);
            return entry && entry->port == link("uplink").index;
        });
    }
    void expect_obstacle(const std::string &says) {
        EXPECT_NE(delivery_->obstacle().find(says), std::string::npos) << delivery_->obstacle();
        expect_problem(says);
    }
    void expect_problem(const std::string &says) {
        const Delivery::State after = move(DataPath::primary);
        EXPECT_NE(after.problem.find(says), std::string::npos) << after.problem;
        EXPECT_NE(after.path, DataPath::primary);
        EXPECT_NE(address(), spec_.mac);
        EXPECT_EQ(bridge().find("uplink"), std::string::npos) << bridge();
    }

    Rtnl rtnl_;
    GuestSpec spec_;
    Nic nic_;
    std::unique_ptr<Delivery> delivery_;
};

TEST(VfKinds, AreByTheDriver) {
    for (auto [driver, kind] : {std::pair{"igb", VfKind::late},
                                {"ixgbe", VfKind::late},
                                {"mlx5_core", VfKind::early},
                                {"i40e", VfKind::by_guest},
                                {"ice", VfKind::by_guest},
                                {"veth", VfKind::unknown},
                                {"", VfKind::unknown},
                                {"ig", VfKind::unknown},
                                {"igbvf", VfKind::unknown}})
        EXPECT_EQ(vf_kind(driver), kind) << driver;
    EXPECT_NE(why(VfKind::unknown, "bnxt_en").find("bnxt_en"), std::string::npos);
    EXPECT_NE(why(VfKind::by_guest, "i40e").find("resets"), std::string::npos);
}

TEST(VfKinds, APlaceholderIsNobodysAddress) {
    for (const char *text : {"52:54:00:12:34:56", "00:1b:21:00:00:01", "fe:54:00:12:34:56"}) {
        const Mac mac = *Mac::parse(text), other = placeholder_of(mac);
        EXPECT_NE(other, mac);
        EXPECT_EQ(other.bytes[0] & 3, 2) << "unicast, locally administered: " << other.text();
        EXPECT_EQ(placeholder_of(mac), other);
    }
}

TEST_F(VfDeliveryTest, TheNicComesFirstOnAGiveAndLastOnATake) {
    std::vector<std::string> seen; // where the bridge led when the NIC was written
    nic_.on_write = [&] { seen.push_back(bridge()); };
    EXPECT_EQ(look(), (Delivery::State{DataPath::standby, false, ""}));
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
    EXPECT_EQ(nic_.writes, 0u) << "it has another address already";
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(address(), spec_.mac);
    EXPECT_EQ(bridge(), "uplink sticky");
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
    EXPECT_EQ(address(), placeholder_of(spec_.mac));
    EXPECT_EQ(seen, (std::vector<std::string>{"tap1 sticky", "tap1 sticky"}));
    EXPECT_EQ(move(DataPath::primary).path, DataPath::primary);
    EXPECT_EQ(nic_.writes, 3u);
}

/// A VF reaches only what the NIC filters for: the PF gets what is for a guest behind the bridge.
TEST_F(VfDeliveryTest, ThePfLetsThroughWhatOtherVfsSendToTheStandby) {
    look();
    EXPECT_TRUE(pf_lets_through());
    move(DataPath::primary);
    EXPECT_FALSE(pf_lets_through());
    move(DataPath::standby);
    EXPECT_TRUE(pf_lets_through());
    delivery_->forget();
    begin();
    look();
    EXPECT_TRUE(pf_lets_through()) << "another daemon finds what the first one left";
    delivery_->let_go();
    EXPECT_FALSE(pf_lets_through());
}

TEST_F(VfDeliveryTest, ReadsWhatAnEarlierDaemonLeft) {
    move(DataPath::primary);
    begin();
    EXPECT_EQ(look(), (Delivery::State{DataPath::primary, true, ""}));
    // Cut short in a give: the NIC is written, the bridge is not.
    move(DataPath::standby);
    nic_.functions[1].mac = spec_.mac;
    begin();
    EXPECT_EQ(look(), (Delivery::State{DataPath::primary, false, ""}));
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    // The NIC's driver was loaded anew, and has forgotten.
    nic_.functions[1].mac = Mac{};
    EXPECT_EQ(look().path, DataPath::unknown);
    EXPECT_NE(look().problem.find("uplink, and its VF 1 has the address 00:00"), std::string::npos)
        << look().problem;
    EXPECT_EQ(move(DataPath::standby).path, DataPath::standby);
}

TEST_F(VfDeliveryTest, AGuestThatTheNetworkHasIsElsewhere) {
    ASSERT_TRUE(is_heard_by_the_uplink(guest_mac));
    EXPECT_TRUE(look().elsewhere) << look().problem;
    EXPECT_EQ(look().path, DataPath::unknown);
    EXPECT_FALSE(pf_lets_through());
    // Heard there while its own VF has its address, it is the VF that is heard.
    nic_.functions[1].mac = spec_.mac;
    EXPECT_EQ(look(), (Delivery::State{DataPath::primary, false, ""}));
}

TEST_F(VfDeliveryTest, ATapThatIsGoneTakesTheAddressAlong) {
    move(DataPath::primary);
    delivery_->forget();
    EXPECT_EQ(address(), placeholder_of(spec_.mac));
    EXPECT_EQ(bridge(), "");
}

TEST_F(VfDeliveryTest, EarlyIsWrittenBeforeItIsPluggedAndNeverAfter) {
    nic_.driver = "mlx5_core";
    begin();
    EXPECT_NE(move(DataPath::primary).problem.find("unplug it"), std::string::npos)
        << delivery_->state().problem;
    EXPECT_EQ(nic_.writes, 0u);
    EXPECT_EQ(bridge(), "");
    delivery_->prepare(true);
    EXPECT_EQ(address(), spec_.mac);
    EXPECT_EQ(look().path, DataPath::standby) << "no driver has asked for it yet";
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
    delivery_->prepare(true);
    EXPECT_EQ(nic_.writes, 1u);
    delivery_->prepare(false);
    EXPECT_EQ(address(), placeholder_of(spec_.mac));
}

TEST_F(VfDeliveryTest, LateHasAnotherAddressBeforeItIsPlugged) {
    delivery_->prepare(true);
    EXPECT_EQ(nic_.writes, 0u);
    for (const Mac &before : {spec_.mac, Mac{}}) {
        nic_.functions[1].mac = before;
        delivery_->prepare(true);
        EXPECT_EQ(address(), placeholder_of(spec_.mac)) << before.text();
    }
}

TEST_F(VfDeliveryTest, DriversThatCannotBeServedAreRefused) {
    for (auto [driver, says] :
         {std::pair{"i40e", "resets a VF whose address is set"},
          {"ice", "resets a VF whose address is set"},
          {"bnxt_en", "what bnxt_en does with a VF's address is not known"}}) {
        nic_.driver = driver;
        begin();
        expect_obstacle(says);
        expect_obstacle("delivery = \"exec\"");
        EXPECT_EQ(look().path, DataPath::standby);
    }
    EXPECT_EQ(nic_.writes, 0u);
}

TEST_F(VfDeliveryTest, SaysWhatIsWrongWithTheVf) {
    nic_.functions.clear();
    EXPECT_NE(
        delivery_->obstacle().find("uplink has no VFs; `echo NUMBER > /sys/class/net/uplink/"),
        std::string::npos)
        << delivery_->obstacle();
    nic_ = Nic{};
    spec_.vf = 2;
    begin();
    EXPECT_NE(delivery_->obstacle().find("uplink has 2 VFs, numbered from 0; mend `vf`"),
              std::string::npos)
        << delivery_->obstacle();
    spec_.vf = 1;
    spec_.primary = "nowhere";
    begin();
    expect_obstacle("there is no device nowhere");
}

TEST_F(VfDeliveryTest, ThePfMustBeInTheBridgeOfTheTap) {
    sh("ip link add br1 type bridge && ip link set uplink master br1");
    expect_obstacle("uplink is not in the bridge of tap1");
}

TEST_F(VfDeliveryTest, ADriverThatRefusesMovesNothing) {
    nic_.refusal = EINVAL;
    expect_problem("give the VF 1 of uplink the address 52:54:00:77:01:02: Invalid argument");
    nic_.refusal = 0;
    nic_.deaf = true;
    expect_problem("it reads back 02:00:00:00:00:02");
}

/// Nothing that stands at the PF's port sees the frames of a VF.
TEST_F(VfDeliveryTest, WhatTheTapHasHoldsForNoVf) {
    for (const char *device : {"tap1", "uplink"})
        sh(fmt::format("tc qdisc add dev {} root tbf rate 8mbit burst 10k latency 50ms", device));
    expect_obstacle("qdisc tbf");
    spec_.may_bypass = true;
    begin();
    EXPECT_EQ(delivery_->obstacle(), "");
    spec_.may_bypass = false;
    begin();
    sh("tc qdisc del dev tap1 root");
    nic_.functions[1].vlan = 7;
    expect_obstacle("knows no VLANs, and the VF is in VLAN 7");
}

/// The port leads to the whole network: what else is heard there is not the guest's.
TEST_F(VfDeliveryTest, NothingElseMoves) {
    const std::string foreign = "02:00:00:00:00:77";
    ASSERT_TRUE(is_heard_by_the_uplink(foreign));
    move(DataPath::primary);
    move(DataPath::standby);
    EXPECT_EQ(fdb_entry(rtnl_, link("br0").index, *Mac::parse(foreign), 0)->port,
              link("uplink").index);
}

} // namespace
} // namespace hitless::test
