// SPDX-License-Identifier: BSD-2-Clause
//
// A hypervisor and its guest: `hitless host run` in the switch's namespace of a test bed, and in
// the guest's a pair with `hitless run`, or with a stand-in that speaks for it and steers the
// datapath.
#pragma once

#include "selftests/pair_test.hpp"
#include "tests/host/small_guest.hpp"

#include <atomic>
#include <sys/types.h>
#include <thread>

namespace hitless::selftest {

/// The daemon, as a child.
class HostDaemon {
  public:
    explicit HostDaemon(const Netns &ns, const std::string &config);
    ~HostDaemon(); ///< kills it
    HostDaemon(const HostDaemon &) = delete;
    HostDaemon &operator=(const HostDaemon &) = delete;

    pid_t pid() const { return pid_; }
    void kill(); ///< -9, and reaped

  private:
    pid_t pid_ = 0;
};

/// One question to the daemon's control socket, one answer; null when nobody serves it.
Json ask_host(const std::string &method, const Json &parameters = Json::object());

class HostBed {
  public:
    /// `real`: by `hitless run`; `attach`: options of the pair.
    HostBed(const Setting &, bool real,
            const std::vector<std::string> &attach = {"--hold-down", "20"});
    ~HostBed();
    HostBed(const HostBed &) = delete;
    HostBed &operator=(const HostBed &) = delete;

    Pair &pair() { return pair_; }
    void start_host();
    HostDaemon &host() { return *host_; }
    void stop_host() { host_.reset(); }
    bool host_runs() const { return host_ != nullptr; }

    /// One more that the daemon serves, by a table of its configuration; before start_host().
    void describe(const std::string &guest) const;

    static constexpr auto guest_name = "web1";
    /// False when it was not taken.
    bool request(bool give, const std::string &guest = guest_name) const;
    Json guest(const std::string &guest = guest_name) const; ///< as `host status` tells
    bool settled(bool give, const std::string &guest = guest_name) const;
    /// `host give` or `take --wait`, without a process.
    bool carry_out(bool give, const std::string &guest = guest_name) const {
        return request(give, guest) && until([&] { return settled(give, guest); });
    }
    /// The guest hears and says nothing from now on: its controller stands still.
    void silence(bool on);

  private:
    void speak();

    Pair pair_;
    const bool real_;
    std::string config_;
    std::unique_ptr<HostDaemon> host_;
    std::atomic<bool> mute_{false};
    std::jthread speaker_;
};

} // namespace hitless::selftest
