// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/fake_host.hpp"

#include "testbed/process.hpp"
#include "testbed/until.hpp"

#include <fmt/format.h>

namespace hitless::selftest {

using namespace testbed;
using namespace std::chrono_literals;

namespace {

constexpr Mac host_mac{{0xfe, 0x54, 0, 0x77, 0, 2}};

Instant host_now() {
    return Instant(now_ns());
}

} // namespace

void send_as_host(PacketSocket &socket, const ChannelMessage &message) {
    socket.send(encode_frame(host_mac, message));
}

FakeHost::FakeHost(Testbed &bed, const HostChannel::Settings &settings)
    : bed_(bed),
      socket_(in_netns(bed.switch_ns(),
                       [&] { return PacketSocket(bed.standby().port(), HL_CHANNEL_ETHERTYPE); })),
      channel_(settings, now_ns()) {
    deliver(DataPath::standby);
    thread_ = std::thread([this] { run(); });
}

FakeHost::~FakeHost() {
    ends_ = true;
    thread_.join();
    for (Nic *nic : {&bed_.standby(), &bed_.primary()})
        ::hitless::testbed::run({"bridge", "-n", bed_.switch_ns().name(), "fdb", "del",
                                 Testbed::mac, "dev", nic->port(), "master"});
}

FakeHost::Seen FakeHost::seen() const {
    const std::lock_guard guard(mutex_);
    return seen_;
}

void FakeHost::deliver(DataPath to) {
    const std::lock_guard guard(switch_mutex_);
    Nic &nic = to == DataPath::primary ? bed_.primary() : bed_.standby();
    spawn({"bridge", "-n", bed_.switch_ns().name(), "fdb", "replace", Testbed::mac, "dev",
           nic.port(), "master", "static", "sticky"});
    const std::lock_guard seen(mutex_);
    seen_.downlink = to;
}

void FakeHost::block(bool on) {
    const std::lock_guard guard(switch_mutex_);
    if (std::exchange(blocked_, on) == on) return;
    bed_.primary().blackhole(Direction::both, on);
}

void FakeHost::hear() {
    while (auto frame = socket_.next(due_ ? 1ms : 5ms)) {
        const DecodedMessage heard = decode_frame(frame->bytes);
        dice_ = dice_ * 1103515245 + 12345;
        if (heard.fault != MessageFault::none || heard.message.side != ChannelSide::guest ||
            silent_ || (dice_ >> 16) % 100 < deaf_)
            continue;
        channel_.hear(heard.message, host_now());
        due_ = Instant{0};
        const std::lock_guard guard(mutex_);
        seen_.last = heard.message;
        seen_.heard_messages++;
    }
}

void FakeHost::step() {
    for (;;) {
        const HostChannel::Actions actions =
            channel_.step({give_, seen().downlink, std::nullopt}, host_now());
        due_ = actions.again;
        if (actions.send) {
            dice_ = dice_ * 1103515245 + 12345;
            if ((dice_ >> 16) % 100 >= deaf_) send_as_host(socket_, *actions.send);
            const std::lock_guard guard(mutex_);
            seen_.said = *actions.send;
            seen_.said_messages++;
        }
        if (!actions.deliver) break;
        if (*actions.deliver == DataPath::primary) block(false);
        deliver(*actions.deliver);
    }
    // As a host takes the device away: nothing may be on its way any more.
    if (channel_.phase() == HostChannel::Phase::taken && !channel_.overdue()) block(true);
    const std::lock_guard guard(mutex_);
    seen_.phase = channel_.phase();
    seen_.overdue = channel_.overdue();
    seen_.heard = channel_.guest() != nullptr;
    if (channel_.guest()) seen_.guest = *channel_.guest();
}

void FakeHost::run() {
    bool gave = give_;
    while (!ends_) {
        hear();
        const bool due = due_ && *due_ <= host_now();
        const bool changed = std::exchange(gave, give_.load()) != give_;
        if (!silent_ && (due || changed)) step();
    }
}

} // namespace hitless::selftest
