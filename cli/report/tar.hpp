// SPDX-License-Identifier: BSD-2-Clause
//
// Just enough of POSIX ustar to write a few texts into one file.
#pragma once

#include <ctime>
#include <string>

namespace hitless::cli {

class Tar {
  public:
    /// Adds a file of mode 0600. `path` has at most 100 bytes.
    void add(const std::string &path, const std::string &contents, std::time_t changed);
    /// The archive, ended; nothing can be added after.
    std::string finish() &&;

  private:
    std::string bytes_;
};

} // namespace hitless::cli
