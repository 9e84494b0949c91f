// SPDX-License-Identifier: BSD-2-Clause
//
// The product as a user has it: a command with an exit code, and what it printed. Nothing here
// throws because of what the command did; that is for the test to judge.
//
//   Outcome o = hitless_cli(bed.guest(), {"attach", "standby", "--primary", "mac"});
//   Process run({hitless_binary(), "-n", ns, "run"});  ...  run.signal(SIGKILL);
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/netns.hpp"
#include "testbed/until.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hitless::selftest {

/// A child. Killed and reaped by the destructor, by its pid.
class Process {
  public:
    explicit Process(const std::vector<std::string> &command,
                     const std::vector<std::string> &environment_without = {});
    ~Process();
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// The exit code, or 128 + the signal that ended it; nothing while it lives.
    std::optional<int> ended();
    std::optional<int> wait(std::chrono::milliseconds patience = testbed::default_patience);
    /// How often it gave up its CPU to wait for something, once it has ended.
    std::uint64_t waited() const { return waited_; }
    std::string out() const { return text(out_); }
    std::string err() const { return text(err_); }

  private:
    static std::string text(const Fd &file);

    Fd out_, err_;
    pid_t pid_ = 0;
    std::optional<int> code_;
    std::uint64_t waited_ = 0;
};

struct Outcome {
    int code = -1;
    std::string out, err;
    std::string shown() const; ///< for failure messages
};

/// $HITLESS, else the one beside this program, else the one in $PATH.
std::string hitless_binary();

Outcome run(const std::vector<std::string> &command,
            const std::vector<std::string> &environment_without = {});

/// `hitless -n NETNS ...`
Outcome hitless_cli(const testbed::Netns &ns, std::vector<std::string> arguments);

/// A private HITLESS_STATE_DIR for this process, gone with the object.
class PrivateState {
  public:
    PrivateState();
    ~PrivateState();
    PrivateState(const PrivateState &) = delete;
    PrivateState &operator=(const PrivateState &) = delete;
    static std::string dir(); ///< of this process
};

} // namespace hitless::selftest
