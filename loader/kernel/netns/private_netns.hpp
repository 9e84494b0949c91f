// SPDX-License-Identifier: BSD-2-Clause
//
// A network namespace that a pair has for itself. It has a name under /run/netns as those of `ip
// netns` do, in the machine's own mounts, so it outlives every process and people can look into it.
//
//   PrivateNetns ns = PrivateNetns::create("hitless-4711-3");
//   InNetns there(ns.fd());
#pragma once

#include "loader/kernel/fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hitless {

/// The calling thread is in another network namespace for the life of this object. Aborts if the
/// way back is barred: to go on in the wrong one is worse.
class InNetns {
  public:
    explicit InNetns(int netns_fd);
    ~InNetns();
    InNetns(const InNetns &) = delete;
    InNetns &operator=(const InNetns &) = delete;

  private:
    Fd home_;
};

/// The calling thread's.
Fd own_netns();

class PrivateNetns {
  public:
    /// Makes it: no device but lo, and nothing in it speaks IPv6 of its own accord. EEXIST when the
    /// name is taken.
    static PrivateNetns create(const std::string &name);
    /// Nothing when there is none of that name; throws where that cannot be known.
    static std::optional<PrivateNetns> open(const std::string &name);
    /// Removes the name; the namespace goes with its last user. Quiet when it is gone.
    static void remove(const std::string &name);
    /// Names that begin with `prefix`.
    static std::vector<std::string> named(const std::string &prefix);

    int fd() const { return fd_.get(); }

  private:
    explicit PrivateNetns(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace hitless
