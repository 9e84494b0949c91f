// SPDX-License-Identifier: BSD-2-Clause
//
// The control socket's language: Varlink (https://varlink.org), JSON objects that end with NUL.
// docs/control-socket.md shows it in use. Everybody who may connect reads; root also steers.
#pragma once

#include "cli/serve/server.hpp"
#include "loader/api.hpp"

#include <functional>

namespace hitless::cli {

class Varlink : public Protocol {
  public:
    /// What it speaks about.
    struct Backend {
        std::function<std::vector<PairStatus>()> status;
        std::function<std::vector<Flip>()> flips; ///< what the logs still hold
        std::function<void(const std::string &standby, Target)> switch_path;
    };
    static constexpr unsigned most_verbs = 20; ///< a second

    explicit Varlink(Backend backend) : backend_(std::move(backend)) {}

    size_t length(std::string_view input) const override { return input.find('\0') + 1; }
    Answer answer(std::string_view message, const Peer &) override;

    /// What subscribers to Events get.
    static std::string event(const Flip &);

  private:
    bool may_act();

    Backend backend_;
    Instant verbs_since_{};
    unsigned verbs_ = 0;
};

} // namespace hitless::cli
