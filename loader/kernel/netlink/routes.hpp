// SPDX-License-Identifier: BSD-2-Clause
//
// The routes that somebody or something added and that go by one device: read, given to another
// device, taken from one. Those of other devices stay as they are, also where they are equal but
// for the device: two default routes, say. Of equal IPv4 routes the kernel uses the first, so what
// was the first is so again.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <vector>

namespace hitless {

class Routes {
  public:
    /// Both families, every table. Throws Error.
    static Routes read(Rtnl &, Ifindex);

    /// Throws Error; quiet about those that it has.
    void add_to(Rtnl &, Ifindex to) const;
    /// Quiet about those that it has not.
    void remove_from(Rtnl &, Ifindex from) const;

    bool empty() const { return messages_.empty(); }

  private:
    Ifindex index_ = Ifindex::none;           ///< of the device they were read from
    std::vector<std::vector<char>> messages_; ///< their flags are those to give them with
};

} // namespace hitless
