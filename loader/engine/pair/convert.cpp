// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/engine/pair/create.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/leave_primary.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/uppers.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <optional>

namespace hitless {
namespace {

std::string why_not(const ModelRow &from, const ModelRow &to) {
    if (from.nics != to.nics)
        return "its NICs would move between network namespaces, which takes each down";
    if (from.takes_name != to.takes_name)
        return "the failover device would get another name and number";
    return "addresses and programs would change devices one after the other";
}

void check_convertible(const Pair &pair, const ConvertRequest &request) {
    if (pair.state().model == request.model) return; // made again as it is
    bool xdp = pair.state().datapath == HL_DATAPATH_XDP;
    if (xdp || pair.state().hook[HL_HOOK_XDP_STANDBY].kind)
        throw Error(
            EINVAL, fmt::format("convert {}", request.standby),
            xdp ? "its datapath is xdp, which has one model"
                : "it has a gate, which is for the model two",
            fmt::format("`hitless detach {}`, and attach it anew", shell_quoted(request.standby)));
    if (request.gap) return;
    const ModelRow &to = model_row(request.model);
    throw Error(
        EBUSY,
        fmt::format("convert {} to the model {}", request.standby, model_name(request.model)),
        fmt::format("not without losing frames: {}", why_not(pair.model(), to)),
        "with --gap it is done all the same; TCP connections survive");
}

/// How to make again what stands. What it needs must be there, or the old pair would end for
/// nothing.
AttachRequest request_of(const Pair &pair, Rtnl &rtnl) {
    const hl_pair &state = pair.state();
    PairNamespaces namespaces(rtnl, state.failover.netns);
    const Members members = read_members(namespaces, pair);
    AttachRequest out;
    out.standby = members.standby ? members.standby->name : state.standby_id.ifname;
    if (state.selector == HL_SELECT_IFNAME && !members.primary)
        throw Error(
            ENODEV, fmt::format("make the pair of {} again", out.standby),
            fmt::format("its primary {} is not there", state.selector_arg),
            fmt::format("when it is back; or `hitless detach {}`", shell_quoted(out.standby)));
    out.datapath = static_cast<hl_datapath>(state.datapath);
    out.gate = out.datapath == HL_DATAPATH_TC && state.hook[HL_HOOK_XDP_STANDBY].kind;
    out.checksums_complete = state.failover.checksums_complete;
    out.primary = selector_of(state);
    out.policy = policy_of(state);
    out.liveness = static_cast<hl_liveness>(state.liveness);
    out.model = pair.model().model;
    if (std::optional<Link> outer = rtnl.link(master_of(state)))
        if (pair.model().has_failover && !pair.model().takes_name) out.failover = outer->name;
    return out;
}

/// What does not follow from the device that the guest uses to the one that it will use. Throws
/// what must not be left behind.
void check_left_behind(Rtnl &rtnl, const Pair &pair, const AttachRequest &after, const Note &note) {
    const bool to_failover = model_row(after.model, after.datapath).has_failover;
    std::optional<Link> master = rtnl.link(master_of(pair.state()));
    if (!master || !(to_failover || pair.model().has_failover)) return;
    const std::string name = master_name(after, after.standby);
    if (to_failover)
        check_renewal(rtnl, *master, name, note);
    else
        note_renewal(rtnl, *master, name, note);
    check_nothing_ends_with(rtnl, *master);
    note_left_behind(rtnl, *master, name, note);
}

/// The new pair, or the old one again, and why.
NewPair create_either(StateDir &dir, Rtnl &rtnl, const AttachRequest &after,
                      const AttachRequest &before, std::optional<Error> &refused) {
    try {
        return create_pair(dir, after, rtnl);
    } catch (const Error &error) {
        refused = error;
    }
    try {
        return create_pair(dir, before, rtnl);
    } catch (const Error &error) {
        throw Error(refused->code(), fmt::format("convert {}", before.standby),
                    fmt::format("{}; nor can the old pair be made again: {}", refused->what(),
                                error.what()),
                    fmt::format("when that is mended: `hitless attach {} --primary {} --model {}`",
                                shell_quoted(before.standby), shell_quoted(before.primary.text()),
                                model_name(before.model)));
    }
}

/// The host may have chosen since, and says so to a controller alone.
uint64_t word_of_host(const StateDir &dir, const std::string &name) {
    if (!controller_pid()) return 0;
    return Pair::open(dir.path(name)).view().veto() & HL_VETO(HOST);
}

void keep_choice(const Pair &made, uint64_t chosen) {
    const auto when = static_cast<uint64_t>(now().count());
    if (chosen & HL_VETO(OPERATOR))
        made.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, when);
    if (chosen & HL_VETO(HOST)) made.view().set_veto(HL_VETO(HOST), HL_ACTOR_CONTROLLER, when);
}

} // namespace

Instant convert(const ConvertRequest &request) {
    Rtnl rtnl;
    StateDir dir;
    std::string name = pair_of(dir, rtnl, request.standby);
    AttachRequest before, after;
    uint64_t chosen = 0; // of people, who have not changed their mind
    {
        Pair pair = Pair::open(dir.path(name));
        if (pair.state().model == request.model && !request.gap) return Instant{0};
        check_convertible(pair, request);
        before = request_of(pair, rtnl);
        after = before;
        after.model = request.model;
        if (after.model != before.model || !request.failover.empty())
            after.failover = request.failover;
        check_left_behind(rtnl, pair, after, request.note); // before the old pair ends, not after
        chosen = pair.view().veto() & HL_VETO_CHOSEN;
    }
    leave_primary_with_host(dir, rtnl, name, request.note);
    std::optional<Error> refused;
    std::string lost; // on the way back to the standby
    Instant start = now();
    NewPair made = [&] {
        // One lock over both halves, or a controller would make the pair that its rules want.
        StateDir::Lock lock = dir.lock();
        chosen |= word_of_host(dir, name);
        detach_pair(dir, rtnl, name, [&](const std::string &line) { lost = line; });
        return create_either(dir, rtnl, after, before, refused);
    }();
    keep_choice(made.pair, chosen);
    prove_path(made);
    if (refused) throw *refused;
    if (!lost.empty())
        throw Error(EREMOTEIO, fmt::format("convert {}", request.standby),
                    fmt::format("it is done, but {}", lost), "");
    return now() - start;
}

} // namespace hitless
