// SPDX-License-Identifier: BSD-2-Clause
//
// A command of the administrator's, run without a shell and without waiting for it. It gets a
// process group of its own: when its time is over, all of it is killed.
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/fd.hpp"

#include <optional>
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
    ~Command(); ///< kills what still runs; waits for nothing
    Command(const Command &) = delete;
    Command &operator=(const Command &) = delete;

    int fd() const { return process_.get(); } ///< readable when it has ended; -1: it was killed
    Instant deadline() const { return deadline_; } ///< when ended() is due in any case
    /// True once it is no more: by itself, or killed when its time was over. result() then tells.
    bool ended(Instant now);
    /// It was killed. One that hangs in the kernel may still not end for long.
    bool killed() const { return killed_; }
    CommandResult result() const { return result_; }

  private:
    std::optional<int> reap(); ///< its status, if it is no more

    std::string shown_;
    Instant deadline_;
    pid_t pid_ = 0;
    bool killed_ = false;
    Fd process_, out_, err_;
    CommandResult result_;
};

} // namespace hitless
