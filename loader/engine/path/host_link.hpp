// SPDX-License-Identifier: BSD-2-Clause
//
// What one pair has with its hypervisor: hears and answers `hitless host run` by the standby,
// carries the veto `host`, and tells the host what the primary is to the guest. What is said when
// is decided by core/guest_channel.hpp. Belongs to whoever keeps the pair. Without a host it sends
// nothing and never wakes anybody.
//
//   HostLink link(pair, namespaces);
//   link.observe(pair, members);                    // when the devices were looked at
//   if (link.step(pair, namespaces)) apply_policy() // when fd() is readable, and at again()
#pragma once

#include "loader/core/guest_channel.hpp"
#include "loader/kernel/events.hpp"
#include "loader/kernel/state/pair.hpp"
#include "loader/kernel/wire/channel_port.hpp"
#include "loader/kernel/wire/channel_socket.hpp"

#include <string>
#include <utility>

namespace hitless {

class PairNamespaces;
struct Members;

class HostLink {
  public:
    /// `before`: what was said with another pair of the same standby, which ended while this
    /// process kept it. The host's word goes on.
    HostLink(const Pair &, const PairNamespaces &, std::optional<GuestChannel> before = {});

    const GuestChannel &channel() const { return channel_; }

    /// Readable when something was heard: step() is due.
    int fd() const { return heard_.fd(); }
    /// When step() is due though nothing was heard.
    std::optional<Instant> again() const { return again_; }

    /// Hears the virtio-serial port, too, from now on; a machine has one, so one pair does. Throws
    /// when it is there and cannot be opened.
    void open_port(const std::string &path);
    bool has_port() const { return port_.has_value(); }

    /// The devices as they are now.
    void observe(const Pair &, const Members &);
    /// Hears, writes the veto, answers. True when the veto word was changed, or a doubt is over.
    bool step(Pair &, PairNamespaces &);
    /// The host delivers to the primary, by what it last said; or it does not, and its veto stands.
    /// Until it does, a NIC's address may be a placeholder.
    bool knows_address(const Pair &) const;
    /// It speaks now.
    bool speaks() const { return channel_.host() != nullptr; }
    /// The host fell silent while it delivered to the standby, and nothing has come by the primary
    /// since: it must not count as proved.
    bool doubts_primary() const { return doubt_.has_value(); }
    /// What happened since, in words; "" when nothing did.
    std::string take_news() { return std::exchange(news_, ""); }

  private:
    /// Until unicast for us was delivered by the primary, which the datapath writes down.
    struct Doubt {
        uint32_t stray; ///< hl_nic::stray of the primary when it began
        bool stood = false;
    };
    /// Since when the host's veto stands, and whether what was sent before has left.
    struct Leaving {
        Instant since;
        bool done = false;
    };

    void hear(hl_host &, Instant now);
    GuestChannel::Input input(const Pair &, PairNamespaces &, Instant now);
    GuestPrimary primary(uint64_t veto) const;
    bool drained(const Pair &, PairNamespaces &, Instant now);
    bool follow(Pair &, const GuestChannel::Actions &, Instant now);
    bool resolve_doubt(const Pair &, bool wanted);
    /// True when it delivers elsewhere than before.
    bool write_down(hl_host &, Instant now);

    bool send(const Pair &, const ChannelMessage &) const;

    ChannelSocket socket_;
    std::optional<ChannelPort> port_;
    bool by_port_ = false; ///< the host was last heard there, and is answered there
    Poller heard_;
    GuestChannel channel_;
    std::optional<bool> level_; ///< of the veto, as it was last ordered
    std::optional<Doubt> doubt_;
    bool spoke_ = false;    ///< the host, when it was last written down
    bool unproven_ = false; ///< as it was last ordered
    std::optional<Leaving> leaving_;
    std::optional<Link> primary_;
    bool receives_ = false; ///< by the primary
    bool standby_works_ = false;
    uint32_t slot_ = 0;
    std::optional<Instant> again_;
    std::string news_;
};

/// Nobody listens to the host any more: what it decided is void.
void forget_host(Pair &);

} // namespace hitless
