// SPDX-License-Identifier: BSD-2-Clause
//
// The primary is lost in every way: what the guest sends goes on by the standby at once, whether a
// controller lives, was killed, or never ran; and the way back loses nothing.
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

enum class Event { admin_down, carrier_loss, deletion, netns_move };
enum class Controller { living, killed, never };

using Params = std::tuple<Setting, const char *, Controller, Event>;

constexpr const char *event_names[] = {"AdminDown", "CarrierLoss", "Deletion", "NetnsMove"};
constexpr const char *controller_names[] = {"living", "killed", "never"};

class Loss : public testing::TestWithParam<Params> {
  protected:
    Setting with_nics() const { return std::get<0>(GetParam()); }
    std::string variant() const { return std::get<1>(GetParam()); }
    Controller with() const { return std::get<2>(GetParam()); }
    Event event() const { return std::get<3>(GetParam()); }

    void SetUp() override {
        if (variant() == "cast") HL_NEEDS_KERNEL(6, 2, "bpf_rdonly_cast");
        pair_ = std::make_unique<Pair>(with_nics());
        pair_->attach({"--hold-down", "20", "--liveness", variant()});
        ASSERT_TRUE(pair_->becomes("primary"));
        if (with() != Controller::never) pair_->start_controller();
        if (with() == Controller::killed) pair_->kill_controller();
    }

    void lose() {
        Nic &nic = pair_->primary();
        switch (event()) {
        case Event::admin_down: return nic.admin(false);
        case Event::carrier_loss: return nic.carrier(false);
        case Event::deletion: return nic.remove();
        case Event::netns_move: return nic.move_to(pair_->bed().elsewhere());
        }
    }

    /// What the kernel itself says.
    bool is_lost() const {
        switch (event()) {
        case Event::admin_down: return !pair_->is_up("primary") && !pair_->link("primary").empty();
        case Event::carrier_loss: return !pair_->has_carrier("primary") && pair_->is_up("primary");
        default: return pair_->link("primary").empty();
        }
    }

    void give_back() {
        Nic &nic = pair_->primary();
        switch (event()) {
        case Event::admin_down: return nic.admin(true);
        case Event::carrier_loss: return nic.carrier(true);
        case Event::deletion: return nic.add();
        case Event::netns_move: return nic.move_to(pair_->guest());
        }
    }

    std::unique_ptr<Pair> pair_;
};

TEST_P(Loss, OfThePrimaryAndItsReturn) {
    Traffic traffic(pair_->bed());
    Marks from = traffic.mark();
    lose();
    ASSERT_TRUE(is_lost());
    ASSERT_TRUE(traffic.pass(1000)); // the standby carries both ways
    Both got = traffic.since(from);
    traffic.report(fmt::format("{}", event_names[static_cast<int>(event())]), got);
    const auto in_flight = event() == Event::deletion ? pair_->left_behind(traffic, got) : 0;
    expect_lost_at_most("up, on loss", got.up, 1 + pair_->refused() + in_flight);
    // The switch must first notice, or learn from what the guest sends by the other port.
    expect_lost_at_most("down, on loss", got.down, traffic.unheard(got));
    EXPECT_EQ(pair_->active(), "standby");

    from = traffic.mark();
    give_back();
    if (with() == Controller::living) {
        ASSERT_TRUE(pair_->becomes("primary")) << pair_->controller().out();
    }
    ASSERT_TRUE(traffic.pass(1000));
    got = traffic.since(from);
    traffic.report("  return", got);
    expect_nothing_lost("return", got);
    EXPECT_EQ(pair_->active(), with() == Controller::living ? "primary" : "standby");
}

std::string shown(const testing::TestParamInfo<Params> &test) {
    const auto [kind, variant, with, event] = test.param;
    return fmt::format("{}_{}_{}_{}", name_of(kind), *variant == 'c' ? "cast" : "probe_read",
                       controller_names[static_cast<int>(with)],
                       event_names[static_cast<int>(event)]);
}

INSTANTIATE_TEST_SUITE_P(
    Nic, Loss,
    testing::Combine(testing::Values(Setting(NicKind::veth), Setting(NicKind::tap)),
                     testing::Values("cast", "probe-read"),
                     testing::Values(Controller::living, Controller::killed, Controller::never),
                     testing::Values(Event::admin_down, Event::carrier_loss, Event::deletion,
                                     Event::netns_move)),
    shown);

INSTANTIATE_TEST_SUITE_P(Model, Loss,
                         testing::Combine(testing::Values(Setting(NicKind::veth, HL_MODEL_THREE),
                                                          Setting(NicKind::tap, HL_MODEL_HIDDEN),
                                                          Setting(NicKind::veth, HL_MODEL_ONE)),
                                          testing::Values("probe-read"),
                                          testing::Values(Controller::living, Controller::never),
                                          testing::Values(Event::admin_down, Event::carrier_loss,
                                                          Event::deletion, Event::netns_move)),
                         shown);

class Carrier : public PairTest {};

// On a tap, netlink tells of the second loss a second late: the frames must know by themselves.
TEST_P(Carrier, ThreeChangesInAHundredMilliseconds) {
    pair().attach({"--hold-down", "0"});
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic traffic(bed());
    const auto flips = pair().status()["flips"].get<int>();
    const Marks from = traffic.mark();
    const auto start = now_ns();
    for (const bool on : {false, true, false}) {
        pair().primary().carrier(on);
        ASSERT_TRUE(traffic.pass(700)); // 35 ms
    }
    fmt::print("  three changes in {:.0f} ms\n", static_cast<double>(now_ns() - start) / 1e6);
    ASSERT_FALSE(pair().has_carrier("primary"));
    const Both got = traffic.since(from);
    traffic.report("carrier off, on, off", got);
    expect_lost_at_most("up", got.up, 2 + pair().refused()); // two losses
    EXPECT_TRUE(pair().becomes("standby"));
    EXPECT_GT(pair().status()["flips"], flips);
    const Marks back = traffic.mark();
    pair().primary().carrier(true);
    ASSERT_TRUE(pair().becomes("primary"));
    ASSERT_TRUE(traffic.pass(500));
    expect_nothing_lost("return", traffic.since(back));
}

HL_INSTANTIATE_MODELS(Carrier);

} // namespace
} // namespace hitless::selftest
