// SPDX-License-Identifier: BSD-2-Clause
//
// Child processes (no shell): one that lives on, and one command to its end. The test bed is built
// with `ip`, `bridge` and `tc`: what it does can be read, and typed by hand.
//
//   spawn({"ip", "netns", "add", name});               // throws Error when it fails
//   Outcome o = run({"ip", "-n", name, "link"});        // the exit code is the caller's to judge
//   Process tool({"tcpdump", "-i", "eth0"});  ...  tool.signal(SIGINT);
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/until.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace hitless::testbed {

/// A child. Killed and reaped by the destructor, by its pid. What it prints is kept in memory: a
/// command that prints much cannot deadlock with one that waits.
class Process {
  public:
    struct Options {
        std::string_view input = {};               ///< its stdin
        std::vector<std::string> without_env = {}; ///< variables that it does not get
    };
    explicit Process(const std::vector<std::string> &command) : Process(command, Options{}) {}
    Process(const std::vector<std::string> &command, const Options &);
    ~Process();
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// The exit code, or 128 + the signal that ended it; nothing while it lives.
    std::optional<int> ended();
    std::optional<int> wait(std::chrono::milliseconds patience = default_patience);
    /// How often it gave up its CPU to wait for something, once it has ended.
    std::uint64_t waited() const { return waited_; }
    std::string out() const { return text(out_); }
    std::string err() const { return text(err_); }

  private:
    static std::string text(const Fd &file);

    Fd in_, out_, err_;
    pid_t pid_ = 0;
    std::optional<int> code_;
    std::uint64_t waited_ = 0;
};

struct Outcome {
    int code = -1;
    std::string out, err;
    std::string shown() const; ///< for failure messages
};

/// Runs a command to its end; code -1 when it has not ended in time.
Outcome run(const std::vector<std::string> &command, const Process::Options & = {});

/// The same of a command that must succeed: returns what it printed on stdout, or throws Error with
/// the command and its stderr.
std::string spawn(const std::vector<std::string> &command, std::string_view input = {});

/// `spawn({"ip", "-n", netns, "-batch", "-"}, lines)`: several commands for one fork.
void ip_batch(const std::string &netns, std::string_view lines);

} // namespace hitless::testbed
