// SPDX-License-Identifier: BSD-2-Clause
//
// A hypervisor of the test's own: speaks by the switch's port of the standby as `hitless host run`
// does (core/host_channel.hpp), and delivers by the switch's table. The primary's port carries
// frames only while the primary is given: whoever uses it before or after loses them.
//
//   FakeHost host(bed());
//   host.request(true);  until([&] { return host.phase() == HostChannel::Phase::given; });
#pragma once

#include "loader/core/host_channel.hpp"
#include "testbed/raw.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace hitless::selftest {

class FakeHost {
  public:
    struct Seen {
        HostChannel::Phase phase = HostChannel::Phase::waiting;
        bool heard = false;     ///< the guest says something that counts
        GuestStatement guest{}; ///< the last
        ChannelMessage last{};  ///< of the guest, whatever it was
        ChannelMessage said{};  ///< our last
        bool overdue = false;
        DataPath downlink = DataPath::standby;
        unsigned heard_messages = 0, said_messages = 0;
    };

    /// Waits for the guest as long as a test waits for anything: no time is judged.
    static constexpr HostChannel::Settings patient{.deadline = testbed::default_patience};
    explicit FakeHost(testbed::Testbed &bed, const HostChannel::Settings &settings = patient);
    ~FakeHost(); ///< the switch delivers as it did before
    FakeHost(const FakeHost &) = delete;
    FakeHost &operator=(const FakeHost &) = delete;

    void request(bool give) { give_ = give; }
    /// Hears nothing and says nothing; the switch goes on as it is.
    void silence(bool on) { silent_ = on; }
    /// Part of the messages that are lost, each way.
    void deaf(unsigned percent) { deaf_ = percent; }
    Seen seen() const;
    HostChannel::Phase phase() const { return seen().phase; }
    /// Moves the switch alone: what a host does that does not speak with its guest.
    void deliver(DataPath);
    /// The primary's port carries nothing, or everything again.
    void block(bool on);

  private:
    void run();
    void hear();
    void step();
    void withdraw();

    testbed::Testbed &bed_;
    testbed::PacketSocket socket_;
    HostChannel channel_;
    Seen seen_;
    bool blocked_ = false;
    mutable std::mutex mutex_; ///< of seen_
    std::mutex switch_mutex_;  ///< of the switch's settings
    std::optional<Instant> due_ = Instant{0};
    std::atomic<bool> give_{false}, silent_{false}, ends_{false};
    std::atomic<unsigned> deaf_{0};
    unsigned dice_ = 7;
    std::thread thread_;
};

/// A frame of the channel's, as somebody sends it who may say what he likes.
void send_as_host(testbed::PacketSocket &, const ChannelMessage &);

} // namespace hitless::selftest
