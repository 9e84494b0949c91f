// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/host_varlink.hpp"
#include "cli/output/host_json.hpp"
#include "cli/output/json.hpp"
#include "cli/serve/interface.hpp"
#include "loader/host/host.hpp"

#include <algorithm>
#include <map>

namespace hitless::cli {

HostVarlink::HostVarlink(Backend backend)
    : VarlinkService({"io.hitless.Host", host_interface}), backend_(std::move(backend)) {}

std::string HostVarlink::add(const HostEvent &event) {
    const Json told = to_json(event);
    events_.push_back(told);
    if (events_.size() > most_events) drop_one();
    return news({{"events", Json::array({told})}});
}

/// The oldest of the guest that has most: one that changes all the time costs no other its history.
void HostVarlink::drop_one() {
    auto guest = [](const Json &event) { return event.at("guest").get<std::string>(); };
    std::map<std::string, size_t> each;
    for (const Json &event : events_)
        each[guest(event)]++;
    auto fewer = [](const auto &a, const auto &b) { return a.second < b.second; };
    events_.erase(std::ranges::find(events_, std::ranges::max_element(each, fewer)->first, guest));
}

VarlinkService::Json HostVarlink::status_reply(const std::optional<std::string> &guest) const {
    Json list = Json::array();
    for (const GuestStatus &status : backend_.status())
        if (!guest || status.spec.name == *guest) list.push_back(to_json(status));
    if (guest && list.empty()) throw Refusal{"io.hitless.Host.NoSuchGuest", {{"guest", *guest}}};
    return {{"version", json_version}, {"guests", list}, {"problems", backend_.problems()}};
}

VarlinkService::Reply HostVarlink::call(const Call &asked, const Peer &peer) {
    if (asked.method == "io.hitless.Host.Status") return {status_reply(text(asked, "guest"))};
    if (asked.method == "io.hitless.Host.Events") {
        Json list = Json::array();
        for (const Json &event : events_)
            list.push_back(event);
        return {{{"events", list}}, true};
    }
    bool give = asked.method == "io.hitless.Host.Give";
    if (!give && asked.method != "io.hitless.Host.Take") unknown(asked);
    let_act(peer, "io.hitless.Host.TooMany", most_requests);
    backend_.request(needed_text(asked, "guest"), give);
    return {};
}

VarlinkService::Refusal HostVarlink::refusal_of(const Call &asked, const Error &error) const {
    if (dynamic_cast<const NoSuchGuest *>(&error) && text(asked, "guest"))
        return {"io.hitless.Host.NoSuchGuest", {{"guest", *text(asked, "guest")}}};
    return {"io.hitless.Host.Failed", {{"message", error.what()}}};
}

} // namespace hitless::cli
