// SPDX-License-Identifier: BSD-2-Clause
#include "loader/capi/records.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"

namespace hitless {
namespace {

// The tables of names are string literals: their data() ends with a NUL.
std::vector<hitless_reason> reasons_of(uint64_t veto) {
    std::vector<hitless_reason> out;
    for (const VetoReason &reason : veto_reasons)
        if (veto & reason.bit)
            out.push_back({reason.name.data(), reason.meaning.data(), 0, nullptr});
    out.push_back({});
    return out;
}

std::vector<hitless_reason> reasons_of(const std::vector<Veto> &vetoes) {
    std::vector<hitless_reason> out;
    for (const Veto &veto : vetoes)
        out.push_back({veto.reason.name.data(), veto.reason.meaning.data(),
                       static_cast<uint64_t>(veto.since.count()), actor_names[veto.actor].data()});
    out.push_back({});
    return out;
}

int32_t time_of(std::chrono::milliseconds value) {
    return value.count() ? static_cast<int32_t>(value.count()) : -1;
}

hitless_policy policy_of(const Policy &policy) {
    hitless_policy out{};
    out.size = sizeof(out);
    out.hold_down_ms = time_of(policy.hold_down);
    out.up_delay_ms = time_of(policy.probing.up_delay);
    out.probe_interval_ms = time_of(policy.probing.interval);
    out.probe_rest_ms = time_of(policy.probing.rest);
    out.proof_timeout_ms = time_of(policy.probing.timeout);
    out.reselect = reselect_names[policy.reselect].data();
    out.announce = announce_names[policy.announce].data();
    out.carrier = carrier_names[policy.carrier].data();
    return out;
}

hitless_host host_of(const HostStatus &host) {
    hitless_host out{};
    out.size = sizeof(out);
    out.speaks = host.speaks;
    out.able = host.able;
    out.want = name(host.want);
    out.downlink = name(host.downlink);
    out.told = name(host.told);
    out.slot = host.slot;
    out.heard = host.heard;
    out.ignored = host.ignored;
    out.sent = host.sent;
    return out;
}

} // namespace

NicRecord::NicRecord(const NicStatus &nic)
    : ifname_(nic.ifname), mac_(nic.mac.text()), bus_(nic.bus) {
    c.size = sizeof(c);
    c.ifname = ifname_.c_str();
    c.mac = mac_.c_str();
    c.bus = bus_.c_str();
    c.ifindex = number(nic.index);
    c.mtu = nic.mtu;
    c.present = nic.present;
    c.up = nic.up;
    c.carrier = nic.carrier;
    c.known = nic.known;
    c.native = nic.native;
    c.tx_dropped = nic.tx_dropped;
}

StatusRecord::StatusRecord(const PairStatus &pair)
    : status_(pair), primary_(pair.primary), standby_(pair.standby),
      selector_(pair.selector.text()), policy_(policy_of(pair.policy)),
      veto_(reasons_of(pair.vetoes)), host_(host_of(pair.host.value_or(HostStatus{}))) {
    for (size_t i = 0; i < HL_COUNTERS; i++)
        counters_.push_back({counter_names[i].name.data(), pair.counters.frames[i]});
    counters_.push_back({});
    for (const Problem &problem : status_.problems)
        problem_texts_.push_back(problem.text());
    for (const std::string &problem : problem_texts_)
        problems_.push_back(problem.c_str());
    problems_.push_back(nullptr);
    c.size = sizeof(c);
    c.name = status_.name.c_str();
    c.active = path_name(pair.primary_active).data();
    c.healthy = pair.healthy();
    c.flips = pair.flips;
    c.veto = veto_.data();
    c.problems = problems_.data();
    c.counters = counters_.data();
    c.primary = &primary_.c;
    c.standby = &standby_.c;
    c.model = model_name(pair.model).data();
    c.datapath = datapath_name(pair.datapath).data();
    c.liveness = liveness_names[pair.liveness].data();
    c.selector = selector_.c_str();
    c.failover = status_.failover.c_str();
    c.policy = &policy_;
    c.proved = pair.proved;
    c.host = pair.host ? &host_ : nullptr;
}

FlipRecord::FlipRecord(const Flip &flip) : pair_(flip.pair), reasons_(reasons_of(flip.reasons)) {
    c.size = sizeof(c);
    c.pair = pair_.c_str();
    c.to = path_name(flip.to_primary).data();
    c.time_ns = static_cast<uint64_t>(flip.time.count());
    c.lasted_ns = flip.lasted ? static_cast<uint64_t>(flip.lasted->count()) : 0;
    c.reasons = reasons_.data();
    c.actor = actor_names[flip.actor].data();
    c.lost = flip.lost ? static_cast<int64_t>(*flip.lost) : -1;
}

UnpairedRecord::UnpairedRecord(const Unpaired &nic) : nic_(nic) {
    c.size = sizeof(c);
    c.ifname = nic_.ifname.c_str();
    c.why = nic_.why.c_str();
}

FindingRecord::FindingRecord(const Finding &finding) : finding_(finding) {
    c.size = sizeof(c);
    c.grade = grade_names[static_cast<int>(finding_.grade)].data();
    c.what = finding_.what.c_str();
    c.detail = finding_.detail.c_str();
    c.remedy = finding_.remedy.c_str();
}

} // namespace hitless
