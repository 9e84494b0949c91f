// SPDX-License-Identifier: BSD-2-Clause
//
// Which path a frame leaves by, on every variant of liveness.
#include "tests/bpf/datapath.hpp"

#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>

namespace hitless::test {
namespace {

constexpr hl_liveness every_variant[] = {HL_LIVENESS_CAST, HL_LIVENESS_PROBE_READ,
                                         HL_LIVENESS_NETLINK};
constexpr hl_liveness asking_variants[] = {HL_LIVENESS_CAST, HL_LIVENESS_PROBE_READ};

std::string name_of(hl_liveness variant) {
    static const char *names[] = {"Cast", "ProbeRead", "Netlink"};
    return names[variant];
}

struct Veto {
    const char *name;
    uint64_t bit;
};

const Veto vetoes[] = {
#define X(name, ...) {#name, HL_VETO(name)},
    HL_VETO_LIST(X)
#undef X
};

class EgressTest : public ::testing::TestWithParam<hl_liveness> {
  protected:
    void SetUp() override {
        if (!pair.dp.has(GetParam())) GTEST_SKIP() << "this kernel has no bpf_rdonly_cast";
    }
    int send() { return pair.dp.egress(GetParam()); }

    explicit EgressTest(std::shared_ptr<Bed> nics = untouched()) : pair(std::move(nics)) {}

