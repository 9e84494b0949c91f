// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "cli/watch/view.hpp"

#include <termios.h>

namespace hitless::cli {

/// The terminal on stdout as a screen to draw on, given back as it was by the destructor. Keys
/// come one by one if stdin is a terminal, too.
class Terminal {
  public:
    Terminal();
    ~Terminal();
    Terminal(const Terminal &) = delete;
    Terminal &operator=(const Terminal &) = delete;

    struct Size {
        unsigned columns, rows;
    };
    static Size size();
    static void draw(const std::vector<Line> &);

    bool keys() const { return keys_; }
    /// The next key, 0 when there is none; nothing once the terminal is gone.
    static std::optional<char> key();

  private:
    termios before_{};
    bool keys_; ///< initialised by what fills before_
};

} // namespace hitless::cli
