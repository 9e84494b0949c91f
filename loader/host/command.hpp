// SPDX-License-Identifier: BSD-2-Clause
//
// A command of the administrator's, run without a shell and without waiting for it. It gets a
// process group of its own: when its time is over, all of it is killed.
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/fd.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace hitless {

struct CommandResult {
    std::string
        out; ///< the first kilobytes of what it printed; who prints more than a pipe holds waits
    std::string failure; ///< why it is not to be believed; empty: it ended with code 0 in time
};

class Command {
  public:
    /// `more`: added to the environment, "NAME=value". Throws Error when it cannot be started.
    Command(const std::vector<std::string> &command, const std::vector<std::string> &more,
            Instant deadline);
    ~Command(); ///< kills what still runs
    Command(const Command &) = delete;
    Command &operator=(const Command &) = delete;

    int fd() const { return process_.get(); } ///< readable when it has ended
    Instant deadline() const { return deadline_; }
    /// True once it has ended or its time is over; result() then tells.
    bool ended(Instant now);
    CommandResult result() const { return result_; }

  private:
    int kill_all(); ///< and reaps; the status of the command itself

    std::string shown_;
    Instant deadline_;
    pid_t pid_ = 0;
    Fd process_, out_, err_;
    CommandResult result_;
};

} // namespace hitless
