// SPDX-License-Identifier: BSD-2-Clause
//
// What a model with a failover device needs before its programs can be loaded: the two ends of the
// device, and by tc a private namespace for the inner one.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/namespaces.hpp"

#include <string>
#include <vector>

namespace hitless {

/// Made with the object, and gone with it unless keep() was called.
class FailoverDevice {
  public:
    FailoverDevice(Rtnl &guest, const AttachRequest &, const Link &standby);
    ~FailoverDevice();
    FailoverDevice(const FailoverDevice &) = delete;
    FailoverDevice &operator=(const FailoverDevice &) = delete;

    /// `outer` is 0 where the device will have the standby's number (takes_name): it waits in the
    /// private namespace.
    const hl_failover &ends() const { return ends_; }
    void keep() { kept_ = true; }

  private:
    void make_in_guest(const AttachRequest &, const std::string &name, const Link &standby);
    void make_in_private_netns(const ModelRow &, const std::string &name, const Link &standby);

    Rtnl &guest_;
    hl_failover ends_{};
    bool kept_ = false;
};

/// Names of private namespaces begin so; the guest's cookie and the standby's number follow.
inline constexpr auto private_netns_prefix = "hitless-";
/// The end of a failover device that is in it.
inline constexpr auto inner_name = "hl-inner";
/// Of one whose other end will take the standby's name, and waits there.
inline constexpr auto waiting_name = "hl-outer";

/// The private namespace of a pair that cannot say so itself: the pair's name is in it.
bool is_private_netns_of(const std::string &netns, const std::string &pair_name);

/// The other end of a failover device that has both in the guest's namespace (by XDP).
std::string inner_of(const std::string &failover);

/// The name of the failover device unless the user chose one.
std::string failover_name(const std::string &standby);
/// As it was asked for, or else.
std::string failover_name(const AttachRequest &, const std::string &standby);
/// The name of the device that the guest will use.
std::string master_name(const AttachRequest &, const std::string &standby);

/// The device that waits to take the standby's name.
Link waiting_device(PairNamespaces &);

/// Gives the NICs in a private namespace back, removes our devices and the namespace's name; quiet
/// about what is gone.
void remove_private_netns(PairNamespaces &, const std::string &netns);

/// Private namespaces of this one.
std::vector<std::string> private_netns_names();

} // namespace hitless
