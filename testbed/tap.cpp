// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/tap.hpp"

#include "loader/core/error.hpp"
#include "testbed/urgent.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sstream>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hitless::testbed {
namespace {

// A tap queues this many frames for us. The default of 500 is 25 ms at 20 kpps, less than a busy
// machine keeps a thread waiting; this is half a second.
constexpr int queue_frames = 10'000;
constexpr int frames_per_turn = 128; // then the other direction has its turn

// Not in the headers of Debian 12: UDP segmentation, kernel 6.2 and later.
constexpr unsigned offload_udp_segmentation = 0x20 | 0x40;

void lengthen_queue(const std::string &ifname) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    ifname.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_qlen = queue_frames;
    if (ioctl(socket.get(), SIOCSIFTXQLEN, &request) != 0)
        throw Error(errno, "lengthen the transmit queue of " + ifname);
}

Fd make_tap(const std::string &ifname) {
    Fd tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!tap) throw Error(errno, "open /dev/net/tun", "load the tun module; run as root");
    ifreq request{};
    ifname.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(tap.get(), TUNSETIFF, &request) != 0) throw Error(errno, "make tap " + ifname);
    const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    if (ioctl(tap.get(), TUNSETOFFLOAD, offloads | offload_udp_segmentation) != 0 &&
        ioctl(tap.get(), TUNSETOFFLOAD, offloads) != 0)
        throw Error(errno, "turn on the offloads of tap " + ifname);
    lengthen_queue(ifname);
    return tap;
}

std::atomic<std::uint64_t> overflows{0};

/// What the device at the end of a cable could not queue, wherever it was moved. Of the calling
/// thread, which stays in the device's namespace.
std::uint64_t overflow_of(const Fd &tap) {
    constexpr int dropped = 11; // the column in /proc/net/dev
    const Fd netns(ioctl(tap.get(), TUNGETDEVNETNS));
    ifreq request{};
    if (!netns || setns(netns.get(), CLONE_NEWNET) != 0 ||
        ioctl(tap.get(), TUNGETIFF, &request) != 0)
        return 0; // it was deleted
    std::ifstream table("/proc/thread-self/net/dev");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string name, field;
        fields >> name;
        if (name != std::string(request.ifr_name) + ":") continue;
        for (int i = 0; i < dropped; i++)
            fields >> field;
        std::uint64_t count = 0;
        fields >> count;
        return count;
    }
    return 0;
}

Fd make_tap(const TapCable::End &end) {
    return in_netns(end.netns, [&] { return make_tap(end.ifname); });
}

} // namespace

TapCable::TapCable(const End &a, const End &b)
    : a_(make_tap(a)), b_(make_tap(b)), wake_(eventfd(0, EFD_CLOEXEC)) {
    if (!wake_) throw Error(errno, "create an eventfd");
    thread_ = std::thread([this] { run(); });
}

TapCable::~TapCable() {
    ends_.store(true, std::memory_order_release);
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

void TapCable::stall(bool on) {
    stalled_.store(on, std::memory_order_release);
    eventfd_write(wake_.get(), 1);
}

void TapCable::carrier(bool on) {
    if (on) whole_.store(true, std::memory_order_release);
    int value = on ? 1 : 0;
    for (const Fd *end : {&a_, &b_})
        if (ioctl(end->get(), TUNSETCARRIER, &value) != 0)
            throw Error(errno, "set the carrier of a tap", "needs kernel 5.0 or later");
    if (!on) whole_.store(false, std::memory_order_release);
}

std::uint64_t TapCable::overflowed() {
    return overflows;
}

void TapCable::run() {
    carry_on();
    for (const Fd *end : {&a_, &b_})
        overflows += overflow_of(*end);
}

void TapCable::carry_on() {
    run_urgently();
    std::array<pollfd, 3> watched{
        {{a_.get(), POLLIN, 0}, {b_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    auto &[a, b, wake] = watched;
    while (true) {
        if (poll(watched.data(), watched.size(), patience_ms()) < 0) continue; // EINTR
        deliver_delayed();
        if (wake.revents != 0) {
            eventfd_t count = 0;
            eventfd_read(wake_.get(), &count);
            if (ends_.load(std::memory_order_acquire)) return;
            a.fd = stalled_.load(std::memory_order_acquire) ? -1 : a_.get();
            continue;
        }
        // A device that was deleted or whose namespace died reports an error for ever: let go of
        // it.
        for (auto *end : {&a, &b})
            if ((end->revents & POLLERR) != 0) end->fd = -1;
        if (a.revents == POLLIN) carry(a_.get(), b_.get(), refused_from_a_);
        if (b.revents == POLLIN) carry(b_.get(), a_.get(), refused_from_b_);
    }
}

void TapCable::carry(int from, int to, std::atomic<std::uint64_t> &refused) {
    for (int i = 0; i < frames_per_turn; ++i) {
        const ssize_t length = read(from, frame_.data(), frame_.size());
        if (length <= 0) return;
        const auto size = static_cast<std::size_t>(length);
        const int delay = from == b_.get() ? delay_ms_.load(std::memory_order_acquire) : 0;
        if (delay == 0 && (from != b_.get() || delayed_.empty()))
            deliver(to, frame_.data(), size, refused);
        else
            delayed_.push_back({Clock::now() + std::chrono::milliseconds(delay),
                                {frame_.data(), frame_.data() + size}});
    }
}

void TapCable::deliver(int to, const std::uint8_t *frame, std::size_t length,
                       std::atomic<std::uint64_t> &refused) {
    const bool taken = whole_.load(std::memory_order_acquire) &&
                       write(to, frame, length) == static_cast<ssize_t>(length);
    (taken ? carried_ : refused).fetch_add(1, std::memory_order_relaxed);
}

void TapCable::deliver_delayed() {
    for (; !delayed_.empty() && delayed_.front().due <= Clock::now(); delayed_.pop_front())
        deliver(a_.get(), delayed_.front().frame.data(), delayed_.front().frame.size(),
                refused_from_b_);
}

/// Until the next frame is due; for ever when none waits.
int TapCable::patience_ms() const {
    if (delayed_.empty()) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(delayed_.front().due - Clock::now());
    return std::max<int>(0, static_cast<int>(left.count()));
}

} // namespace hitless::testbed
