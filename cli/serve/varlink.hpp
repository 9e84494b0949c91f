// SPDX-License-Identifier: BSD-2-Clause
//
// What `hitless run` offers on its control socket: io.hitless. Everybody who may connect reads;
// root also steers.
#pragma once

#include "cli/serve/varlink_service.hpp"
#include "loader/api.hpp"

#include <functional>

namespace hitless::cli {

class Varlink : public VarlinkService {
  public:
    /// What it speaks about.
    struct Backend {
        std::function<std::vector<PairStatus>()> status;
        std::function<std::vector<Flip>()> flips; ///< what the logs still hold
        std::function<void(const std::string &standby, Target)> switch_path;
    };

    explicit Varlink(Backend backend);

    /// What subscribers to Events get.
    static std::string event(const Flip &);

  protected:
    Reply call(const Call &, const Peer &) override;
    Refusal refusal_of(const Call &, const Error &) const override;

  private:
    static Json status_reply(const std::vector<PairStatus> &,
                             const std::optional<std::string> &standby);
    static Target target_of(const Call &);
    void steer(const Call &, const Peer &);

    Backend backend_;
};

} // namespace hitless::cli
