// SPDX-License-Identifier: BSD-2-Clause
//
// Where the story is played: the test bed, its traffic, and the product as a user runs it, with a
// state directory of its own. All of it goes with the object.
//
//   Stage stage({}, signals);
//   stage.hitless({"attach", "standby", "--primary", "mac"});
//   stage.start_controller();
//   stage.pause(100ms); // throws Interrupted on SIGINT
#pragma once

#include "cli/demo/child.hpp"
#include "cli/demo/event.hpp"
#include "cli/demo/host_side.hpp"
#include "cli/demo/spec.hpp"
#include "cli/demo/state_home.hpp"
#include "cli/signals.hpp"
#include "loader/api.hpp"
#include "testbed/bulk.hpp"
#include "testbed/flow.hpp"
#include "testbed/testbed.hpp"

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace hitless::cli::demo {

struct Interrupted {};

class Stage {
  public:
    using Progress = std::function<void(unsigned done, unsigned of)>;

    Stage(const Spec &, const Signals &);

    const Spec &spec() const { return spec_; }
    testbed::Testbed &bed() { return bed_; }
    testbed::Flow &up() { return up_; }
    testbed::Flow &down() { return down_; }
    testbed::Bulk &tcp_up() { return tcp_up_; }
    testbed::Bulk &tcp_down() { return tcp_down_; }
    Progress progress; ///< for events that take long; may be empty

    /// The pair as `hitless status` tells it; nothing when none is attached.
    std::optional<PairStatus> pair() const;
    Path path() const;
    /// Where the pair's NICs are now.
    const testbed::Netns &home();
    void switch_to(Target) const;

    void attach();
    void detach();
    /// Runs `hitless -n GUEST ...` to its end. Throws Error with what it said.
    std::string hitless(std::vector<std::string> arguments) const;
    void start_controller();                        ///< returns when it owns the namespace
    int kill_controller();                          ///< SIGKILL; its wait status
    void stop_controller() { controller_.reset(); } ///< SIGTERM
    bool controller_lives() const;      ///< by its lock, as another controller would ask
    std::string controller_log() const; ///< its last lines

    pid_t controller() const { return controller_->pid(); }

    void start_host(); ///< `hitless host run` in the switch's namespace; returns when it answers
    void kill_host() { host_.reset(); } ///< SIGKILL
    /// Has the guest given its primary, or has it taken; returns at once.
    void request(bool give) const;
    /// The guest as the host's daemon tells it (`hitless host status -j`).
    nlohmann::ordered_json guest() const;

    void pause(std::chrono::milliseconds) const;
    template <class Predicate>
    bool wait_until(Predicate &&predicate, std::chrono::milliseconds patience) const {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!predicate()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            pause(std::chrono::milliseconds(5));
        }
        return true;
    }
    void wait_for(Path) const; ///< throws Error(ETIMEDOUT) with the vetoes when it does not come

  private:
    std::string private_netns() const;

    Spec spec_;
    const Signals &signals_;
    StateHome state_;
    testbed::Testbed bed_;
    testbed::Flow up_, down_;
    testbed::Bulk tcp_up_, tcp_down_;
    std::optional<testbed::Netns> hidden_; // the pair's private namespace, once it was looked for
    std::optional<Child> controller_;
    std::unique_ptr<HostSide> host_;
};

} // namespace hitless::cli::demo
