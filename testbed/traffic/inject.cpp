// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic inject: frames as given, out of a device.
//
//   echo "ffffffffffff 525400770001 0806 ..." | hl-traffic inject --ifname lan --count 3
#include "loader/core/error.hpp"
#include "testbed/raw.hpp"
#include "testbed/traffic/commands.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <memory>

namespace hitless::testbed::traffic {
namespace {

struct InjectOptions {
    std::string ifname;
    std::string file = "-";
    unsigned count = 1;
    unsigned interval_us = 1000;
};

/// One frame a line; "#" begins a comment.
std::vector<std::vector<std::uint8_t>> read_frames(std::istream &stream) {
    std::vector<std::vector<std::uint8_t>> frames;
    for (std::string line; std::getline(stream, line);) {
        auto frame = from_hex(std::string_view(line).substr(0, line.find('#')));
        if (!frame.empty()) frames.push_back(std::move(frame));
    }
    return frames;
}

std::vector<std::vector<std::uint8_t>> read_frames(const std::string &file) {
    if (file == "-") return read_frames(std::cin);
    std::ifstream stream(file);
    if (!stream) throw Error(errno, "read frames from " + file);
    return read_frames(stream);
}

void run(const InjectOptions &options) {
    const auto frames = read_frames(options.file);
    PacketSocket socket(options.ifname);
    std::uint64_t sent = 0;
    std::uint64_t deadline = now_ns();
    for (unsigned i = 0; i < options.count; ++i)
        for (const auto &frame : frames) {
            pace(deadline);
            deadline += std::uint64_t{options.interval_us} * 1000;
            socket.send(frame);
            ++sent;
        }
    say(fmt::format(R"({{"sent":{}}})", sent));
}

} // namespace

void add_inject(CLI::App &app) {
    const auto options = std::make_shared<InjectOptions>();
    auto *command = app.add_subcommand("inject", "send raw frames, one a line in hex");
    command->add_option("--ifname", options->ifname, "device to send out of")->required();
    command->add_option("--file", options->file, "where the frames are; - is stdin")
        ->capture_default_str();
    command->add_option("--count", options->count, "how often each is sent")->capture_default_str();
    command->add_option("--interval", options->interval_us, "microseconds from frame to frame")
        ->capture_default_str();
    command->callback([options] { run(*options); });
}

} // namespace hitless::testbed::traffic
