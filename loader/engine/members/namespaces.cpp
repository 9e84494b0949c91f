// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members/namespaces.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace hitless {

PairNamespaces::PairNamespaces(Rtnl &guest, const std::string &netns)
    : guest_(guest), name_(netns) {
    if (netns.empty()) return;
    guest_fd_ = own_netns();
    std::optional<PrivateNetns> found = PrivateNetns::open(netns);
    if (!found) return;
    InNetns there(found->fd());
    hidden_.emplace(Hidden{std::move(*found), Rtnl()});
}

Rtnl &PairNamespaces::rtnl(PairNetns place) {
    if (place == PairNetns::guest) return guest_;
    if (!hidden_)
        throw Error(ENOENT, fmt::format("enter the network namespace {}", name_),
                    "it was removed, and the NICs with it",
                    "`hitless status` names the pair and what mends it");
    return hidden_->rtnl;
}

int PairNamespaces::fd(PairNetns place) const {
    return place == PairNetns::guest ? guest_fd_.get() : hidden_->netns.fd();
}

} // namespace hitless
