// SPDX-License-Identifier: BSD-2-Clause
//
// What only a frame on a wire shows: the way from the primary's ingress through the standby's to
// the stack, tags that the kernel takes out of the frame, and frames larger than a page.
#include "tests/bpf/datapath.hpp"

#include "loader/core/error.hpp"

#include <bpf/libbpf.h>
#include <cerrno>
#include <chrono>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <thread>
#include <witness.skel.h>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;

bpf_tc_hook ingress_of(uint32_t ifindex) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
                .attach_point = BPF_TC_INGRESS);
    return hook;
}

void make_clsact(uint32_t ifindex) {
    bpf_tc_hook hook = ingress_of(ifindex);
    if (int err = bpf_tc_hook_create(&hook)) throw Error(-err, "make a clsact qdisc");
}

void attach(uint32_t ifindex, const bpf_program *program, uint32_t priority) {
    bpf_tc_hook hook = ingress_of(ifindex);
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program), .priority = priority);
    if (int err = bpf_tc_attach(&hook, &opts)) throw Error(-err, "attach a tc program");
}

class WireTest : public ::testing::Test {
  protected:
    WireTest() : socket_(::socket(AF_PACKET, SOCK_RAW, 0)) {
        make_clsact(pair.bed.primary);
        make_clsact(pair.bed.standby);
        attach(pair.bed.primary, pair.dp.ingress_primary(), 1);
        attach(pair.bed.standby, pair.dp.skel().progs.hl_ingress_standby, 1);
        attach(pair.bed.standby, witness_->progs.see, 2);
    }
    ~WireTest() override { witness_bpf::destroy(witness_); }

    auto &seen() { return witness_->data_witness->witness; }

    /// Puts a frame on the wire to one NIC; did it come out behind both programs?
    bool arrives(hl_role nic, const Frame &bytes) {
        uint64_t before = seen().frames;
        uint64_t judged = decided();
        sockaddr_ll to = {};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(ifindex_of(nic == P ? "pri_far" : "sby_far"));
        if (sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr *>(&to),
                   sizeof(to)) < 0)
            throw Error(errno, "send a frame");
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (decided() == judged && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        if (dropped() > dropped_) return dropped_ = dropped(), false;
        while (seen().frames == before && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        return seen().frames == before + 1;
    }

    Pair pair;

  private:
    uint64_t dropped() const {
        return pair.dp.counted(HL_COUNT_DROP_TWIN) + pair.dp.counted(HL_COUNT_DROP_ECHO);
    }
    uint64_t decided() const {
        return dropped() + pair.dp.counted(HL_COUNT_RX_PRIMARY) +
               pair.dp.counted(HL_COUNT_RX_STANDBY);
    }

    Fd socket_;
    uint64_t dropped_ = 0;
    witness_bpf *witness_ = witness_bpf::open_and_load();
};

TEST_F(WireTest, TheStandbyPassesWhatThePrimaryJudgedAndLeavesNoTrace) {
    ASSERT_TRUE(arrives(P, frame(broadcast_mac, peer_mac)));
    EXPECT_EQ(seen().tc_index, 0U);
    EXPECT_EQ(seen().mark, 0U);
    EXPECT_EQ(seen().ifindex, pair.bed.standby);
    EXPECT_EQ(pair.dp.counters(), "rx_primary=1") << "judged once";
}

/// The stack behind the master must see a frame from the primary as one of the master's own.
TEST_F(WireTest, ARedirectedFrameIsOfTheTypeItHasForTheMaster) {
    struct {
        Mac to;
        uint32_t type;
    } cases[] = {{own_mac, PACKET_HOST},
                 {broadcast_mac, PACKET_BROADCAST},
                 {multicast_mac, PACKET_MULTICAST},
                 {{2, 0, 0, 0, 0, 0x55}, PACKET_OTHERHOST}};
    for (const auto &c : cases) {
        ASSERT_TRUE(arrives(P, frame(c.to, peer_mac)));
        EXPECT_EQ(seen().pkt_type, c.type);
    }
}

/// A primary whose own MAC differs: frames for the master are OTHERHOST to it and must get through.
TEST_F(WireTest, TheMastersMacDecidesNotThePrimarys) {
    ip("link set pri address 02:00:00:00:00:77");
    ASSERT_TRUE(arrives(P, frame(own_mac, peer_mac)));
    EXPECT_EQ(seen().pkt_type, static_cast<uint32_t>(PACKET_HOST));
}

TEST_F(WireTest, AVlanTagIsKeptAndToldApart) {
    EXPECT_TRUE(arrives(P, tagged(broadcast_mac, peer_mac, {7})));
    EXPECT_EQ(seen().vlan_tci & 0xfff, 7U);
    EXPECT_TRUE(arrives(S, tagged(broadcast_mac, peer_mac, {8})));
    EXPECT_TRUE(arrives(S, frame(broadcast_mac, peer_mac)));
    EXPECT_FALSE(arrives(S, tagged(broadcast_mac, peer_mac, {7})));
}

class WireJumboTest : public WireTest, public ::testing::WithParamInterface<size_t> {};

TEST_P(WireJumboTest, AreTwinsOnlyWhenEveryByteAgrees) {
    ip_batch("link set sby mtu 9100\nlink set sby_far mtu 9100\n"
             "link set pri mtu 9100\nlink set pri_far mtu 9100\n");
    Frame bytes = frame(broadcast_mac, peer_mac, GetParam());
    EXPECT_TRUE(arrives(P, bytes));
    EXPECT_EQ(seen().len, bytes.size());
    Frame other = bytes;
    other.back() ^= 1;
    EXPECT_TRUE(arrives(S, other));
    EXPECT_FALSE(arrives(S, bytes));
}

INSTANTIATE_TEST_SUITE_P(Sizes, WireJumboTest, ::testing::Values(60, 1514, 4095, 4097, 9000, 9001),
                         ::testing::PrintToStringParamName());

} // namespace
} // namespace hitless::test
