// SPDX-License-Identifier: BSD-2-Clause
//
// A network namespace of our own, by name under /run/netns so that people can `ip netns exec` into
// it while a test runs. The object owns the name: destroying it removes the namespace, and with it
// every device in it that nobody else holds.
//
//   Netns ns("hl123-guest");
//   Fd socket = in_netns(ns, [] { return Fd(::socket(AF_INET, SOCK_DGRAM, 0)); });
#pragma once

#include "loader/kernel/fd.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace hitless::testbed {

class Netns {
  public:
    explicit Netns(std::string name); ///< creates it; throws Error (EEXIST, EPERM, ...)
    Netns(Netns &&other) noexcept;
    /// One that somebody else made and will remove. Throws Error(ENOENT).
    static Netns of_others(std::string name);
    Netns &operator=(Netns &&) = delete;
    ~Netns(); ///< removes the name; failures are ignored

    const std::string &name() const { return name_; }
    int fd() const { return fd_.get(); }

    /// Writes /proc/sys/`path` as this namespace sees it ("net/ipv6/conf/all/disable_ipv6").
    void sysctl(std::string_view path, std::string_view value) const;

  private:
    Netns(std::string name, Fd fd) : name_(std::move(name)), fd_(std::move(fd)), ours_(false) {}
    std::string name_; // empty once moved from
    Fd fd_;
    bool ours_ = true;
};

/// The calling thread is in `target` for the life of this object.
class NetnsGuard {
  public:
    explicit NetnsGuard(const Netns &target); ///< throws Error
    ~NetnsGuard(); ///< aborts if the way back is barred: going on in the wrong namespace is worse
    NetnsGuard(const NetnsGuard &) = delete;
    NetnsGuard &operator=(const NetnsGuard &) = delete;

  private:
    Fd home_;
};

/// Calls `fn` with the calling thread switched into `ns`. What it opens stays in `ns`.
template <class Fn>
decltype(auto) in_netns(const Netns &ns, Fn &&fn) {
    const NetnsGuard guard(ns);
    return std::forward<Fn>(fn)();
}

/// A prefix for namespace names, unique on this machine: "hl<pid>", then "hl<pid>x2", ...
std::string unique_prefix();

/// Removes the name of a namespace that somebody else made; failures are ignored.
void forget_netns(const std::string &name) noexcept;

/// Removes namespaces of test beds whose process is dead (it was killed, or crashed).
void sweep_stale_netns();

} // namespace hitless::testbed
