// SPDX-License-Identifier: BSD-2-Clause
//
// What a pair has in the kernel when its record is gone: `rm` of its pins takes its programs off,
// and leaves its NICs in a private namespace and the guest's addresses on a failover device that no
// frame passes any more. The name of the namespace tells whose it was. By XDP there is no such
// namespace, and programs stay: they tell which device was a failover device. In the model two
// only the primary tells: by settings that no other NIC has.
#pragma once

#include "loader/engine/members/namespaces.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hitless {

struct UnrecordedPair {
    std::string netns;            ///< empty: by XDP, or in the model two
    std::vector<Link> nics;       ///< in that namespace
    std::optional<Link> master;   ///< the failover device, if it is there still
    std::optional<Link> standby;  ///< one of the NICs; in the models two and three the guest's
    std::vector<Link> silenced{}; ///< NICs of the guest's namespace with settings of a pair

    /// The name that people have for it.
    std::string name() const;
    /// Whether people may mean it by the name of a device.
    bool is_of(const std::string &ifname) const;
    /// What has become of its devices, for a sentence; empty: nothing that anybody would miss.
    std::string text() const;
};

/// Of this namespace; `in_use`: whether a pair has a private namespace.
std::vector<UnrecordedPair>
unrecorded_pairs(Rtnl &guest, const std::function<bool(const std::string &netns)> &in_use);

/// Failover devices whose inner end has an XDP program of ours that is in no pair's record.
std::vector<UnrecordedPair> unrecorded_by_xdp(Rtnl &guest,
                                              const std::function<bool(Ifindex inner)> &in_use);

/// NICs of the guest's namespace that have settings of a pair, run no program of one, and are in no
/// record: each joins the pair whose failover device has its MAC, or is one of its own. True when
/// some were left out because they run such a program: it is of a pair that is out of sight, or has
/// not gone yet.
bool add_silenced(std::vector<UnrecordedPair> &, Rtnl &guest,
                  const std::function<bool(Ifindex nic)> &in_use);

/// The NICs return to the guest, the standby has what the failover device had, and that and the
/// namespace are removed. What the pair had changed on its NICs besides, nobody knows any more.
/// Returns what was done, and what could not be, for a sentence. Under the lock.
std::string give_back(Rtnl &guest, const UnrecordedPair &);

} // namespace hitless
