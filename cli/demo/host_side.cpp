// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/host_side.hpp"
#include "cli/serve/client.hpp"
#include "loader/core/error.hpp"
#include "testbed/testbed.hpp"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <fstream>

namespace hitless::cli::demo {
namespace {

constexpr auto guest_name = "guest";

std::string configuration(const std::string &home) {
    std::string file = home + "/host.toml";
    std::ofstream(file) << fmt::format("[[guest]]\nname = \"{}\"\nmac = \"{}\"\n"
                                       "standby = \"sw-standby\"\nprimary = \"sw-primary\"\n",
                                       guest_name, testbed::Testbed::mac);
    return file;
}

Client::Json ask(const std::string &socket, const char *method) {
    Client::Json reply =
        Client(socket).call(std::string("io.hitless.Host.") + method, {{"guest", guest_name}});
    if (reply.contains("error"))
        throw Error(EPROTO, "ask the host's daemon", reply["error"].get<std::string>(), "");
    return reply.at("parameters");
}

} // namespace

HostSide::HostSide(const std::string &netns, const std::string &home)
    : socket_(home + "/host-control"),
      daemon_({"-n", netns, "host", "run", "--config", configuration(home)}, home + "/host.log") {}

HostSide::~HostSide() {
    daemon_.end(SIGKILL);
}

bool HostSide::answers() const {
    try {
        return guest().is_object();
    } catch (const Error &) {
        return false; // not yet
    }
}

void HostSide::request(bool give) const {
    ask(socket_, give ? "Give" : "Take");
}

nlohmann::ordered_json HostSide::guest() const {
    return ask(socket_, "Status").at("guests").at(0);
}

} // namespace hitless::cli::demo
