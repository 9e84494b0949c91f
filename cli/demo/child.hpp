// SPDX-License-Identifier: BSD-2-Clause
//
// This binary once more, as a child that lives on: the controller as a user starts it. It dies with
// its parent, hears no Ctrl-C of ours, and is ended by its pid.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace hitless::cli::demo {

class Child {
  public:
    /// What it prints goes to the file `log`. Throws Error.
    Child(const std::vector<std::string> &arguments, const std::string &log);
    ~Child(); ///< SIGTERM, and SIGKILL after two seconds
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    pid_t pid() const { return pid_; }
    bool running();
    /// Sends `signal` and waits; returns the wait status, as of waitpid.
    int end(int signal);

  private:
    pid_t pid_ = 0;
    int status_ = 0;
    bool over_ = false;
};

} // namespace hitless::cli::demo
