// SPDX-License-Identifier: BSD-2-Clause
#include "cli/signals.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/signalfd.h>

namespace hitless::cli {
namespace {

sigset_t endings() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

} // namespace

Signals::Signals() {
    sigset_t set = endings();
    sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw Error(errno, "listen for signals");
}

Signals::~Signals() {
    // A signal that was seen but not taken would be delivered by the unblocking, and kill.
    signalfd_siginfo taken;
    while (read(fd_.get(), &taken, sizeof(taken)) > 0)
        continue;
    sigset_t set = endings();
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

bool Signals::wait(std::chrono::milliseconds limit) const {
    pollfd entry{fd_.get(), POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(limit.count())) > 0;
}

bool Signals::wait_or(int other, std::optional<std::chrono::milliseconds> limit) const {
    pollfd entries[] = {{fd_.get(), POLLIN, 0}, {other, POLLIN, 0}};
    while (poll(entries, 2, limit ? static_cast<int>(limit->count()) : -1) < 0)
        if (errno != EINTR) throw Error(errno, "wait for events");
    return entries[0].revents != 0;
}

} // namespace hitless::cli
