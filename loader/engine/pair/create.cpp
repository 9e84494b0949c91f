// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/create.hpp"
#include "loader/api.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/engine/pair/assembly.hpp"
#include "loader/engine/pair/detached.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/engine/pair/leave_primary.hpp"
#include "loader/engine/pair/nics.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/uppers.hpp"
#include "loader/engine/path/apply_policy.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/bpf/xdp.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>

namespace hitless {
namespace {

/// The error that brought us here says more; the next attach clears what is left.
template <typename Step>
void ignoring_errors(Step step) {
    try {
        step();
    } catch (const Error &) { // NOLINT(bugprone-empty-catch)
    }
}

/// A pair being made. Unless it is committed, nothing of it remains.
class Staging {
  public:
    Staging(StateDir &dir, Rtnl &rtnl, const LoadOptions &options, const hl_failover &ends)
        : dir_(dir), namespaces(rtnl, ends.netns), pair(create(dir, options)) {
        pair.set_failover(ends);
    }
    ~Staging() {
        if (committed_) return;
        ignoring_errors([&] {
            disassemble(pair, namespaces);
        }); // what it cannot is no reason to leave the pins
        ignoring_errors([&] { remove(dir_, dir_.stage()); });
    }
    Staging(const Staging &) = delete;
    Staging &operator=(const Staging &) = delete;

    void commit(const std::string &name) {
        dir_.publish(name);
        committed_ = true;
        pair.moved_to(dir_.path(name));
    }

  private:
    /// A constructor that throws has no destructor to clean up.
    static Pair create(StateDir &dir, const LoadOptions &options) {
        std::string stage = dir.make_stage();
        try {
            return Pair::create(options, stage);
        } catch (const Error &) {
            ignoring_errors([&] { remove(dir, stage); });
            throw;
        }
    }

    static void remove(StateDir &dir, const std::string &stage) {
        StateDir::remove(stage);
        dir.unmount_if_empty();
    }

    StateDir &dir_;
    bool committed_ = false;

