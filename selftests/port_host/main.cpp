// SPDX-License-Identifier: BSD-2-Clause
//
// hl-port-host TERMINAL: a host that speaks with its guest by a virtio-serial port whose end here
// is a terminal (QEMU's chardev `pty`), as `hitless host run` does by a tap. It delivers nothing:
// where frames go is what it was told last. "give" and "take" on stdin; a line of what the guest
// has, "given in-use" or "taken left", whenever that changes.
#include "loader/core/host_channel.hpp"
#include "loader/kernel/wire/channel_port.hpp"
#include "testbed/until.hpp"

#include <algorithm>
#include <iostream>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace hitless {
namespace {

Instant now() {
    return Instant(testbed::now_ns());
}

class PortHost {
  public:
    explicit PortHost(const std::string &path)
        : port_(path), channel_({}, static_cast<uint64_t>(now().count())) {}

    int fd() const { return port_.fd(); }
    void request(bool give) { give_ = give; }
    /// Until when nothing is to be done but to hear.
    Instant step() {
        port_.read([&](const DecodedMessage &heard) {
            if (heard.fault == MessageFault::none) channel_.hear(heard.message, now());
        });
        for (;;) {
            auto actions = channel_.step({give_, downlink_, std::nullopt}, now());
            if (actions.send) port_.send(*actions.send);
            if (actions.deliver)
                downlink_ = *actions.deliver;
            else
                return actions.again.value_or(now() + std::chrono::seconds(1));
        }
    }
    std::string said() const {
        const GuestStatement *guest = channel_.guest();
        return std::string(name(channel_.phase())) + " " + (guest ? name(guest->primary) : "?");
    }

  private:
    ChannelPort port_;
    HostChannel channel_;
    bool give_ = true;
    DataPath downlink_ = DataPath::standby;
};

int speak(const std::string &path) {
    PortHost host(path);
    if (host.fd() < 0) throw std::runtime_error("there is no " + path);
    std::string before;
    pollfd wait[] = {{STDIN_FILENO, POLLIN, 0}, {host.fd(), POLLIN, 0}};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(host.step() - now()).count();
        if (const std::string said = host.said(); said != before)
            std::cout << (before = said) << std::endl;
        poll(wait, 2, static_cast<int>(std::clamp<int64_t>(left, 1, 1000)));
        std::string word;
        if (!wait[0].revents) continue;
        if (!std::getline(std::cin, word)) return 0;
        host.request(word == "give");
    }
}

} // namespace
} // namespace hitless

int main(int argc, char **argv) {
    try {
        if (argc == 2) return hitless::speak(argv[1]);
        std::cerr << "usage: hl-port-host TERMINAL\n";
        return 64;
    } catch (const std::exception &error) {
        std::cerr << "hl-port-host: " << error.what() << '\n';
        return 1;
    }
}
