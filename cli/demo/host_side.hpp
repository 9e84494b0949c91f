// SPDX-License-Identifier: BSD-2-Clause
//
// The hypervisor of the story: `hitless host run` where the switch is, with one guest.
#pragma once

#include "cli/demo/child.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hitless::cli::demo {

class HostSide {
  public:
    /// Starts it in that network namespace; `home` is the state directory.
    HostSide(const std::string &netns, const std::string &home);
    ~HostSide(); ///< SIGKILL: where frames go stays as it is

    bool answers() const;
    void request(bool give) const;        ///< throws Error when it is refused
    nlohmann::ordered_json guest() const; ///< throws Error when nobody answers

  private:
    std::string socket_;
    Child daemon_;
};

} // namespace hitless::cli::demo
