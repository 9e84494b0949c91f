// SPDX-License-Identifier: BSD-2-Clause
//
// What `hitless host run` offers on its control socket: io.hitless.Host. Everybody who may connect
// reads; root also gives and takes.
#pragma once

#include "cli/serve/varlink_service.hpp"
#include "loader/host/guest_status.hpp"

#include <deque>
#include <functional>

namespace hitless::cli {

class HostVarlink : public VarlinkService {
  public:
    /// What it speaks about.
    struct Backend {
        std::function<std::vector<GuestStatus>()> status;
        std::function<void(const std::string &guest, bool give)> request;
        std::function<std::vector<std::string>()> problems; ///< of no guest: of the configuration
    };
    static constexpr size_t most_events = 256; ///< of all guests; who has most of them loses first
    static constexpr unsigned most_requests = 1000; ///< a second: all guests of a host at once

    explicit HostVarlink(Backend);

    /// Keeps an event for who asks later; returns what subscribers get.
    std::string add(const HostEvent &);

  protected:
    Reply call(const Call &, const Peer &) override;
    Refusal refusal_of(const Call &, const Error &) const override;

  private:
    void drop_one();
    Json status_reply(const std::optional<std::string> &guest) const;

    Backend backend_;
    std::deque<Json> events_; ///< as they were told first
};

} // namespace hitless::cli
