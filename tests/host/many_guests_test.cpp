// SPDX-License-Identifier: BSD-2-Clause
//
// 256 guests in one daemon: what a give costs beside quiet ones and beside ones that flood, and
// what the daemon does when nothing happens.
#include "loader/host/host.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "tests/host/bed.hpp"
#include "tests/host/small_guest.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <poll.h>
#include <sys/resource.h>
#include <thread>

namespace hitless::test {
namespace {

constexpr unsigned guests = 256, loud = guests - 1;
constexpr unsigned at_once = 4 * HL_TAP_BURST; // more than passes, however slow the machine is

std::string mac_of(unsigned i) {
    return fmt::format("52:54:00:78:{:02x}:{:02x}", i / 256, i % 256);
}

double cpu_ms() {
    rusage use{};
    getrusage(RUSAGE_THREAD, &use);
    auto ms = [](const timeval &t) {
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
    };
    return ms(use.ru_utime) + ms(use.ru_stime);
}

class ManyGuests : public HostBed {
  protected:
    ManyGuests() {
        setenv("HITLESS_STATE_DIR", state_dir().c_str(), 1);
        std::string lines, up;
        std::vector<GuestSpec> specs{spec("web1", guest_mac, "tap1", "vf1")};
        for (unsigned i = 0; i < guests - 1; i++) {
            lines += fmt::format(
                "link add t{0} type veth peer name s{0} netns {1}\nlink set t{0} master br0 up\n",
                i, guest1().name());
            up += fmt::format("link set s{} up\n", i);
            specs.push_back(spec(fmt::format("g{}", i), mac_of(i), fmt::format("t{}", i),
                                 fmt::format("p{}", i)));
        }
        testbed::spawn({"ip", "-batch", "-"}, lines);
        testbed::ip_batch(guest1().name(), up);
        host_.emplace(Host::Options{specs});
        guest_.emplace(on(guest1(), "standby", HL_CHANNEL_ETHERTYPE), *Mac::parse(guest_mac));
        guest_->primary = GuestPrimary::ready;
    }
    ~ManyGuests() override {
        host_.reset();
        umount2((state_dir() + "/bpf").c_str(), MNT_DETACH);
        testbed::run({"rm", "-rf", state_dir()});
    }
    static GuestSpec spec(const std::string &name, const std::string &mac, const std::string &tap,
                          const std::string &port) {
        GuestSpec out;
        out.name = name;
        out.mac = *Mac::parse(mac);
        out.standby = tap;
        out.primary = port;
        return out;
    }

    GuestStatus web1() const {
        for (GuestStatus &status : host_->status())
            if (status.spec.name == "web1") return status;
        return {};
    }
    /// What the daemon took and said, and how often it woke up for that.
    struct Cost {
        uint64_t messages = 0; ///< with the guest that is given and taken
        uint64_t all = 0;      ///< with every guest
        unsigned wakeups = 0;
        uint64_t least = ~0ull; ///< messages of the cheapest take and give: nothing was said again
    };
    static uint64_t messages(const GuestStatus &status) {
        return status.sent + status.counts.counts[HL_TAP_COUNT_HEARD];
    }
    uint64_t count(hl_tap_count what) const {
        uint64_t sum = 0;
        for (const GuestStatus &status : host_->status())
            sum += status.counts.counts[what];
        return sum;
    }
    Cost so_far() const {
        Cost out{messages(web1()), 0, wakeups_};
        for (const GuestStatus &status : host_->status())
            out.all += messages(status);
        return out;
    }
    /// The daemon's side of a give or a take, as it wakes up.
    void move(bool give) {
        auto phase = give ? HostChannel::Phase::given : HostChannel::Phase::taken;
        host_->request("web1", give);
        EXPECT_TRUE(testbed::until([&] { // in turn: each hears before it speaks again
            guest_->process();
            pollfd wait{host_->fd(), POLLIN, 0};
            if (poll(&wait, 1, 1) > 0) {
                host_->process();
                wakeups_++;
            }
            return web1().phase == phase && guest_->sends_by_primary() == give;
        })) << give;
    }
    Cost moves(unsigned rounds) {
        const Cost before = so_far();
        uint64_t least = before.least;
        for (unsigned i = 0; i < rounds; i++) {
            const uint64_t start = messages(web1());
            move(false);
            move(true);
            least = std::min(least, messages(web1()) - start);
        }
        const Cost after = so_far();
        return {after.messages - before.messages, after.all - before.all,
                after.wakeups - before.wakeups, least};
    }

