// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/qdisc.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/pkt_sched.h>
#include <string_view>

namespace hitless {
namespace {

nlmsghdr *tc_request(char *buffer, uint16_t type, Ifindex index, uint32_t parent) {
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    auto *tc = static_cast<tcmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(tcmsg)));
    tc->tcm_ifindex = static_cast<int>(number(index));
    tc->tcm_parent = parent;
    return request;
}

/// Of every device: a dump of one alone does not exist in any kernel.
std::vector<Qdisc> all_qdiscs(Rtnl &rtnl) {
    std::vector<Qdisc> out;
    char buffer[128];
    int error = rtnl.dump(tc_request(buffer, RTM_GETQDISC, Ifindex::none, 0), out, decode_qdisc);
    if (error && error != EOPNOTSUPP) throw Error(error, "list the qdiscs");
    return out;
}

bool is_tc_hook(const Qdisc &qdisc) {
    return qdisc.parent == TC_H_INGRESS;
}

uint32_t half(Direction direction) {
    return TC_H_MAKE(TC_H_CLSACT,
                     direction == Direction::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/// Those that send frames as soon as they can and, but for fairness among flows, in the order in
/// which they came: a frame that passes them by misses nothing that its owner asked for. `mq` has
/// one of them a queue.
constexpr std::array<std::string_view, 13> queues = {
    "noqueue", "noop", "pfifo_fast", "pfifo",  "bfifo", "pfifo_head_drop", "fq_codel", "codel",
    "fq",      "sfq",  "pie",        "fq_pie", "mq"};

bool shapes(const Qdisc &qdisc) {
    if (is_tc_hook(qdisc)) return false;
    // The kernel's own choice (net.core.default_qdisc) has no handle: every NIC has it.
    if (!qdisc.handle) return false;
    return qdisc.max_rate || std::ranges::find(queues, qdisc.kind) == queues.end();
}

} // namespace

TcHook tc_hook(Rtnl &rtnl, Ifindex index) {
    TcHook out;
    for (const Qdisc &qdisc : all_qdiscs(rtnl)) {
        if (qdisc.device != index || !is_tc_hook(qdisc)) continue;
        out.kind = qdisc.kind == "clsact" ? TcHook::Kind::clsact : TcHook::Kind::ingress;
        out.ingress_block = qdisc.ingress_block;
        out.egress_block = qdisc.egress_block;
    }
    return out;
}

std::vector<Filter> filters(Rtnl &rtnl, Ifindex index, Direction direction) {
    std::vector<Filter> out;
    if (!tc_hook(rtnl, index).has(direction)) return out;
    char buffer[128];
    int error =
        rtnl.dump(tc_request(buffer, RTM_GETTFILTER, index, half(direction)), out, decode_filter);
    if (error && error != EINVAL && error != ENODEV && error != ENOENT)
        throw Error(error, "list the traffic control filters");
    return out;
}

std::string shaping_qdisc(Rtnl &rtnl, Ifindex index) {
    std::vector<Qdisc> all = all_qdiscs(rtnl);
    std::erase_if(all, [&](const Qdisc &q) { return q.device != index || !shapes(q); });
    std::ranges::stable_sort(all, {}, [](const Qdisc &q) { return q.parent != TC_H_ROOT; });
    return all.empty() ? "" : all.front().kind;
}

uint64_t queued_frames(Rtnl &rtnl, Ifindex index) {
    uint64_t out = 0;
    for (const Qdisc &qdisc : all_qdiscs(rtnl))
        if (qdisc.device == index) out = std::max<uint64_t>(out, qdisc.queued); // `mq` adds up
    return out;
}

bool stays_behind(std::string_view kind) {
    constexpr std::array<std::string_view, 8> kinds = {"htb", "hfsc",   "drr",    "qfq",
                                                       "cbq", "mqprio", "taprio", "multiq"};
    return std::ranges::find(kinds, kind) != kinds.end();
}

std::string qdisc_that_stays(Rtnl &rtnl, Ifindex index) {
    std::string root;
    bool more = false;
    for (const Qdisc &qdisc : all_qdiscs(rtnl)) {
        if (qdisc.device != index || is_tc_hook(qdisc)) continue;
        if (qdisc.parent == TC_H_ROOT) root = qdisc.kind;
        more |= stays_behind(qdisc.kind) || (qdisc.parent != TC_H_ROOT && qdisc.handle);
    }
    return more ? root : "";
}

std::vector<Ifindex> devices_with_tc_hook(Rtnl &rtnl) {
    std::vector<Ifindex> out;
    for (const Qdisc &qdisc : all_qdiscs(rtnl))
        if (is_tc_hook(qdisc)) out.push_back(qdisc.device);
    return out;
}

} // namespace hitless
