// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/names.hpp"
#include "loader/engine/members.hpp"
#include "loader/engine/pairs.hpp"
#include "loader/kernel/netns.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

std::string why_not(const Layout &from, const Layout &to) {
    if (from.nics != to.nics)
        return "its NICs would move between network namespaces, which takes each down";
    if (from.takes_name != to.takes_name)
        return "the failover device would get another name and number";
    return "addresses and programs would change devices one after the other";
}

} // namespace

Instant convert(const ConvertRequest &request) {
    AttachRequest before;
    const Layout &to = layout_of(request.model);
    {
        StateDir dir;
        Rtnl rtnl;
        Pair pair = Pair::open(dir.path(pair_of(dir, rtnl, request.standby)));
        const hl_pair &state = pair.state();
        if (state.model == request.model) return Instant{0};
        if (state.datapath != HL_DATAPATH_TC)
            throw Error(EINVAL, fmt::format("convert {}", request.standby),
                        "its datapath is xdp, which has one model",
                        "`hitless detach` it and attach again");
        if (!request.gap)
            throw Error(EBUSY,
                        fmt::format("convert {} to the model {}", request.standby,
                                    model_name(request.model)),
                        fmt::format("not without losing frames: {}", why_not(pair.layout(), to)),
                        "with --gap it is done all the same; TCP connections survive");
        before.primary = selector_of(state);
        before.policy = policy_of(state);
        before.standby = state.standby_id.ifname;
        before.model = pair.layout().model;
        if (std::optional<Link> outer = rtnl.link(master_of(state)))
            if (pair.layout().has_failover && !pair.layout().takes_name)
                before.failover = outer->name;
        before.liveness = static_cast<hl_liveness>(state.liveness);
    }
    AttachRequest after = before;
    after.model = request.model;
    after.failover = request.failover;
    Instant start = now();
    detach(request.standby);
    try {
        attach(after);
    } catch (const Error &) {
        attach(before);
        throw;
    }
    return now() - start;
}

} // namespace hitless