    Pair pair;
    hl_pair &state = pair.dp.pair();
};

TEST_P(EgressTest, ALivePrimaryWithoutVetoIsUsed) {
    EXPECT_EQ(send(), TC_ACT_REDIRECT);
    EXPECT_EQ(pair.dp.counters(), "tx_primary=1");
    EXPECT_EQ(state.veto, 0U);
    EXPECT_EQ(pair.dp.rings(), 0);
}

TEST_P(EgressTest, TheFirstFrameAfterARestRingsTheBell) {
    state.wake = 1;
    EXPECT_EQ(send(), TC_ACT_REDIRECT);
    EXPECT_EQ(pair.dp.rings(), 1);
    EXPECT_EQ(state.wake, 0);
    EXPECT_EQ(send(), TC_ACT_REDIRECT);
    EXPECT_EQ(pair.dp.rings(), 0);
}

TEST_P(EgressTest, AnyVetoMeansTheStandby) {
    for (const Veto &veto : vetoes) {
        state.veto = veto.bit;
        EXPECT_EQ(send(), TC_ACT_UNSPEC) << veto.name;
        EXPECT_EQ(state.veto, veto.bit) << veto.name;
    }
    state.veto = 1ULL << 63; // a reason of a newer version
    EXPECT_EQ(send(), TC_ACT_UNSPEC);
    EXPECT_EQ(pair.dp.counted(HL_COUNT_TX_STANDBY), std::size(vetoes) + 1);
    EXPECT_EQ(state.flips, 0U);
}

TEST_P(EgressTest, TheLastVetoToGoBringsThePrimaryBack) {
    state.veto = HL_VETO(OPERATOR) | HL_VETO(UNPROVEN);
    EXPECT_EQ(send(), TC_ACT_UNSPEC);
    state.veto &= ~HL_VETO(UNPROVEN);
    EXPECT_EQ(send(), TC_ACT_UNSPEC);
    state.veto = 0;
    EXPECT_EQ(send(), TC_ACT_REDIRECT);
}

INSTANTIATE_TEST_SUITE_P(Variant, EgressTest, ::testing::ValuesIn(every_variant),
                         [](const auto &test) { return name_of(test.param); });

class EgressStandbyDownTest : public EgressTest {
  protected:
    EgressStandbyDownTest() : EgressTest(std::make_shared<Bed>()) {}
    void SetUp() override {
        EgressTest::SetUp();
        ip("link set sby down");
    }
};

TEST_P(EgressStandbyDownTest, ADoubtfulPrimaryBeatsNone) {
    for (const Veto &veto : vetoes) {
        bool soft = (veto.bit & HL_VETO_SOFT) != 0;
        state.veto = veto.bit;
        EXPECT_EQ(send(), soft ? TC_ACT_REDIRECT : TC_ACT_UNSPEC) << veto.name;
    }
    state.veto = HL_VETO_SOFT;
    EXPECT_EQ(send(), TC_ACT_REDIRECT);
    state.veto = HL_VETO(UNPROVEN) | HL_VETO(OPERATOR);
    EXPECT_EQ(send(), TC_ACT_UNSPEC);
}

TEST_P(EgressStandbyDownTest, ButNotADeadOne) {
    ip("link set pri down");
    state.veto = HL_VETO(UNPROVEN);
    EXPECT_EQ(send(), TC_ACT_UNSPEC);
    EXPECT_EQ(state.veto, HL_VETO(UNPROVEN));
}

INSTANTIATE_TEST_SUITE_P(Variant, EgressStandbyDownTest, ::testing::ValuesIn(asking_variants),
                         [](const auto &test) { return name_of(test.param); });

/// Every way to lose a NIC, and every wrong address that a bug elsewhere could leave behind.
struct Death {
    const char *how;
    std::function<void(hl_nic &)> strike;
};

std::function<void(hl_nic &)> command(const char *arguments) {
    return [=](hl_nic &) { ip(arguments); };
}

std::function<void(hl_nic &)> address(uint64_t netdev) {
    return [=](hl_nic &nic) { nic.netdev = nic.slot = netdev; };
}

uint64_t user_page = 0;

/// In silence: no frame sees the primary away. The kernel may even use its memory again.
void another_device_comes(hl_nic &nic) {
    const uint32_t number = nic.ifindex;
    ip_batch(fmt::format("link del pri\n"
                         "link add pri index {} type veth peer name pri_far\n"
                         "link set pri up\nlink set pri_far up\n",
                         number));
}

const Death deaths[] = {
    {"AdminDown", command("link set pri down")},
    {"CarrierLost", command("link set pri_far down")},
    {"Deleted", command("link del pri")},
    {"DeletedAndItsNumberTakenByAnother", another_device_comes},
    {"NeverResolved", [](hl_nic &nic) { nic = {}; }},
    {"AddressOne", address(1)},
    {"UserAddressUnmapped", address(0xdeadbeef)},
    {"UserAddressMapped", address(reinterpret_cast<uint64_t>(&user_page))},
    {"KernelAddressUnmapped", address(0xffff800000000000)},
    {"KernelAddressAtTheEnd", address(0xffffffffffffff00)},
    {"NotCanonicalAddress", address(0x8000000000000000)},
    {"VsyscallPage", address(0xffffffffff600000)},
};

class EgressDeathTest : public ::testing::TestWithParam<std::tuple<hl_liveness, Death>> {};

void expect_left_once(const Pair &pair, hl_liveness variant) {
    hl_pair &state = pair.dp.pair();

    for (int frame = 0; frame < 2; frame++) {
        EXPECT_EQ(pair.dp.egress(variant), TC_ACT_UNSPEC);
        EXPECT_EQ(state.veto, HL_VETO(DOWN_SEEN));
        EXPECT_EQ(state.flips, 1U);
        EXPECT_EQ(pair.dp.rings(), frame == 0 ? 1 : 0);
    }
    EXPECT_EQ(pair.dp.counters(), "tx_standby=2");
    const hl_flip &flip = state.flip[0];
    EXPECT_EQ(flip.seq, 1U);
    EXPECT_EQ(flip.veto_before, 0U);
    EXPECT_EQ(flip.veto_after, HL_VETO(DOWN_SEEN));
    EXPECT_EQ(flip.actor, static_cast<uint32_t>(HL_ACTOR_DATAPATH));
    EXPECT_NE(flip.time_ns, 0U);
}

TEST_P(EgressDeathTest, LeavesForTheStandbyAndRecordsOneFlip) {
    const auto &[variant, death] = GetParam();
    Pair pair;
    if (!pair.dp.has(variant)) GTEST_SKIP() << "this kernel has no bpf_rdonly_cast";
    ASSERT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, pair.bed.primary), 0);
    death.strike(pair.dp.pair().primary);
    expect_left_once(pair, variant);
}

