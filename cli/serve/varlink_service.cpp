// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/varlink_service.hpp"
#include "cli/output/json.hpp"
#include "loader/kernel/netns/netns.hpp"

namespace hitless::cli {
namespace {

using Json = VarlinkService::Json;

constexpr std::string_view service_interface = R"(# What every Varlink service has.
interface org.varlink.service

method GetInfo() -> (
  vendor: string, product: string, version: string, url: string, interfaces: []string
)
method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
)";
constexpr VarlinkService::Interface of_all{"org.varlink.service", service_interface};

bool flag(const Json &message, const char *name) {
    auto at = message.find(name);
    return at != message.end() && at->is_boolean() && at->get<bool>();
}

std::string frame(const Json &json) {
    return to_text(json) + '\0';
}

} // namespace

void VarlinkService::invalid(const char *parameter) {
    throw Refusal{"org.varlink.service.InvalidParameter", {{"parameter", parameter}}};
}

std::optional<std::string> VarlinkService::text(const Call &call, const char *name) {
    auto at = call.parameters.find(name);
    if (at == call.parameters.end() || at->is_null()) return std::nullopt;
    if (!at->is_string()) invalid(name);
    return at->get<std::string>();
}

std::string VarlinkService::needed_text(const Call &call, const char *name) {
    std::optional<std::string> value = text(call, name);
    if (!value) invalid(name);
    return *value;
}

void VarlinkService::unknown(const Call &call) {
    throw Refusal{"org.varlink.service.MethodNotFound", {{"method", call.method}}};
}

/// Nothing when it is no call at all.
std::optional<VarlinkService::Call> VarlinkService::parse(std::string_view message) {
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

VarlinkService::Json VarlinkService::describe(const Call &call) const {
    std::string name = needed_text(call, "interface");
    for (const auto &[known, description] : {of_all, own_})
        if (name == known) return {{"description", description}};
    throw Refusal{"org.varlink.service.InterfaceNotFound", {{"interface", name}}};
}

VarlinkService::Json VarlinkService::info() const {
    return {{"vendor", "hitless"},
            {"product", "hitless"},
            {"version", HITLESS_VERSION},
            {"url", "https://varlink.org"},
            {"interfaces", Json::array({of_all.first, own_.first})}};
}

void VarlinkService::let_act(const Peer &peer, const char *too_many, unsigned most) {
    if (peer.uid != 0) throw Refusal{"org.varlink.service.PermissionDenied"};
    if (now() - verbs_since_ >= std::chrono::seconds(1)) {
        verbs_since_ = now();
        verbs_ = 0;
    }
    if (verbs_++ >= most) throw Refusal{too_many};
}

VarlinkService::Reply VarlinkService::answer_call(const Call &asked, const Peer &peer) {
    if (asked.method == "org.varlink.service.GetInfo") return {info()};
    if (asked.method == "org.varlink.service.GetInterfaceDescription") return {describe(asked)};
    return call(asked, peer);
}

Protocol::Answer VarlinkService::answer(std::string_view message, const Peer &peer) {
    message.remove_suffix(1);
    std::optional<Call> asked = parse(message);
    if (!asked) return {"", Answer::close}; // Varlink has no error for what is no call
    auto refused = [](const Refusal &refusal) {
        return Json{{"error", refusal.name}, {"parameters", refusal.parameters}};
    };
    Json reply;
    Answer::Then then = Answer::keep;
    try {
        Reply made = answer_call(*asked, peer);
        reply["parameters"] = std::move(made.parameters);
        if (asked->more && made.goes_on) {
            reply["continues"] = true;
            then = Answer::subscribe;
        }
    } catch (const Refusal &refusal) {
        reply = refused(refusal);
    } catch (const Error &error) {
        reply = refused(refusal_of(*asked, error));
    }
    return {asked->oneway ? "" : frame(reply), then};
}

std::string VarlinkService::news(const Json &parameters) {
    return frame({{"parameters", parameters}, {"continues", true}});
}

} // namespace hitless::cli
