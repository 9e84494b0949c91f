// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic capture: counts, and on demand shows, the frames a device receives. Says
// {"ready":true} once nothing can be missed any more.
#include "testbed/raw.hpp"
#include "testbed/traffic/commands.hpp"
#include "testbed/until.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>

namespace hitless::testbed::traffic {
namespace {

struct CaptureOptions {
    std::string ifname;
    std::uint16_t ethertype = 0;
    std::string match;
    std::uint64_t count = 0;
    double seconds = 5;
    bool print = false;
};

std::string described(const CapturedFrame &frame) {
    const auto tag = [&](std::uint16_t value) {
        return frame.vlan ? fmt::to_string(value) : std::string("null");
    };
    const CapturedFrame::Tag vlan = frame.vlan.value_or(CapturedFrame::Tag{});
    return fmt::format(R"({{"bytes":{},"tpid":{},"tci":{},"hex":"{}"}})", frame.bytes.size(),
                       tag(vlan.tpid), tag(vlan.tci), to_hex(frame.bytes));
}

void run(const CaptureOptions &options) {
    PacketSocket socket(options.ifname, options.ethertype);
    const auto wanted = from_hex(options.match);
    say(R"({"ready":true})");
    std::uint64_t frames = 0;
    const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(options.seconds * 1e9);
    while (options.count == 0 || frames < options.count) {
        const std::uint64_t now = now_ns();
        if (now >= end) break;
        const auto frame = socket.next(std::chrono::milliseconds((end - now) / 1'000'000 + 1));
        if (!frame) continue;
        const auto &bytes = frame->bytes;
        if (std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) == bytes.end() &&
            !wanted.empty())
            continue;
        ++frames;
        if (options.print) say(described(*frame));
    }
    say(fmt::format(R"({{"frames":{},"socket_drops":{}}})", frames, socket.drops()));
}

} // namespace

void add_capture(CLI::App &app) {
    const auto options = std::make_shared<CaptureOptions>();
    auto *command = app.add_subcommand("capture", "count the frames a device receives");
    command->add_option("--ifname", options->ifname, "device to listen on")->required();
    command->add_option("--ethertype", options->ethertype, "only this one; 0 = all")
        ->capture_default_str();
    command->add_option("--match", options->match, "only frames that contain these bytes (hex)");
    command->add_option("--count", options->count, "end after so many; 0 = no limit")
        ->capture_default_str();
    command->add_option("--seconds", options->seconds, "end after so long")->capture_default_str();
    command->add_flag("--print", options->print, "show each frame");
    command->callback([options] { run(*options); });
}

} // namespace hitless::testbed::traffic