INSTANTIATE_TEST_SUITE_P(Every, EgressDeathTest,
                         ::testing::Combine(::testing::ValuesIn(asking_variants),
                                            ::testing::ValuesIn(deaths)),
                         [](const auto &test) {
                             return name_of(std::get<0>(test.param)) + std::get<1>(test.param).how;
                         });

class EgressMoveTest : public ::testing::TestWithParam<hl_liveness> {};

TEST_P(EgressMoveTest, ANicBroughtUpInAnotherNamespaceIsLost) {
    Pair pair;
    if (!pair.dp.has(GetParam())) GTEST_SKIP() << "this kernel has no bpf_rdonly_cast";
    Netns elsewhere = Netns::make();
    ip("link set pri netns " + elsewhere.path());
    inside(elsewhere, [] { ip("link set pri up"); });
    ASSERT_EQ(inside(elsewhere, [] { return ifindex_of("pri"); }), pair.bed.primary)
        << "kept, so that only the namespace tells";
    expect_left_once(pair, GetParam());
}

/// Its hooks went along, and ifindex "master" is somebody else there.
TEST_P(EgressMoveTest, AMovedNicsFramesBelongToWhereItIs) {
    Pair pair;
    if (!pair.dp.has(GetParam())) GTEST_SKIP() << "this kernel has no bpf_rdonly_cast";
    auto &programs = pair.dp.skel().progs;
    bpf_program *ingress = GetParam() == HL_LIVENESS_CAST ? programs.hl_ingress_primary_cast
                                                          : programs.hl_ingress_primary_probe_read;
    Frame unicast = frame(own_mac, peer_mac);
    ASSERT_EQ(pair.dp.run(ingress, unicast, pair.bed.primary), TC_ACT_REDIRECT);
    Netns elsewhere = Netns::make();
    ip("link set pri netns " + elsewhere.path());
    inside(elsewhere,
           [&] { ASSERT_EQ(pair.dp.run(ingress, unicast, pair.bed.primary), TC_ACT_UNSPEC); });
    EXPECT_EQ(pair.dp.counted(HL_COUNT_RX_PRIMARY), 1u);
}

INSTANTIATE_TEST_SUITE_P(Variant, EgressMoveTest, ::testing::ValuesIn(asking_variants),
                         [](const auto &test) { return name_of(test.param); });

/// The standby's hooks went along, and ifindex "primary" is somebody else there; what comes in by
/// the primary has no master to go to. Which hooks do that is the kernel's matter, not the
/// variant's.
class EgressWithoutMasterTest : public ::testing::TestWithParam<hl_liveness> {};

TEST_P(EgressWithoutMasterTest, NothingIsLedAnywhere) {
    Pair pair;
    if (!pair.dp.has(HL_LIVENESS_CAST)) GTEST_SKIP() << "a move takes clsact away, and its filters";
    auto &programs = pair.dp.skel().progs;
    bpf_program *ingress[] = {programs.hl_ingress_primary_cast,
                              programs.hl_ingress_primary_probe_read,
                              programs.hl_ingress_primary_netlink};
    Netns elsewhere = Netns::make();
    ip("link set sby netns " + elsewhere.path());
    inside(elsewhere, [&] { EXPECT_EQ(pair.dp.egress(GetParam()), TC_ACT_UNSPEC); });
    EXPECT_EQ(pair.dp.run(ingress[GetParam()], frame(own_mac, peer_mac), pair.bed.primary),
              TC_ACT_UNSPEC);
    EXPECT_EQ(pair.dp.counters(), "");
}

INSTANTIATE_TEST_SUITE_P(Variant, EgressWithoutMasterTest, ::testing::ValuesIn(every_variant),
                         [](const auto &test) { return name_of(test.param); });

TEST(Egress, TheNetlinkVariantBelievesTheVetoWordOnly) {
    Pair pair;
    ip("link set pri down");
    EXPECT_EQ(pair.dp.egress(HL_LIVENESS_NETLINK), TC_ACT_REDIRECT);
    pair.dp.pair().veto = HL_VETO(LINK_DOWN);
    EXPECT_EQ(pair.dp.egress(HL_LIVENESS_NETLINK), TC_ACT_UNSPEC);
}

} // namespace
} // namespace hitless::test
