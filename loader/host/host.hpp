// SPDX-License-Identifier: BSD-2-Clause
//
// The hypervisor's half: one process a network namespace that speaks with its guests and delivers
// frames to their primaries when they are ready for it, and not when they are not.
//
//   Host host(options);
//   poll(host.fd()); host.process();
//   host.request("web1", false);  host.status();
//
// State is the kernel's. A Host that ends leaves every frame where it goes; the next one reads that
// back, and what was requested, and goes on.
#pragma once

#include "loader/core/error.hpp"
#include "loader/host/guest_status.hpp"
#include "loader/host/vf_kind.hpp"

#include <functional>

namespace hitless {

/// Another process keeps the guests of this network namespace.
struct AnotherHost : Error {
    explicit AnotherHost(int pid);
};

/// The configuration names none that is called so.
struct NoSuchGuest : Error {
    explicit NoSuchGuest(const std::string &guest);
};

class Host {
  public:
    struct Options {
        std::vector<GuestSpec> guests;
        std::function<void(const std::string &)> log = [](const std::string &) {};
        std::function<void(const HostEvent &)> on_event = [](const HostEvent &) {};
    };
    /// Takes over what an earlier one left. Throws AnotherHost, or Error: no permission, or a
    /// kernel without tcx.
    explicit Host(Options);
    ~Host();
    Host(const Host &) = delete;
    Host &operator=(const Host &) = delete;

    int fd() const;
    /// Does what is due; waits for nothing.
    void process();

    /// Guests that are not named any more are let go; others stay as they are. When it throws, all
    /// do.
    void reconfigure(std::vector<GuestSpec>);
    /// Give the guest its primary, or take it. Throws NoSuchGuest, or ENODEV while its tap is not
    /// there.
    void request(const std::string &guest, bool give);
    std::vector<GuestStatus> status() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// What this kernel lacks to be a host at all; "" when nothing. Throws EPERM where this process may
/// not be one. Changes nothing.
std::string what_host_lacks();
/// A daemon keeps the guests of this network namespace, or was killed a moment ago.
bool host_runs_here();
/// A NIC with VFs, and how its driver has them filtered for.
struct PhysicalFunctionReport {
    std::string name, driver;
    size_t functions = 0;
    VfKind kind = VfKind::unknown;
    std::string why; ///< it is of that kind
    bool refused() const { return kind == VfKind::by_guest || kind == VfKind::unknown; }
};
/// Of every NIC here that has VFs.
std::vector<PhysicalFunctionReport> physical_functions();
/// What would keep a guest's primary from being given; "" when nothing is known to.
std::string what_bars(const GuestSpec &);
/// That another guest seems to be behind its tap, by what the bridge hears there; "" when nothing
/// says so. Who hears the guest itself knows better.
std::string what_is_heard_instead(const GuestSpec &);

} // namespace hitless
