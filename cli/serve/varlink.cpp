// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/varlink.hpp"
#include "cli/output/json.hpp"
#include "cli/serve/interface.hpp"

#include <cerrno>
#include <map>

namespace hitless::cli {
namespace {

using Json = VarlinkService::Json;

Json flips_reply(const std::vector<Flip> &flips) {
    Json list = Json::array();
    for (const Flip &flip : flips)
        list.push_back(to_json(flip));
    return {{"flips", list}};
}

} // namespace

Varlink::Varlink(Backend backend)
    : VarlinkService({"io.hitless", hitless_interface}), backend_(std::move(backend)) {}

VarlinkService::Json Varlink::status_reply(const std::vector<PairStatus> &pairs,
                                           const std::optional<std::string> &standby) {
    Json list = Json::array();
    for (const PairStatus &pair : pairs)
        if (!standby || pair.name == *standby) list.push_back(to_json(pair));
    if (standby && list.empty()) throw Refusal{"io.hitless.NoSuchPair", {{"standby", *standby}}};
    return {{"version", json_version}, {"pairs", list}};
}

Target Varlink::target_of(const Call &call) {
    static const std::map<std::string, Target> targets = {
        {"primary", Target::primary}, {"standby", Target::standby}, {"auto", Target::automatic}};
    auto found = targets.find(needed_text(call, "path"));
    if (found == targets.end()) invalid("path");
    return found->second;
}

void Varlink::steer(const Call &asked, const Peer &peer) {
    if (peer.uid != 0) throw Refusal{"org.varlink.service.PermissionDenied"};
    std::string standby = needed_text(asked, "standby");
    Target target = target_of(asked);
    let_act(peer, "io.hitless.TooMany");
    backend_.switch_path(standby, target);
}

VarlinkService::Reply Varlink::call(const Call &asked, const Peer &peer) {
    if (asked.method == "io.hitless.Status")
        return {status_reply(backend_.status(), text(asked, "standby"))};
    if (asked.method == "io.hitless.Events") return {flips_reply(backend_.flips()), true};
    if (asked.method != "io.hitless.Switch") unknown(asked);
    steer(asked, peer);
    return {};
}

VarlinkService::Refusal Varlink::refusal_of(const Call &asked, const Error &error) const {
    if (error.code() == ENOENT && asked.method == "io.hitless.Switch")
        return {"io.hitless.NoSuchPair", {{"standby", needed_text(asked, "standby")}}};
    return {"io.hitless.Failed", {{"message", error.what()}}};
}

std::string Varlink::event(const Flip &flip) {
    return news(flips_reply({flip}));
}

} // namespace hitless::cli
