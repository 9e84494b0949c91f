// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/inspect/other_programs.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/engine/path/hook_check.hpp"
#include "loader/kernel/bpf/probe.hpp"
#include "loader/kernel/netlink/qdisc.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

using Problems = std::vector<Problem>;

/// An XDP program that is not ours, on a device that may not be there.
struct OtherXdp {
    XdpProgram at;
    std::string text;
    std::string tag;
};

bool is_same(const OtherXdp &a, const OtherXdp &b) {
    return a.at.id == b.at.id || (!a.tag.empty() && a.tag == b.tag);
}

std::string all_of(const std::vector<OtherProgram> &others) {
    std::vector<std::string> texts;
    for (const OtherProgram &other : others)
        texts.push_back(other.text());
    return fmt::format("{}", fmt::join(texts, ", "));
}

std::string_view said(Reached called) {
    switch (called) {
    case Reached::no: return " ends the chain: frames do not come by ours";
    case Reached::some: return " ends the chain for some frames: they do not come by ours";
    default: return " may end the chain: no frame was seen to come by ours";
    }
}

class Others {
  public:
    Others(Problems &out, const Pair &pair, PairNamespaces &namespaces, const Members &members)
        : out_(out), pair_(pair), namespaces_(namespaces), members_(members) {}

    void find_uncalled();
    void find_dropped();
    void find_uneven_xdp();
    void find_idle_xdp();

  private:
    std::optional<OtherXdp> xdp_on(hl_role);
    std::vector<OtherProgram> ahead(const HookSite &);
    std::string showing(const std::vector<OtherProgram> &, const Link &) const;
    Reached ask(HookCheck &, hl_hook_id);
    const std::optional<Link> &nic(hl_role role) const {
        return role == HL_ROLE_PRIMARY ? members_.primary : members_.standby;
    }
    /// What a command about a NIC begins with.
    std::string in_its_namespace() const {
        bool apart = pair_.model().nics == PairNetns::hidden;
        return apart ? fmt::format("ip netns exec {} ", pair_.state().failover.netns) : "";
    }

    Problems &out_;
    const Pair &pair_;
    PairNamespaces &namespaces_;
    const Members &members_;
};

std::optional<OtherXdp> Others::xdp_on(hl_role role) {
    hl_hook_id place = role == HL_ROLE_PRIMARY ? HL_HOOK_XDP_PRIMARY : HL_HOOK_XDP_STANDBY;
    if (!nic(role)) return std::nullopt;
    return namespaces_.at(pair_.model().nics, [&]() -> std::optional<OtherXdp> {
        auto found = xdp_program(number(nic(role)->index));
        if (!found || (pair_.state().hook[place].kind && pair_.attached(place)))
            return std::nullopt;
        ProgramIdentity who = program_identity(found->id);
        return OtherXdp{*found, OtherProgram{found->id, who.name, "XDP program"}.text(), who.tag};
    });
}

std::vector<OtherProgram> Others::ahead(const HookSite &site) {
    std::vector<OtherProgram> out =
        namespaces_.at(site.where, [&] { return pair_.ahead(site.hook); });
    if (site.hook == HL_HOOK_EGRESS) return out;
    hl_role role = site.hook == HL_HOOK_INGRESS_PRIMARY ? HL_ROLE_PRIMARY : HL_ROLE_STANDBY;
    if (std::optional<OtherXdp> xdp = xdp_on(role))
        out.push_back({xdp->at.id, program_identity(xdp->at.id).name, "XDP program"});
    return out;
}

Reached Others::ask(HookCheck &check, hl_hook_id place) {
    if (place == HL_HOOK_EGRESS) {
        Reached called = check.check_egress();
        return called == Reached::yes && check.frames_bypass_egress() ? Reached::no : called;
    }
    return check.check_ingress(place == HL_HOOK_INGRESS_PRIMARY ? HL_ROLE_PRIMARY
                                                                : HL_ROLE_STANDBY);
}

void Others::find_uncalled() {
    std::optional<HookCheck> check; // it opens sockets: only where somebody stands there
    for (const HookSite &site : hook_sites(pair_, namespaces_, members_)) {
        if (site.hook == HL_HOOK_INNER) continue; // nobody's but ours
        std::vector<OtherProgram> others = ahead(site);
        if (others.empty()) continue;
        if (!check) check.emplace(pair_, namespaces_, members_);
        Reached called = ask(*check, site.hook);
        std::string who = fmt::format("{} ahead of ours on {}", all_of(others), site.shown);
        if (site.hook == HL_HOOK_INGRESS_STANDBY && check->judges_frames_twice())
            out_.push_back({who + " overwrites tc_index: what the primary received is taken for "
                                  "second copies, and dropped",
                            "have it leave skb->tc_index as it is"});
        if (called == Reached::yes) continue;
        std::string remedy = "have it return ";
        remedy += others.back().kind == "XDP program"
                      ? "XDP_PASS for frames that the guest is to receive"
                      : "TCX_NEXT (-1) for frames that may go on";
        out_.push_back({who.append(said(called)), remedy});
    }
}