    unsigned wakeups_ = 0;
    std::optional<Host> host_;
    std::optional<SmallGuest> guest_;
};

TEST_F(ManyGuests, AGiveCostsTheSameBesideOnesThatFlood) {
    move(true);
    constexpr unsigned rounds = 10;
    const Cost quiet = moves(rounds);

    std::vector<testbed::PacketSocket> sockets;
    for (unsigned i = 0; i < loud; i++)
        sockets.push_back(on(guest1(), fmt::format("s{}", i)));
    std::atomic<bool> over{false};
    std::atomic<uint64_t> sent{0};
    std::thread flood([&] {
        ChannelMessage message{.side = ChannelSide::guest,
                               .answer = true,
                               .id = {99, 1},
                               .echo = {},
                               .guest = {},
                               .host = {}};
        while (!over)
            for (unsigned i = 0; i < loud; i++)
                for (unsigned n = 0; n < at_once; n++, sent++) {
                    message.id.epoch++;
                    sockets[i].send(encode_frame(*Mac::parse(mac_of(i)), message));
                }
    });
    EXPECT_TRUE(testbed::until([&] { return count(HL_TAP_COUNT_LIMITED) > 0; })) << "they do flood";
    const Cost flooded = moves(rounds);
    over = true;
    flood.join();
    fmt::print(
        "  {} gives and takes of a guest: {} messages beside quiet guests, {} beside {} that sent "
        "{}, of which {} were not let through; {} wake-ups for {} messages of all, and {} for {}\n",
        2 * rounds, quiet.messages, flooded.messages, loud, sent.load(),
        count(HL_TAP_COUNT_LIMITED), quiet.wakeups, quiet.all, flooded.wakeups, flooded.all);
    EXPECT_EQ(web1().counts.counts[HL_TAP_COUNT_FULL], 0u) << "they took no room of others";
    // Where this machine is slow to carry a frame something is said again; a flood that cost
    // messages would cost them each time.
    EXPECT_LE(flooded.least, quiet.least);
    EXPECT_LE(flooded.messages, quiet.messages + quiet.messages / 2);
    // What is requested, read of the bridge or due wakes it as well.
    for (const Cost &cost : {quiet, flooded})
        EXPECT_LE(cost.wakeups, cost.all + 4 * 2 * rounds);
}

/// One message a guest and second, and no more wake-ups than messages.
TEST_F(ManyGuests, AtRest) {
    move(true);
    auto rest = [&](std::chrono::seconds time) {
        unsigned wakeups = 0;
        testbed::until(
            [&] {
                pollfd wait{host_->fd(), POLLIN, 0};
                if (poll(&wait, 1, 20) > 0) {
                    host_->process();
                    wakeups++;
                }
                guest_->process();
                return false;
            },
            time);
        return wakeups;
    };
    rest(3s); // those who do not answer are asked at the resting pace by then
    uint64_t before = 0, after = 0;
    for (const GuestStatus &status : host_->status())
        before += status.sent;
    const double cpu = cpu_ms();
    const unsigned wakeups = rest(4s);
    for (const GuestStatus &status : host_->status())
        after += status.sent;
    std::ifstream file("/proc/self/statm");
    uint64_t pages = 0, resident = 0;
    file >> pages >> resident;
    fmt::print("  at rest, {} guests: {:.2f} messages a guest and second, {:.0f} wake-ups and "
               "{:.1f} ms of CPU "
               "a second, {} kB resident (with the test)\n",
               guests, static_cast<double>(after - before) / guests / 4, wakeups / 4.0,
               (cpu_ms() - cpu) / 4, resident * 4);
    EXPECT_LE(after - before, guests * 5u);
    EXPECT_LE(wakeups, after - before + guests / 2);
}

} // namespace
} // namespace hitless::test
