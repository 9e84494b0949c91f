// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/json.hpp"
#include "cli/output/pairs_table.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

std::string nic_line(const NicStatus &nic) {
    if (!nic.present) return "none";
    return fmt::format("{:<15} {}, {}  {}  mtu {}  {}", nic.ifname, nic.up ? "up" : "down",
                       nic.carrier ? "carrier" : "no carrier", nic.mac.text(), nic.mtu,
                       nic.bus.empty() ? "virtual" : nic.bus);
}

std::string veto_line(uint64_t veto) {
    std::vector<std::string> out;
    for (const VetoReason &reason : veto_reasons)
        if (veto & reason.bit) out.push_back(fmt::format("{} ({})", reason.name, reason.meaning));
    return out.empty() ? "none" : fmt::format("{}", fmt::join(out, ", "));
}

/// Since the last message, not since its word has ended.
std::string silence_of(const HostStatus &host) {
    if (!is_controlled()) return "no controller hears it";
    if (host.last_heard == Instant{0}) return "silent now";
    return fmt::format("silent for {:.1f} s",
                       std::chrono::duration<double>(now() - host.last_heard).count());
}

std::string host_line(const HostStatus &host) {
    if (!host.heard) return fmt::format("none; {} messages were ignored", host.ignored);
    const std::string told =
        fmt::format("was told: {}{}", name(host.told), host.able ? "" : ", not able");
    if (host.speaks)
        return fmt::format("wants the {}, delivers by the {}; {}", name(host.want),
                           name(host.downlink), told);
    return fmt::format("{}; it wanted the {} and delivered by the {}; {}", silence_of(host),
                       name(host.want), name(host.downlink), told);
}

/// What was observed of the two paths, and of which one nothing is but its carrier.
std::string proof_line(const PairStatus &pair) {
    std::string out = pair.proved ? "a neighbour has answered by the primary"
                                  : "never: nobody has answered by the primary";
    if (pair.primary_active && pair.standby.works())
        out += fmt::format("; by {} nobody is asked meanwhile, its carrier is all that is known",
                           pair.standby.ifname);
    return out;
}

void print_pair(const PairStatus &pair, Env &env) {
    const auto *count = pair.counters.frames;
    env.out << fmt::format("{}: {} active, {}\n", pair.name,
                           pair.primary_active ? "primary" : "standby",
                           pair.healthy() ? "healthy" : "degraded")
            << fmt::format("  primary  {}\n", nic_line(pair.primary))
            << fmt::format("  standby  {}\n", nic_line(pair.standby))
            << fmt::format("  veto     {}\n", veto_line(pair.veto))
            << fmt::format("  proved   {}\n", proof_line(pair))
            << (pair.host ? fmt::format("  host     {}\n", host_line(*pair.host)) : "")
            << fmt::format("  sent     {} by the primary, {} by the standby\n",
                           count[HL_COUNT_TX_PRIMARY], count[HL_COUNT_TX_STANDBY])
            << fmt::format("  received {} from the primary, {} from the standby\n",
                           count[HL_COUNT_RX_PRIMARY], count[HL_COUNT_RX_STANDBY])
            << fmt::format("  dropped  {} twins, {} echoes\n", count[HL_COUNT_DROP_TWIN],
                           count[HL_COUNT_DROP_ECHO])
            << fmt::format("  model {}, datapath {}, liveness {}, primary by {}, {} flips\n",
                           model_name(pair.model), datapath_name(pair.datapath),
                           liveness_names[pair.liveness], pair.selector.text(), pair.flips);
    if (!pair.failover.empty())
        env.out << fmt::format("  failover device {}{}\n", pair.failover,
                               pair.netns.empty() ? "" : ", other end in " + pair.netns);
    for (const Problem &problem : pair.problems)
        env.out << fmt::format("  problem: {}\n", problem.text());
}

void print_table(const std::vector<PairStatus> &pairs, Env &env) {
    if (!pairs.empty()) env.out << pairs_table(pairs);
    for (const PairStatus &pair : pairs)
        for (const Problem &problem : pair.problems)
            env.out << fmt::format("{}: problem: {}\n", pair.name, problem.text());
}

int show(const std::string &standby, bool json, Env &env) {
    std::vector<UnreadablePair> unreadable;
    std::vector<PairStatus> pairs =
        standby.empty() ? status(&unreadable) : std::vector<PairStatus>{status(standby)};
    if (pairs.empty() && !unreadable.empty()) throw unreadable.front().why;
    if (json) {
        auto list = nlohmann::ordered_json::array();
        for (const PairStatus &pair : pairs)
            list.push_back(to_json(pair));
        env.out << to_text({{"version", json_version}, {"pairs", list}}) << '\n';
    } else {
        if (standby.empty())
            print_table(pairs, env);
        else
            print_pair(pairs.front(), env);
        if (pairs.empty()) env.out << "nothing attached\n";
    }
    for (const UnreadablePair &pair : unreadable)
        env.err << "hitless: " << pair.why.what() << '\n';
    if (!unreadable.empty()) return exit_failed;
    if (pairs.empty()) return exit_nothing;
    return std::ranges::all_of(pairs, &PairStatus::healthy) ? exit_ok : exit_degraded;
}

} // namespace

Run setup_status(CLI::App &app) {
    struct Options {
        std::string standby;
        bool json = false;
    };
    auto options = std::make_shared<Options>();
    app.add_option("standby", options->standby, "only this pair, in full")->type_name("STANDBY");
    app.add_flag("-j,--json", options->json, "as JSON");
    return [options](Env &env) { return show(options->standby, options->json, env); };
}

} // namespace hitless::cli
