// SPDX-License-Identifier: BSD-2-Clause
#include "cli/signals.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/signalfd.h>

namespace hitless::cli {

Signals::Signals(std::initializer_list<int> more) {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    for (int signal : more)
        sigaddset(&set_, signal);
    sigprocmask(SIG_BLOCK, &set_, nullptr);
    fd_ = Fd(signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw Error(errno, "listen for signals");
}

Signals::~Signals() {
    // A signal that was seen but not taken would be delivered by the unblocking, and kill.
    while (take())
        continue;
    sigprocmask(SIG_UNBLOCK, &set_, nullptr);
}

int Signals::take() const {
    signalfd_siginfo taken{};
    return read(fd_.get(), &taken, sizeof(taken)) > 0 ? static_cast<int>(taken.ssi_signo) : 0;
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
