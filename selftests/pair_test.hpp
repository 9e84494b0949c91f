// SPDX-License-Identifier: BSD-2-Clause
//
// The fixture of all selftests: a test bed whose primary is plugged in, and the product beside
// it. Suites are parametrised over the kind of NIC.
//
//   TEST_P(Switch, ...) { attach(); Traffic traffic(bed()); ... cli({"switch", ...}); }
#pragma once

#include "loader/core/models.hpp"
#include "selftests/needs.hpp"
#include "selftests/product.hpp"
#include "selftests/traffic.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

namespace hitless::selftest {

using namespace testbed;
using namespace std::chrono_literals;
using Json = nlohmann::json;

/// What a suite is run with.
struct Setting {
    NicKind kind;
    hl_model model;
    // NOLINTNEXTLINE(google-explicit-constructor): suites that know of kinds alone
    Setting(NicKind nic, hl_model m = HL_MODEL_TWO) : kind(nic), model(m) {}
    operator NicKind() const { return kind; } // NOLINT(google-explicit-constructor)
};

/// The product and a test bed; base of fixtures with parameters of their own.
class Pair {
  public:
    explicit Pair(Setting, unsigned mtu = 1500);
    ~Pair(); ///< ends the controller and all pairs
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    Testbed &bed() { return *bed_; }
    const Netns &guest() const { return bed_->guest(); }
    Nic &primary() { return bed_->primary(); }
    NicKind kind() const { return with_.kind; }
    const ModelRow &model_row() const { return hitless::model_row(with_.model); }
    std::string model() const;
    /// The device whose addresses the guest uses, once attached.
    std::string master() const {
        return model_row().has_failover && !model_row().takes_name ? "fo-standby" : "standby";
    }
    /// The namespace in which the pair's NICs are; "" while it is the guest's.
    std::string private_netns() const;
    /// Where the pair has a NIC of the guest.
    std::string home_of(const std::string &ifname) const;

    Outcome cli(std::vector<std::string> arguments) const;
    /// `hitless attach standby --primary mac ...`; a failure of the test unless it succeeds.
    void attach(std::vector<std::string> more = {"--hold-down", "20"});
    /// Onto the failover device, as a guest that wants them there: a pair by XDP does not.
    void move_addresses() const;
    /// The pair as `status -j` tells; null when it is not there.
    Json status() const;
    std::string active() const; ///< "primary", "standby", "" = no pair
    std::set<std::string> veto() const;
    std::uint64_t counter(const std::string &name) const;
    bool becomes(const std::string &path,
                 std::chrono::milliseconds patience = default_patience) const;

    /// `hitless run`; returns when it has the pair in its care (or, without one, the namespace).
    Process &start_controller(const std::vector<std::string> &more = {});
    Process &controller() { return *controller_; }
    double ready_after_ms() const { return ready_after_ms_; } ///< from its start; a figure
    bool controller_says(const std::string &words,
                         std::chrono::milliseconds patience = default_patience) const;
    void kill_controller(); ///< -9, and reaped
    /// A file for `run --config`.
    std::string config(const std::string &text) const;

    /// What the kernel says of the guest's device where the pair has it; "" when it is not there.
    std::string link(const std::string &ifname) const;
    bool has_carrier(const std::string &ifname) const;
    bool is_up(const std::string &ifname) const;
    /// What died in the primary itself. A veth refuses because its peer is dying: the switch's port
    /// is closed a while before this end can know that its carrier is gone. A tap has a queue.
    std::uint64_t refused() const;
    /// A deleted veth takes along what its other end has not yet looked at (flush_backlog() in
    /// net/core/dev.c), and nobody counts it: part of a burst, that had left the guest.
    std::uint64_t left_behind(const Traffic &traffic, const Both &got) const {
        return kind() == NicKind::veth ? traffic.in_flight(got) : 0;
    }

  private:
    Setting with_;
    std::unique_ptr<Testbed> bed_;
    std::unique_ptr<Process> controller_;
    double ready_after_ms_ = 0;
};

inline std::string name_of(NicKind kind) {
    return kind == NicKind::veth ? "veth" : "tap";
}
std::string name_of(const Setting &);

class PairTest : public testing::TestWithParam<Setting> {
  protected:
    void SetUp() override { pair_ = std::make_unique<Pair>(GetParam()); }
    Pair &pair() { return *pair_; }
    Testbed &bed() { return pair_->bed(); }

    std::unique_ptr<Pair> pair_;
};

/// Sets IFF_UP by ioctl: some microseconds instead of a fork, for storms.
void set_up(const Netns &ns, const std::string &ifname, bool up);

#define HL_INSTANTIATE(suite)                                                                      \
    INSTANTIATE_TEST_SUITE_P(Nic, suite, testing::Values(NicKind::veth, NicKind::tap),             \
                             [](const auto &nic) { return name_of(nic.param); })

/// Only where the kernel has 8021q, as in the guests of the lab.
inline std::vector<Setting> kinds_with_vlans() {
    if (access("/proc/net/vlan", F_OK)) return {};
    return {NicKind::veth, NicKind::tap};
}
#define HL_INSTANTIATE_WITH_VLANS(suite)                                                           \
    GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite);                                          \
    INSTANTIATE_TEST_SUITE_P(Nic, suite, testing::ValuesIn(kinds_with_vlans()),                    \
                             [](const auto &with) { return name_of(with.param); })

/// The other models as well, with both kinds of NIC between them.
#define HL_INSTANTIATE_MODELS(suite)                                                               \
    HL_INSTANTIATE(suite);                                                                         \
    INSTANTIATE_TEST_SUITE_P(Model, suite,                                                         \
                             testing::Values(Setting(NicKind::veth, HL_MODEL_THREE),               \
                                             Setting(NicKind::tap, HL_MODEL_HIDDEN),               \
                                             Setting(NicKind::veth, HL_MODEL_ONE)),                \
                             [](const auto &with) { return name_of(with.param); })

} // namespace hitless::selftest