  public:
    PairNamespaces namespaces;
    Pair pair;
};

/// From `links`, whose hardware is known, if it is an Ethernet device: its driver tells its role.
Link find_standby(Rtnl &rtnl, const std::vector<Link> &links, const AttachRequest &request) {
    std::optional<Link> named = rtnl.link(request.standby); // also by one of its other names
    if (!named)
        throw Error(ENODEV, fmt::format("attach to {}", request.standby),
                    "there is no such interface",
                    "`ip link` lists those of this network namespace");
    auto known = std::ranges::find(links, named->index, &Link::index);
    const Link &standby = known == links.end() ? *named : *known;
    check_standby(standby, !model_row(request.model, request.datapath).has_failover);
    return standby;
}

/// Also of the version before. One that has the NIC and is not ours says how it becomes ours, or
/// goes; what cannot be read bars the NICs that it has, and no others.
std::optional<PairRecord> read_record(const std::string &dir, bool has_nic) {
    try {
        return PairRecord(dir, has_nic ? Versions::ours : Versions::known);
    } catch (const Error &) {
        if (has_nic) throw;
        return std::nullopt;
    }
}

/// A NIC belongs to one pair, in one role.
void check_free(const StateDir &dir, const Link &nic) {
    for (const std::string &name : own_pairs(dir)) {
        bool named_after = name == pair_name(nic.index);
        std::optional<PairRecord> pair =
            read_record(dir.path(name), named_after || has_pinned_hook(dir.path(name), nic.index));
        if (!pair) continue;
        const hl_pair &state = pair->state();
        const char *owner = state.standby_id.ifname;
        std::string action = fmt::format("attach {}", nic.name);
        std::string shows = fmt::format("`hitless status {}` shows it", shell_quoted(owner));
        if (state.failover.outer == number(nic.index))
            throw Error(EEXIST, action, fmt::format("it is the failover device of {}", owner),
                        shows);
        if (pair->model().nics == PairNetns::hidden) continue; // with numbers of their own
        if (state.standby_id.ifindex == number(nic.index))
            throw Error(EEXIST, action, "it is the standby of a pair already", shows);
        if (state.primary_id.ifindex == number(nic.index))
            throw Error(EBUSY, action, fmt::format("it is the primary of {}", owner),
                        fmt::format("`hitless detach {}` first", shell_quoted(owner)));
    }
}

/// Failover devices have their standbys' addresses, and are nobody's primary.
void exclude_failover_devices(const StateDir &dir, std::vector<Link> &links) {
    for (const std::string &name : own_pairs(dir)) {
        std::optional<PairRecord> pair = read_record(dir.path(name), false);
        if (!pair || !pair->model().has_failover) continue;
        const hl_failover &ends = pair->state().failover;
        std::erase_if(links, [&](const Link &link) {
            bool here = link.index == Ifindex{ends.inner} && !ends.netns[0];
            return link.index == Ifindex{ends.outer} || here;
        });
    }
}

/// A primary named outright must be there and fit; one found by a rule may come later.
const Link *find_primary(const Link &standby, const Selector &selector,
                         const std::vector<Link> &links, const Note &note) {
    if (selector.kind == HL_SELECT_IFNAME) {
        auto named = std::ranges::find(links, selector.arg, &Link::name);
        if (named == links.end())
            throw Error(ENODEV, fmt::format("pair {} with {}", standby.name, selector.arg),
                        "there is no such interface",
                        "`--primary mac` waits for any NIC with the standby's MAC");
        check_pair(standby, *named);
        return &*named;
    }
    Choice choice = choose_primary(standby, selector, links);
    if (choice.several)
        throw Error(EINVAL, fmt::format("pair {}", standby.name), choice.why_not,
                    "choose one by name: --primary NAME");
    check_roles(standby, choice, links);
    if (!choice.primary) return nullptr;
    const bool may_come = may_be_placeholder(selector, *choice.primary);
    check_pair(standby, *choice.primary, may_come);
    if (!may_come || fits_by_mac(standby, *choice.primary)) return choice.primary;
    if (note)
        note(fmt::format("{}: {} has another MAC ({}) and is taken when a host says that it "
                         "delivers there; else `ip link set {} address {}`",
                         standby.name, choice.primary->name, choice.primary->mac.text(),
                         shell_quoted(choice.primary->name), standby.mac.text()));
    return nullptr;
}

bool in_doubt(const Pair &pair) {
    return pair.view().veto() & HL_VETO(UNPROVEN);
}

void wait_for(const PathMonitor &path_monitor, Instant until) {
    pollfd entry{path_monitor.fd(), POLLIN, 0};
    until = std::min(until, path_monitor.again().value_or(until));
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now());
    poll(&entry, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
}

/// Until there is evidence for the path or against it, or time to go by the timer. A controller
/// does it, where there is one and it sees the pair.
void prove_path(Pair &pair, PairNamespaces &namespaces, PathMonitor &path_monitor, bool published) {
    constexpr Instant look{std::chrono::milliseconds(2)}, slack{std::chrono::milliseconds(100)};
    const Probing how = policy_of(pair.state()).probing;
    const Instant end = now() + how.up_delay + how.timeout + slack;
    std::optional<Instant> again;
    while (in_doubt(pair) && now() < end) {
        if (published && is_controlled()) {
            sleep_until(now() + look);
            continue;
        }
        wait_for(path_monitor, std::min(end, again.value_or(end)));
        again = apply_policy(pair, namespaces, path_monitor, nullptr, HL_ACTOR_OPERATOR);
    }
}

void check_datapath(const AttachRequest &request, const Link &standby, const Link *primary) {
    bool xdp = request.datapath == HL_DATAPATH_XDP;
    if (!find_model(request.model, request.datapath))
        throw Error(EINVAL, fmt::format("make the model {} by XDP", model_name(request.model)),
                    "XDP sends frames out of a device and never into one: it needs a failover "
                    "device beside the NICs",
                    "use the model three");
    if (request.gate && !model_row(request.model, request.datapath).may_have_gate)
        throw Error(EINVAL, fmt::format("put the gate on {}", standby.name),
                    "it is for the model two by tc", "leave it out");
    if (request.gate) check_gate(standby);
    if (!xdp) return;
    check_native(standby, request.checksums_complete);
    if (primary) check_native(*primary, request.checksums_complete);
}

/// The gate goes on while the primary carries the traffic, or not at all.
void attach_gate(Pair &pair, const Link &standby) {
    if (pair.view().veto())
        throw Error(EBUSY, fmt::format("put the gate on {}", standby.name),
                    "it is the active path, and attaching may flap its link",
                    "attach when the primary is there and up, or without --gate");
    pair.attach(HL_HOOK_XDP_STANDBY, standby);
}

/// Who carries what, from the standby to the master; where the standby is the master, nothing flows
/// before the last step.
void assemble(Pair &pair, PairNamespaces &namespaces, const AttachRequest &request,
              const Link &standby, const Link *primary, PathMonitor &path_monitor) {
    bool xdp = request.datapath == HL_DATAPATH_XDP;
    retake_failover(pair, namespaces);
    if (has_private_netns(pair)) {
        install_failover_device(pair, namespaces, standby);
    } else {
        pair.resolve(HL_ROLE_STANDBY, standby.index);
        pair.attach(HL_HOOK_INGRESS_STANDBY, standby);
    }
    std::optional<Link> master = read_members(namespaces, pair).master;
    if (primary && master) install_nic(pair, namespaces, HL_ROLE_PRIMARY, *primary, *master);
    if (primary) attach_nic_xdp(pair, HL_ROLE_PRIMARY, *primary);
    apply_policy(pair, namespaces, path_monitor, nullptr,
                 HL_ACTOR_OPERATOR); // the up-delay runs while the last hook goes on
    if (!pair.model().has_failover) pair.attach(HL_HOOK_EGRESS, standby);
    if (!request.gate && !xdp) return;
    prove_path(pair, namespaces, path_monitor,
               false); // XDP comes to the standby while the primary carries
    if (request.gate) attach_gate(pair, standby);
    attach_nic_xdp(pair, HL_ROLE_STANDBY, standby);
    if (xdp) attach_failover_device(pair, namespaces.rtnl(PairNetns::guest));
}

bool has_programs_of_a_pair(const Link &nic) {
    for (Direction direction : {Direction::ingress, Direction::egress})
        if (std::ranges::any_of(programs_at(number(nic.index), direction), is_of_a_pair))
            return true;
    return false;
}

/// Programs of a pair that no pin here tells of: a second pair would take the first one's frames.
/// Those of a stage that was cleared just now may take a moment to go.
void check_no_unknown_pair(const Link &nic) {
    constexpr Instant moment = std::chrono::milliseconds(10);
    for (Instant end = now() + std::chrono::seconds(1); has_programs_of_a_pair(nic);) {
        std::optional<int> pid = controller_pid();
        if (now() >= end)
            throw Error(
                EBUSY, fmt::format("attach {}", nic.name),
                "programs of hitless run on it, and this state directory has no pins of theirs",
                pid ? fmt::format("the controller holds it: `kill {}`, and it is gone", *pid)
                    : "use the HITLESS_STATE_DIR that it was made with");
        sleep_until(now() + moment);
    }
}

/// Other people's qdiscs and filters may leave no place for ours.
void check_hooks(Rtnl &rtnl, const AttachRequest &request, const Link &standby,
                 const Link *primary) {
    const ModelRow &model = model_row(request.model, request.datapath);
    bool moves = model.nics == PairNetns::hidden;
    for (const Link *nic : {&standby, primary}) {
        if (!nic) continue;
        check_no_unknown_pair(*nic);
        if (moves)
            check_moves(rtnl, *nic, nic == &standby);
        else
            check_hook({number(nic->index), Direction::ingress, nic->name});
    }
    if (!model.has_failover) // the standby is the master
        check_hook({number(standby.index), Direction::egress, standby.name});
}

NewPair create_in(StateDir &dir, const AttachRequest &request, Rtnl &rtnl) {
    clear_stage(dir, rtnl, request.note);
    clear_predecessor(dir, rtnl, request);
    // What these two gave back is what must be saved.
    std::vector<Link> links = rtnl.links();
    learn_hardware(links);
    Link standby = find_standby(rtnl, links, request);
    check_free(dir, standby);
    std::vector<Link> others = links;
    exclude_failover_devices(dir, others);
    bool by_name =
        request.primary.kind == HL_SELECT_IFNAME; // and then check_free() says whose it is
    const Link *primary =
        find_primary(standby, request.primary, by_name ? links : others, request.note);
    if (primary) check_free(dir, *primary);
    if (primary) check_own_traffic(rtnl, standby, *primary);
    check_datapath(request, standby, primary);
    check_hooks(rtnl, request, standby, primary);

    const ModelRow &model = model_row(request.model, request.datapath);
    if (model.has_failover) check_nothing_stands_on(standby, links);
    const std::string master = master_name(request, standby.name);
    if (model.has_failover && model.inner == PairNetns::hidden)
        check_renewal(rtnl, standby, master, request.note);
    if (model.has_failover) note_left_behind(rtnl, standby, master, request.note);
    std::optional<FailoverDevice> failover;
    hl_failover ends{};
    if (model.has_failover) {
        failover.emplace(rtnl, request, standby);
        ends = failover->ends();
    }
    LoadOptions load{.master = ends.outer ? ends.outer : number(standby.index),
                     .inner = ends.inner,
                     .model = request.model,
                     .datapath = request.datapath,
                     .liveness = request.liveness};
    Staging staging(dir, rtnl, load, ends);
    Pair &pair = staging.pair;
    describe_pair(pair, standby, request.primary, request.policy);
    PathMonitor path_monitor(pair, staging.namespaces);
    assemble(pair, staging.namespaces, request, standby, primary, path_monitor);
    if (failover) failover->keep();
    staging.commit(pair_name(standby.index));
    forget_detached(dir, standby);
    return {std::move(pair), std::move(staging.namespaces), std::move(path_monitor),
            primary ? primary->name : ""};
}

/// "": there is no pair, but what was left of one on that device is gone now.
std::string find_to_detach(StateDir &dir, Rtnl &rtnl, const std::string &standby,
                           const Note &note) {
    try {
        return pair_of(dir, rtnl, standby);
    } catch (const Error &error) {
        std::optional<Link> link = rtnl.link(standby);
        std::vector<OwnFilter> left = filters_without_pair(dir, rtnl);
        bool any = link && std::ranges::count(left, number(link->index), &OwnFilter::ifindex);
        bool apart = std::ranges::any_of(pairs_without_record(dir, rtnl),
                                         [&](const auto &pair) { return pair.is_of(standby); });
        if (!any && !apart) throw;
        StateDir::Lock lock = dir.lock();
        clear_stage(dir, rtnl, note);
        if (note && any)
            note(fmt::format(
                "{}: the pair's record is gone; its filters are removed, and what it had "
                "changed on its primary besides nobody knows any more",
                standby));
        dir.unmount_if_empty();
        return "";
    }
}

/// Where the standby stands once it is back in the guest's namespace.
std::optional<Link> standby_after(Rtnl &rtnl, const std::string &name, const std::string &bus) {
    std::vector<Link> links = rtnl.links();
    auto is_it = [&](const Link &link) {
        return bus.empty() ? pair_name(link.index) == name : link.bus == bus;
    };
    auto at = std::ranges::find_if(links, is_it);
    return at == links.end() ? std::nullopt : std::optional(*at);
}

/// What ends with the pair's failover device, or does not follow its addresses.
void note_end(const StateDir &dir, Rtnl &rtnl, const std::string &name, const Note &note) {
    if (!note) return;
    try {
        PairRecord pair(dir.path(name), Versions::known);
        if (!pair.model().has_failover) return;
        std::optional<Link> master = rtnl.link(master_of(pair.state()));
        if (!master) return;
        const char *standby = pair.state().standby_id.ifname;
        note_renewal(rtnl, *master, standby, note);
        note_uppers(rtnl, *master, standby, note);
    } catch (const Error &) { // NOLINT(bugprone-empty-catch): it is a word of warning, no more
    }
}

/// Under a controller's eyes, whose rules may want the pair.
void detach_and_remember(StateDir &dir, Rtnl &rtnl, const std::string &name, const Note &note) {
    std::optional<PairRecord> record = read_record(dir.path(name), false);
    std::string bus = record ? record->state().standby_id.bus : "";
    record.reset();
    note_end(dir, rtnl, name, note);
    detach_pair(dir, rtnl, name, note);
    if (!controller_pid()) return;
    if (std::optional<Link> standby = standby_after(rtnl, name, bus)) note_detached(dir, *standby);
}

} // namespace

NewPair create_pair(StateDir &dir, const AttachRequest &request, Rtnl &rtnl) {
    dir.ensure_mounted();
    try {
        return create_in(dir, request, rtnl);
    } catch (const Error &) {
        ignoring_errors([&] { dir.unmount_if_empty(); });
        throw;
    }
}

void prove_path(NewPair &made) {
    prove_path(made.pair, made.namespaces, made.path_monitor, true);
}

std::string attach(const AttachRequest &request) {
    Rtnl rtnl;
    StateDir dir;
    NewPair made = [&] {
        StateDir::Lock lock = dir.lock();
        return create_pair(dir, request, rtnl);
    }();
    prove_path(made);
    return made.primary;
}

void detach(const std::string &standby, const Note &note) {
    Rtnl rtnl;
    StateDir dir;
    std::string name = find_to_detach(dir, rtnl, standby, note);
    if (name.empty()) return;
    leave_primary_with_host(dir, rtnl, name, note);
    StateDir::Lock lock = dir.lock();
    detach_and_remember(dir, rtnl, name, note);
    dir.unmount_if_empty();
}

unsigned detach_all(const Note &note) {
    Rtnl rtnl;
    StateDir dir;
    if (!dir.mounted() && own_filters(rtnl).empty() && xdp_without_pair(dir, rtnl).empty() &&
        private_netns_names().empty() && pairs_without_record(dir, rtnl).empty())
        return 0;
    for (const std::string &name : own_pairs(dir))
        leave_primary_with_host(dir, rtnl, name, note);
    StateDir::Lock lock = dir.lock();
    unsigned detached = 0;
    std::optional<Error> refused; // one is no reason to keep the others
    for (const std::string &name : own_pairs(dir)) {
        try {
            detach_and_remember(dir, rtnl, name, note);
            detached++;
        } catch (const Error &error) {
            if (!refused) refused = error;
        }
    }
    bool cleared = clear_stage(dir, rtnl, note);
    std::vector<Ifindex> left = xdp_without_pair(dir, rtnl);
    for (Ifindex device : left)
        remove_own_xdp(number(device));
    if ((cleared || !left.empty()) && note)
        note("what was left of a pair without a record is removed; what the pair had changed on "
             "its NICs besides was not given back");
    dir.unmount_if_empty();
    if (refused) throw *refused;
    return detached;
}

} // namespace hitless
