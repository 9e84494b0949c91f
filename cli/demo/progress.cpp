// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/progress.hpp"

#include <fmt/format.h>
#include <ostream>

namespace hitless::cli::demo {
namespace {

using namespace std::chrono_literals;

constexpr auto clear_line = "\r\x1b[K";

} // namespace

void Progress::clear() {
    if (terminal_) err_ << clear_line << std::flush;
}

void Progress::show(const std::string &line) {
    shown_ = std::chrono::steady_clock::now();
    if (terminal_)
        err_ << clear_line << line << std::flush;
    else
        err_ << line << std::endl;
}

void Progress::say(const std::string &line) {
    clear();
    err_ << line << std::endl;
}

void Progress::begin(std::string name) {
    name_ = std::move(name);
    // Without a terminal, the line at the end of an event says it all.
    if (terminal_ || ended_ == 0 || ended_ == events_)
        show(fmt::format("{:>2}/{} {} ...", std::min(ended_ + 1, events_), events_, name_));
}

void Progress::step(unsigned done, unsigned of) {
    if (std::chrono::steady_clock::now() - shown_ < (terminal_ ? 100ms : 1000ms)) return;
    show(fmt::format("{:>2}/{} {} {} of {} ...", ended_ + 1, events_, name_, done, of));
}

void Progress::end(const Row &row) {
    ++ended_;
    if (terminal_) return;
    show(fmt::format("{:>2}/{} {}: {} lost up, {} lost down", ended_, events_, row.event,
                     row.up.lost, row.down.lost));
}

} // namespace hitless::cli::demo
