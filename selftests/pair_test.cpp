// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/pair_test.hpp"

#include "loader/api.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"
#include "testbed/process.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <linux/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hitless::selftest {
namespace {

/// It has the file open by which controllers of a namespace keep each other out.
bool owns_namespace(const Process &controller) {
    std::error_code vanished;
    for (const auto &fd : std::filesystem::directory_iterator(
             fmt::format("/proc/{}/fd", controller.pid()), vanished))
        if (std::filesystem::read_symlink(fd, vanished)
                .filename()
                .string()
                .starts_with("controller-"))
            return true;
    return false;
}

} // namespace

std::string name_of(const Setting &with) {
    const std::string kind = name_of(with.kind);
    return with.model == HL_MODEL_TWO ? kind : fmt::format("{}_{}", model_name(with.model), kind);
}

Pair::Pair(Setting with, unsigned mtu)
    : with_(with), bed_(std::make_unique<Testbed>(TestbedSpec{with.kind, with.kind, mtu})) {
    for (Nic *nic : {&bed_->standby(), &bed_->primary()})
        if (model_row().nics == PairNetns::hidden)
            nic->may_hide([this] { return private_netns(); });
    primary().add();
}

std::string Pair::model() const {
    return std::string(model_name(with_.model));
}

std::string Pair::private_netns() const {
    if (model_row().nics != PairNetns::hidden) return "";
    return in_netns(guest(), [] {
        const std::vector<PairStatus> pairs = hitless::status();
        return pairs.empty() ? std::string() : pairs.front().netns;
    });
}

Pair::~Pair() {
    controller_.reset();
    try {
        cli({"detach", "--all"});      // pins outlive their namespace
    } catch (const std::exception &) { // the private state directory goes with the process
    }
}

Outcome Pair::cli(std::vector<std::string> arguments) const {
    return hitless_cli(guest(), std::move(arguments));
}

void Pair::attach(std::vector<std::string> more) {
    more.insert(more.begin(), {"attach", "standby", "--primary", "mac", "--model", model()});
    const Outcome o = cli(more);
    ASSERT_EQ(o.code, 0) << o.shown();
}

void Pair::move_addresses() const {
    spawn({"ip", "-n", guest().name(), "addr", "flush", "dev", "standby"});
    spawn({"ip", "-n", guest().name(), "addr", "add", fmt::format("{}/24", Testbed::guest4),
           "broadcast", "+", "dev", "fo-standby"});
}

Json Pair::status() const {
    const Outcome o = cli({"status", "standby", "-j"});
    const Json all = Json::parse(o.out, nullptr, false);
    return all.is_object() && !all["pairs"].empty() ? all["pairs"][0] : Json();
}

std::string Pair::active() const {
    const Json s = status();
    return s.is_null() ? "" : s["active"].get<std::string>();
}

std::set<std::string> Pair::veto() const {
    const Json s = status();
    return s.is_null() ? std::set<std::string>{} : s["veto"].get<std::set<std::string>>();
}

std::uint64_t Pair::counter(const std::string &name) const {
    return status().at("counters").at(name).get<std::uint64_t>();
}

bool Pair::becomes(const std::string &path, std::chrono::milliseconds patience) const {
    return until([&] { return active() == path; }, patience);
}

Process &Pair::start_controller(const std::vector<std::string> &more) {
    std::vector<std::string> command{hitless_binary(), "-n", guest().name(), "run"};
    command.insert(command.end(), more.begin(), more.end());
    const bool expects_pair = !status().is_null();
    const auto start = now_ns();
    controller_ = std::make_unique<Process>(command);
    const bool ready = expects_pair ? controller_says("managed")
                                    : until([&] { return owns_namespace(*controller_); });
    ready_after_ms_ = static_cast<double>(now_ns() - start) / 1e6;
    EXPECT_TRUE(ready) << controller_->out() << controller_->err();
    return *controller_;
}

bool Pair::controller_says(const std::string &words, std::chrono::milliseconds patience) const {
    return until([&] { return controller_->out().find(words) != std::string::npos; }, patience);
}

void Pair::kill_controller() {
    controller_->signal(SIGKILL);
    EXPECT_EQ(controller_->wait(), 128 + SIGKILL);
    // Its socket stays behind until the next one takes the place; tests compare what is there.
    std::filesystem::remove(PrivateState::dir() + "/control");
}

std::string Pair::config(const std::string &text) const {
    const std::string file = PrivateState::dir() + "/config.toml";
    std::ofstream(file) << text;
    return file;
}

std::string Pair::home_of(const std::string &ifname) const {
    const std::string hidden = ifname == bed_->primary().ifname() ? private_netns() : "";
    return hidden.empty() ? guest().name() : hidden;
}

std::string Pair::link(const std::string &ifname) const {
    return run({"ip", "-n", home_of(ifname), "link", "show", "dev", ifname}).out;
}

std::uint64_t Pair::refused() const {
    if (kind() == NicKind::tap) return bed_->primary().swallowed();
    const std::string shown =
        run({"ip", "-n", home_of("primary"), "-s", "-j", "link", "show", "dev", "primary"}).out;
    const Json links = Json::parse(shown, nullptr, false);
    if (!links.is_array() || links.empty()) return 0;
    return links[0]["stats64"]["tx"]["dropped"];
}

bool Pair::has_carrier(const std::string &ifname) const {
    return link(ifname).find("LOWER_UP") != std::string::npos;
}

bool Pair::is_up(const std::string &ifname) const {
    const std::string shown = link(ifname);
    return shown.find(",UP") != std::string::npos || shown.find("<UP") != std::string::npos;
}

void set_up(const Netns &ns, const std::string &ifname, bool up) {
    in_netns(ns, [&] {
        const Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        ifname.copy(request.ifr_name, IFNAMSIZ - 1);
        if (ioctl(control.get(), SIOCGIFFLAGS, &request) < 0)
            throw Error(errno, "read flags of " + ifname);
        request.ifr_flags =
            static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        if (ioctl(control.get(), SIOCSIFFLAGS, &request) < 0)
            throw Error(errno, "set flags of " + ifname);
    });
}

} // namespace hitless::selftest
