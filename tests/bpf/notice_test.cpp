// SPDX-License-Identifier: BSD-2-Clause
//
// Early notice: a primary in use that the kernel is about to stop is left, and said to be.
#include "tests/bpf/datapath.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <notice.skel.h>
#include <poll.h>

namespace hitless::test {
namespace {

class Notice : public testing::Test {
  protected:
    void SetUp() override {
        load(true);
        if (!skel_) load(false);
        ASSERT_TRUE(skel_) << strerror(errno);
        auto &progs = skel_->progs;
        attach("qdisc_reset", progs.hl_stopping);
        attach("net_dev_xmit_timeout", progs.hl_hung);
        if (functions_) attach(nullptr, progs.hl_no_carrier);
        if (functions_) attach(nullptr, progs.hl_unregistering);
        bell_.reset(ring_buffer__new(bpf_map__fd(skel_->maps.bell), hear, &heard_, nullptr));
        ASSERT_TRUE(bell_);
        ASSERT_TRUE(watch()) << strerror(errno);
        pair().veto = 0;
    }

    hl_pair &pair() const { return pair_.dp.pair(); }
    bool watch() const {
        const uint64_t netdev = pair().primary.netdev;
        const int state = bpf_map__fd(pair_.dp.skel().maps.data_pair);
        return bpf_map_update_elem(bpf_map__fd(skel_->maps.watched), &netdev, &state, BPF_ANY) == 0;
    }
    std::vector<hl_notice> heard() {
        heard_.clear();
        ring_buffer__consume(bell_.get());
        return heard_;
    }
    /// The tracepoint as the kernel would pass it, of this device.
    void hang(uint64_t netdev) const {
        uint64_t arguments[2] = {netdev, 0};
        LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arguments, .ctx_size_in = sizeof(arguments));
        ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skel_->progs.hl_hung), &opts), 0);
    }

    Pair pair_;
    bool functions_ = false;

  private:
    struct Destroy {
        void operator()(notice_bpf *skel) const { notice_bpf__destroy(skel); }
        void operator()(ring_buffer *ring) const { ring_buffer__free(ring); }
    };
    static int hear(void *to, void *data, size_t) {
        static_cast<std::vector<hl_notice> *>(to)->push_back(*static_cast<hl_notice *>(data));
        return 0;
    }
    /// Kernels may refuse function entry; tracepoints every one of them takes.
    void load(bool functions) {
        auto *print = libbpf_set_print(nullptr);
        functions_ = functions;
        skel_.reset(notice_bpf__open());
        bpf_program__set_autoload(skel_->progs.hl_no_carrier, functions);
        bpf_program__set_autoload(skel_->progs.hl_unregistering, functions);
        if (notice_bpf__load(skel_.get())) skel_.reset();
        libbpf_set_print(print);
    }
    void attach(const char *tracepoint, const bpf_program *program) {
        links_.emplace_back(bpf_raw_tracepoint_open(tracepoint, bpf_program__fd(program)));
        ASSERT_TRUE(links_.back()) << bpf_program__name(program) << ": " << strerror(errno);
    }

    std::unique_ptr<notice_bpf, Destroy> skel_;
    std::unique_ptr<ring_buffer, Destroy> bell_;
    std::vector<Fd> links_;
    std::vector<hl_notice> heard_;
};

TEST_F(Notice, OfAdminDown) {
    ip("link set pri down");
    EXPECT_EQ(pair().veto, HL_VETO(DOWN_SEEN)) << "no frame was sent, no controller lives";
    const auto notices = heard();
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_EQ(notices[0].netdev, pair().primary.netdev);
    EXPECT_EQ(notices[0].hung, 0U);
    EXPECT_EQ(pair().flips, 1U);
    EXPECT_EQ(pair().flip[0].veto_after, HL_VETO(DOWN_SEEN));
    EXPECT_EQ(pair().flip[0].actor, uint32_t{HL_ACTOR_DATAPATH});
}

TEST_F(Notice, OfCarrierLoss) {
    ip("link set pri_far down");
    // Linkwatch comes by a work queue: veth is urgent to it, a busy machine late all the same.
    for (int ms = 0; ms < 10'000 && !pair().veto; ms++)
        poll(nullptr, 0, 1);
    EXPECT_EQ(pair().veto, HL_VETO(DOWN_SEEN));
    EXPECT_EQ(heard().size(), 1U) << "more than one program saw it, one spoke";
}

TEST_F(Notice, OfDeletion) {
    const uint64_t netdev = pair().primary.netdev;
    ip("link del pri");
    EXPECT_EQ(pair().veto, HL_VETO(DOWN_SEEN));
    const auto notices = heard();
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_EQ(notices[0].netdev, netdev);
}

TEST_F(Notice, OfATransmissionThatDoesNotEnd) {
    hang(pair().primary.netdev);
    EXPECT_EQ(pair().veto, HL_VETO(TX_HANG));
    const auto notices = heard();
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_EQ(notices[0].hung, 1U);
}

TEST_F(Notice, NotOfOtherDevices) {
    hang(pair().standby.netdev);
    ip("link set sby down");
    EXPECT_EQ(pair().veto, 0U);
    EXPECT_TRUE(heard().empty());
}

TEST_F(Notice, NotOfAPrimaryThatIsNotInUse) {
    pair().veto = HL_VETO(LINK_DOWN);
    ip("link set pri down");
    EXPECT_EQ(pair().veto, HL_VETO(LINK_DOWN)) << "down-seen would make it wait at its return";
    EXPECT_TRUE(heard().empty());
}

TEST_F(Notice, NotWhenOnlyItsQueueIsReplaced) {
    ip("link set pri txqueuelen 500");
    ASSERT_EQ(std::system("tc qdisc replace dev pri root pfifo && tc qdisc del dev pri root"), 0);
    EXPECT_EQ(pair().veto, 0U);
    EXPECT_TRUE(heard().empty());
}

/// The address of a device that went may be another's by the time.
TEST_F(Notice, NotOfAnotherDeviceAtTheSameAddress) {
    const uint64_t netdev = pair().primary.netdev;
    ASSERT_EQ(pair_.dp.resolve(HL_ROLE_PRIMARY, 0), 0);
    hang(netdev);
    EXPECT_EQ(pair().veto, 0U);
    EXPECT_TRUE(heard().empty());
}

} // namespace
} // namespace hitless::test