/// The commands that show them; `bpftool net` of Debian 12 (7.1) knows no tcx programs.
std::string Others::showing(const std::vector<OtherProgram> &others, const Link &nic) const {
    std::vector<std::string> commands;
    for (const OtherProgram &other : others)
        commands.push_back(other.id ? fmt::format("bpftool prog show id {}", other.id)
                                    : fmt::format("{}tc filter show dev {} egress",
                                                  in_its_namespace(), shell_quoted(nic.name)));
    return fmt::format("{}", fmt::join(commands, "; "));
}

/// Frames that ours leads to the primary pass what others have on its way out, as everybody's do.
/// That is theirs to decide, and is named where frames are seen to end there, or the path is a
/// hole.
void Others::find_dropped() {
    if (!members_.primary) return;
    const Link &primary = *members_.primary;
    std::vector<OtherProgram> others = namespaces_.at(
        pair_.model().nics, [&] { return programs_at(number(primary.index), Direction::egress); });
    const std::string qdisc = shaping_qdisc(namespaces_.rtnl(pair_.model().nics), primary.index);
    if (others.empty() && qdisc.empty()) return;
    bool hole = !others.empty() && pair_.view().veto() & HL_VETO(BLACK_HOLE);
    HookCheck check(pair_, namespaces_, members_);
    // A qdisc drops some by what it is.
    bool some_end = hole || (!others.empty() && check.frames_end_at_primary());
    if (!some_end && !check.no_frame_reaches_primary()) return;
    std::string who = others.empty() ? "qdisc " + qdisc : all_of(others);
    out_.push_back({fmt::format("{} on {}, egress: frames of the guest end {}there", who,
                                primary.name, hole ? "perhaps " : ""),
                    others.empty() ? fmt::format("{}tc -s qdisc show dev {}", in_its_namespace(),
                                                 shell_quoted(primary.name))
                                   : showing(others, primary)});
}

/// One NIC has a filter before everything, and what comes by the other does not pass it.
void Others::find_uneven_xdp() {
    // Frames that are led into the standby itself pass what stands there in the kernel's generic
    // way.
    bool into_standby = !pair_.model().has_failover && !pair_.state().failover.outer;
    std::optional<OtherXdp> has[HL_ROLES] = {xdp_on(HL_ROLE_PRIMARY), xdp_on(HL_ROLE_STANDBY)};
    if (!members_.primary) return;
    for (hl_role role : {HL_ROLE_PRIMARY, HL_ROLE_STANDBY}) {
        hl_role other = role == HL_ROLE_PRIMARY ? HL_ROLE_STANDBY : HL_ROLE_PRIMARY;
        if (!has[role] || nic(other)->index == nic(role)->index) continue;
        if (has[other] && is_same(*has[other], *has[role])) continue;
        std::string mode = has[role]->at.mode;
        if (role == HL_ROLE_STANDBY && into_standby && mode == "xdpgeneric") continue;
        std::string take = fmt::format("{}bpftool net attach {} id {} dev {}", in_its_namespace(),
                                       mode, has[role]->at.id, shell_quoted(nic(other)->name));
        if (mode == "xdpoffload")
            take = fmt::format("load the same program for {}", nic(other)->name);
        out_.push_back({fmt::format("{} filters what comes in by {}, and frames that come by {} do "
                                    "not pass it",
                                    has[role]->text, nic(role)->name, nic(other)->name),
                        take});
    }
}

/// tc leads frames into a failover device behind its driver.
void Others::find_idle_xdp() {
    const Link &master = *members_.master;
    if (!pair_.state().failover.outer || pair_.state().datapath != HL_DATAPATH_TC) return;
    auto xdp = xdp_program(number(master.index));
    if (!xdp || std::string(xdp->mode) != "xdpdrv") return;
    out_.push_back(
        {fmt::format("{} on {} sees no frame that comes by a NIC: they enter behind its driver",
                     OtherProgram{xdp->id, program_identity(xdp->id).name, "XDP program"}.text(),
                     master.name),
         fmt::format("bpftool prog pin id {0} /sys/fs/bpf/xdp-{0} && ip link set {1} xdpdrv off && "
                     "ip link set {1} xdpgeneric pinned /sys/fs/bpf/xdp-{0}",
                     xdp->id, shell_quoted(master.name))});
}

} // namespace

void find_other_programs(std::vector<Problem> &out, const Pair &pair, PairNamespaces &namespaces,
                         const Members &members) {
    Others others(out, pair, namespaces, members);
    others.find_uncalled();
    others.find_dropped();
    others.find_uneven_xdp();
    others.find_idle_xdp();
}

} // namespace hitless
