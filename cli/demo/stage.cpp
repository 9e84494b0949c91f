// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/stage.hpp"
#include "cli/output/json.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"
#include "testbed/process.hpp"

#include <cerrno>
#include <csignal>
#include <deque>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace hitless::cli::demo {
namespace {

using namespace std::chrono_literals;
using testbed::Testbed;

constexpr auto standby = "standby", failover = "fo-standby";
constexpr std::uint64_t tcp_rate = 10'000'000; // bytes a second, each way
constexpr std::uint16_t up_port = 7710, down_port = 7711;
constexpr auto patience = 30s; // for what ought to happen at all

testbed::FlowSpec flow(const char *from, const char *to, unsigned rate) {
    // Half a minute of numbers: more than any event takes.
    return {.from = from, .to = to, .rate = rate, .window = std::size_t{rate} * 30};
}

testbed::BulkSpec bulk(const char *from, const char *to, std::uint16_t port) {
    return {.from = from, .to = to, .port = port, .bytes_per_s = tcp_rate};
}

constexpr auto take_address = "addr del {0}/24 dev {1}\n";
constexpr auto give_address = "addr add {0}/24 broadcast + dev {1}\n";

/// The far host and the guest's addresses must be there before anybody connects.
testbed::Testbed &ready(testbed::Testbed &bed) {
    if (!bed.addresses_ready())
        throw Error(ETIMEDOUT, "give the guest its addresses", "duplicate address detection failed",
                    "");
    return bed;
}

} // namespace

Stage::Stage(const Spec &spec, const Signals &signals)
    : spec_(spec), signals_(signals), bed_({.standby = spec.nic, .primary = spec.nic}),
      up_(ready(bed_).guest(), bed_.far(), flow(Testbed::guest4, Testbed::far4, spec.rate)),
      down_(bed_.far(), bed_.guest(), flow(Testbed::far4, Testbed::guest4, spec.rate)),
      tcp_up_(bed_.guest(), bed_.far(), bulk(Testbed::guest4, Testbed::far4, up_port)),
      tcp_down_(bed_.far(), bed_.guest(), bulk(Testbed::far4, Testbed::guest4, down_port)) {
    for (testbed::Nic *nic : {&bed_.standby(), &bed_.primary()})
        nic->may_hide([this] { return private_netns(); });
    if (spec.datapath == HL_DATAPATH_XDP) bed_.finish_frames();
    up_.start();
    down_.start();
    const bool flowing = wait_until(
        [&] { return up_.receiver().seen() != 0 && down_.receiver().seen() != 0; }, patience);
    if (!flowing) throw Error(ETIMEDOUT, "send from guest to far host and back");
}

std::optional<PairStatus> Stage::pair() const {
    const std::vector<PairStatus> pairs = testbed::in_netns(bed_.guest(), [] { return status(); });
    if (pairs.empty()) return std::nullopt;
    return pairs.front();
}

Path Stage::path() const {
    const std::optional<PairStatus> now = pair();
    if (!now) return Path::none;
    return now->primary_active ? Path::primary : Path::standby;
}

std::string Stage::private_netns() const {
    if (model_row(spec_.model, spec_.datapath).nics != PairNetns::hidden) return {};
    const std::optional<PairStatus> now = pair();
    return now ? now->netns : std::string();
}

const testbed::Netns &Stage::home() {
    const std::string hidden = private_netns();
    hidden_.reset();
    return hidden.empty() ? bed_.guest() : hidden_.emplace(testbed::Netns::of_others(hidden));
}

// With xdp, addresses are moved by the user, and the guest is without them for that moment: given
// to one device before they are taken from the other, they take its routes along
// (fib_sync_down_addr()), and the standby gets no answer to ARP while its pair lives.
void Stage::attach() {
    const bool xdp = spec_.datapath == HL_DATAPATH_XDP;
    std::vector<std::string> words{"attach", standby,   "--primary",
                                   "mac",    "--model", std::string(model_name(spec_.model))};
    if (xdp) words.insert(words.end(), {"--datapath", "xdp", "--checksums-complete"});
    hitless(words);
    if (xdp)
        testbed::ip_batch(bed_.guest().name(),
                          fmt::format(take_address, Testbed::guest4, standby) +
                              fmt::format(give_address, Testbed::guest4, failover));
}

void Stage::detach() {
    hitless({"detach", standby});
    if (spec_.datapath == HL_DATAPATH_XDP)
        testbed::ip_batch(bed_.guest().name(), fmt::format(give_address, Testbed::guest4, standby));
}

void Stage::switch_to(Target target) const {
    testbed::in_netns(bed_.guest(), [&] { switch_path(standby, target); });
}

std::string Stage::hitless(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"/proc/self/exe", "-n", bed_.guest().name()});
    return testbed::spawn(arguments);
}

void Stage::start_controller() {
    controller_.emplace(std::vector<std::string>{"-n", bed_.guest().name(), "run"},
                        state_.path() + "/controller.log");
    const bool owns =
        wait_until([&] { return controller_lives() || !controller_->running(); }, patience);
    if (!owns || !controller_->running())
        throw Error(ETIMEDOUT, "start the controller", fmt::format("it said: {}", controller_log()),
                    "");
}

int Stage::kill_controller() {
    const int how = controller_->end(SIGKILL);
    controller_.reset();
    return how;
}

bool Stage::controller_lives() const {
    return testbed::in_netns(bed_.guest(), [] { return controller_pid(); }).has_value();
}

std::string Stage::controller_log() const {
    std::ifstream log(state_.path() + "/controller.log");
    std::deque<std::string> last;
    for (std::string line; std::getline(log, line);) {
        last.push_back(line);
        if (last.size() > 3) last.pop_front();
    }
    return last.empty() ? "nothing" : fmt::format("{}", fmt::join(last, " | "));
}

void Stage::start_host() {
    host_ = std::make_unique<HostSide>(bed_.switch_ns().name(), state_.path());
    if (!wait_until([&] { return host_->answers(); }, patience))
        throw Error(ETIMEDOUT, "start the host's daemon");
}

void Stage::request(bool give) const {
    host_->request(give);
}

nlohmann::ordered_json Stage::guest() const {
    return host_->guest();
}

void Stage::pause(std::chrono::milliseconds time) const {
    if (signals_.wait(time)) throw Interrupted();
}

void Stage::wait_for(Path wanted) const {
    if (wait_until([&] { return path() == wanted; }, patience)) return;
    const std::optional<PairStatus> now = pair();
    throw Error(ETIMEDOUT, fmt::format("reach the path {}", text(wanted)),
                fmt::format("vetoes: {}; the controller said: {}",
                            now ? fmt::format("{}", fmt::join(reason_names(now->veto), ", "))
                                : "no pair is attached",
                            controller_log()),
                "");
}

} // namespace hitless::cli::demo
