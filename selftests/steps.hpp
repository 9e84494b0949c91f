// SPDX-License-Identifier: BSD-2-Clause
//
// A command that dies by kill -9 between two of its steps: the system calls by which it changes
// what is pinned, attached or published. None is left out, and none is named by the product.
//
//   for (unsigned n = 1; !(step = die_before(command, "upgrade-", n)).empty(); n++) ...
#pragma once

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hitless::selftest {

/// Runs a command and kills it when it is about to do step `n`, counted from 1 at the creation of a
/// directory whose path contains `from`. Returns which step that was; "" when it ended before.
std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       unsigned n);

/// The same, counted among the steps of that name alone: "link update".
std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       const std::string &step, unsigned n);

/// The same, but the kernel refuses that one step, and the command goes on. Loading a program or
/// making a map is a step as well, and removing is none. Those two are refused from then on, for
/// libbpf asks again in other ways. Only where `can_refuse`.
struct Refusal {
    std::string step; ///< "" when the command ended before
    int code;
    std::string err;
};
Refusal refuse_step(const std::vector<std::string> &command, const std::string &from, unsigned n,
                    int error);
/// The same from the first step of that name on, wherever that is: "program", "map".
Refusal refuse_first(const std::vector<std::string> &command, const std::string &step, int error);
extern const bool can_refuse;

/// Lets a child go on until the `calls`th time from now on that it enters or leaves a system call,
/// or until `over` holds, and leaves it stopped there: to be killed. `meanwhile` is done as soon as
/// it is watched. Returns how many it was then. Throws Error.
unsigned run_to_call(pid_t child, unsigned calls, const std::function<void()> &meanwhile,
                     const std::function<bool()> &over = nullptr);

/// A command that is held where it has a pair's record open, to write, and has not written yet: at
/// the last one that it maps. How many that are the rehearsal tells, which must change nothing.
class HeldWithRecord {
  public:
    HeldWithRecord(const std::vector<std::string> &command,
                   const std::vector<std::string> &rehearsal);
    ~HeldWithRecord(); ///< kills it unless it was let go and has ended
    HeldWithRecord(const HeldWithRecord &) = delete;
    HeldWithRecord &operator=(const HeldWithRecord &) = delete;
    bool held() const { return pid_ > 0; }
    /// Returns its exit code, or -1.
    int go_on();
    pid_t pid() const { return pid_; }

  private:
    pid_t pid_ = 0;
};

} // namespace hitless::selftest
