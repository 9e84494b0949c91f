// SPDX-License-Identifier: BSD-2-Clause
//
// The network namespaces of a pair: the caller's own, and the private one of the models that have
// one. Each is spoken to by its own netlink socket; what must be done inside is.
#pragma once

#include "loader/core/models.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/netns/private_netns.hpp"

#include <optional>
#include <string>
#include <utility>

namespace hitless {

class PairNamespaces {
  public:
    /// `netns`: name of the private namespace; "" when there is none. It may be gone: then nothing
    /// can be found there.
    PairNamespaces(Rtnl &guest, const std::string &netns);

    bool has(PairNetns place) const { return place == PairNetns::guest || hidden_; }
    /// Throws ENOENT when the place is gone.
    Rtnl &rtnl(PairNetns);
    int fd(PairNetns) const;

    /// Runs a step of this thread there.
    template <typename Step>
    decltype(auto) at(PairNetns place, Step step) {
        if (place == PairNetns::guest) return step();
        rtnl(place);
        InNetns there(hidden_->netns.fd());
        return step();
    }

  private:
    struct Hidden {
        PrivateNetns netns;
        Rtnl rtnl;
    };
    Rtnl &guest_;
    std::string name_;
    Fd guest_fd_;
    std::optional<Hidden> hidden_;
};

} // namespace hitless
