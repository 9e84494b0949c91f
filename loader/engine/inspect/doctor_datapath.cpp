// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/inspect/findings.hpp"
#include "loader/kernel/bpf/xdp_object.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/nic/hardware.hpp"
#include "loader/kernel/nic/offload.hpp"

#include <cstring>
#include <fmt/format.h>
#include <set>

namespace hitless {
namespace {

std::string describe(const Refusal &refusal) {
    return refusal.remedy.empty() ? refusal.why
                                  : fmt::format("{} ({})", refusal.why, refusal.remedy);
}

/// tc suits every guest; xdp only those that forward, and not every NIC.
Finding examine_datapath(const Link &nic) {
    NicAbilities able = abilities(nic);
    std::string detail = fmt::format("tc, or xdp if the guest forwards: {} has native XDP",
                                     able.driver.empty() ? "its driver" : able.driver);
    if (auto receive = why_no_native_receive(able, false))
        detail = "tc; not xdp: " + describe(*receive);
    else if (auto send = why_no_native_send(able))
        detail = "tc; xdp for what it receives only: " + describe(*send);
    return fine("datapath " + nic.name, detail);
}

/// Members of pairs, and what could become one; pairs that have XDP already tell of themselves.
std::set<Ifindex> candidates(const std::vector<Link> &links) {
    std::set<Ifindex> out;
    for (const PairStatus &pair : status())
        if (pair.datapath == HL_DATAPATH_TC) out.insert({pair.standby.index, pair.primary.index});
    for (const Proposal &pair : propose_pairs(links))
        out.insert({pair.standby->index, pair.primary->index});
    return out;
}

} // namespace

void examine_datapaths(Findings &out) {
    int error = try_freplace();
    out.push_back(
        fine("freplace",
             error ? fmt::format("{} ({}); an XDP program of ours, or of others, is alone on "
                                 "its NIC",
                                 strerror(error), error)
                   : "allowed; XDP programs of others run beside ours"));
    std::vector<Link> links = Rtnl().links();
    learn_hardware(links);
    std::set<Ifindex> wanted;
    try {
        wanted = candidates(links);
    } catch (const Error &) {
        return; // examine_pairs() has said it
    }
    for (const Link &link : links)
        if (wanted.contains(link.index)) out.push_back(examine_datapath(link));
}

} // namespace hitless
