// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/uppers.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {

bool stands_on(const Link &upper, Ifindex device) {
    return device != Ifindex::none && upper.lower == device && upper.kind != "veth" &&
           upper.kind != "netkit";
}

void check_nothing_stands_on(const Link &standby, const std::vector<Link> &links) {
    for (const Link &link : links)
        if (stands_on(link, standby.index))
            throw Error(EBUSY, fmt::format("attach {}", standby.name),
                        fmt::format("{} stands on it and would hear nothing", link.name),
                        "remove it and make it on the failover device, or use the model two");
}

} // namespace hitless
