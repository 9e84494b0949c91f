// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/varlink.hpp"
#include "cli/output/json.hpp"
#include "cli/serve/interface.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

namespace hitless::cli {
namespace {

using Json = nlohmann::ordered_json;

/// An error of the interface: its name and parameters.
struct Refusal {
    std::string name;
    Json parameters = Json::object();
};

struct Call {
    std::string method;
    Json parameters = Json::object();
    bool more = false, oneway = false;
};

[[noreturn]] void invalid(const char *parameter) {
    throw Refusal{"org.varlink.service.InvalidParameter", {{"parameter", parameter}}};
}

/// A text parameter; nothing when it is absent or null.
std::optional<std::string> text(const Call &call, const char *name) {
    auto at = call.parameters.find(name);
    if (at == call.parameters.end() || at->is_null()) return std::nullopt;
    if (!at->is_string()) invalid(name);
    return at->get<std::string>();
}

std::string needed_text(const Call &call, const char *name) {
    std::optional<std::string> value = text(call, name);
    if (!value) invalid(name);
    return *value;
}

bool flag(const Json &message, const char *name) {
    auto at = message.find(name);
    return at != message.end() && at->is_boolean() && at->get<bool>();
}

/// Nothing when it is no call at all.
std::optional<Call> parse(std::string_view message) {
    Json json = Json::parse(message, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    auto method = json.find("method");
    if (method == json.end() || !method->is_string()) return std::nullopt;
    Call call{method->get<std::string>(), Json::object(), flag(json, "more"), flag(json, "oneway")};
    auto parameters = json.find("parameters");
    if (parameters == json.end() || parameters->is_null()) return call;
    if (!parameters->is_object()) return std::nullopt;
    call.parameters = std::move(*parameters);
    return call;
}

std::string frame(const Json &json) {
    return to_text(json) + '\0';
}

Json describe(const Call &call) {
    std::string name = needed_text(call, "interface");
    for (const auto &[known, description] : interfaces)
        if (name == known) return {{"description", description}};
    throw Refusal{"org.varlink.service.InterfaceNotFound", {{"interface", name}}};
}

Json info() {
    Json names = Json::array();
    for (const auto &[name, description] : interfaces)
        names.push_back(name);
    return {{"vendor", "hitless"},
            {"product", "hitless"},
            {"version", HITLESS_VERSION},
            {"url", "https://varlink.org"},
            {"interfaces", names}};
}

Json status_reply(const std::vector<PairStatus> &pairs, const std::optional<std::string> &standby) {
    Json list = Json::array();
    for (const PairStatus &pair : pairs)
        if (!standby || pair.name == *standby) list.push_back(to_json(pair));
    if (standby && list.empty()) throw Refusal{"io.hitless.NoSuchPair", {{"standby", *standby}}};
    return {{"version", json_version}, {"pairs", list}};
}

Json flips_reply(const std::vector<Flip> &flips) {
    Json list = Json::array();
    for (const Flip &flip : flips)
        list.push_back(to_json(flip));
    return {{"flips", list}};
}

Target target_of(const Call &call) {
    static const std::map<std::string, Target> targets = {
        {"primary", Target::primary}, {"standby", Target::standby}, {"auto", Target::automatic}};
    auto found = targets.find(needed_text(call, "path"));
    if (found == targets.end()) invalid("path");
    return found->second;
}

} // namespace

bool Varlink::may_act() {
    if (now() - verbs_since_ >= std::chrono::seconds(1)) {
        verbs_since_ = now();
        verbs_ = 0;
    }
    return verbs_++ < most_verbs;
}

Protocol::Answer Varlink::answer(std::string_view message, const Peer &peer) {
    message.remove_suffix(1);
    std::optional<Call> call = parse(message);
    if (!call) return {"", Answer::close}; // Varlink has no error for what is no call
    Json reply;
    Answer::Then then = Answer::keep;
    auto steer = [&] {
        if (peer.uid != 0) throw Refusal{"org.varlink.service.PermissionDenied"};
        std::string standby = needed_text(*call, "standby");
        Target target = target_of(*call);
        if (!may_act()) throw Refusal{"io.hitless.TooMany"};
        backend_.switch_path(standby, target);
        return Json::object();
    };
    try {
        if (call->method == "org.varlink.service.GetInfo")
            reply["parameters"] = info();
        else if (call->method == "org.varlink.service.GetInterfaceDescription")
            reply["parameters"] = describe(*call);
        else if (call->method == "io.hitless.Status")
            reply["parameters"] = status_reply(backend_.status(), text(*call, "standby"));
        else if (call->method == "io.hitless.Events")
            reply["parameters"] = flips_reply(backend_.flips());
        else if (call->method == "io.hitless.Switch")
            reply["parameters"] = steer();
        else
            throw Refusal{"org.varlink.service.MethodNotFound", {{"method", call->method}}};
        if (call->more && call->method == "io.hitless.Events") {
            reply["continues"] = true;
            then = Answer::subscribe;
        }
    } catch (const Refusal &refusal) {
        reply = {{"error", refusal.name}, {"parameters", refusal.parameters}};
    } catch (const Error &error) {
        reply =
            error.code() == ENOENT && call->method == "io.hitless.Switch"
                ? Json{{"error", "io.hitless.NoSuchPair"},
                       {"parameters", {{"standby", needed_text(*call, "standby")}}}}
                : Json{{"error", "io.hitless.Failed"}, {"parameters", {{"message", error.what()}}}};
    }
    return {call->oneway ? "" : frame(reply), then};
}

std::string Varlink::event(const Flip &flip) {
    return frame({{"parameters", flips_reply({flip})}, {"continues", true}});
}

} // namespace hitless::cli
