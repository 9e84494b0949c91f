// SPDX-License-Identifier: BSD-2-Clause
//
// A state directory of the demo's own, named in HITLESS_STATE_DIR while the object lives: pairs of
// this machine are never touched, and an installed controller never meets those of the demo.
#pragma once

#include <string>

namespace hitless::cli::demo {

class StateHome {
  public:
    StateHome(); ///< also sweeps what killed demos left; throws Error
    ~StateHome();
    StateHome(const StateHome &) = delete;
    StateHome &operator=(const StateHome &) = delete;

    const std::string &path() const { return path_; }

  private:
    std::string path_;
};

} // namespace hitless::cli::demo
