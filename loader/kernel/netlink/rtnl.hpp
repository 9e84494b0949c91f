// SPDX-License-Identifier: BSD-2-Clause
//
// rtnetlink in two halves: Rtnl asks and changes, LinkMonitor listens. Both speak to the network
// namespace they were opened in, whatever the thread does later.
//
// No cache is kept here. A monitor that lost messages (ENOBUFS) says so and the caller asks again.
#pragma once

#include "loader/core/types.hpp"

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct mnl_socket;
struct nlmsghdr;

namespace hitless {

struct CloseMnl {
    void operator()(mnl_socket *) const;
};
using MnlSocket = std::unique_ptr<mnl_socket, CloseMnl>;

/// What to change; what is not given stays.
struct LinkChange {
    std::optional<bool> up{};
    std::optional<uint32_t> mtu{};
    std::optional<uint8_t> addr_gen_mode{}; ///< IN6_ADDR_GEN_MODE_*
    std::optional<uint8_t> arp_ignore{};
    std::optional<uint32_t> tx_queue_len{};
    std::optional<bool> promisc{}, allmulti{};
    std::optional<Mac> mac{};
};

class Rtnl {
  public:
    Rtnl();

    /// From now on a dump holds only what its request asks for: routes by one device, say. Requests
    /// must then be whole. Without effect before Linux 4.20.
    void check_strictly();

    /// Every Ethernet or loopback link of the namespace.
    std::vector<Link> links();
    /// One link as it is now; nothing when it does not exist.
    std::optional<Link> link(Ifindex);
    std::optional<Link> link(std::string_view name);

    /// Throws Error with the kernel's reason; `shown` names the device in it.
    void change(Ifindex, std::string_view shown, const LinkChange &);

    /// How a device makes IPv6 addresses for itself (IN6_ADDR_GEN_MODE_*). False where it has no
    /// IPv6: this kernel has none, or its MTU is below 1280. Throws what else goes wrong.
    bool change_addr_gen_mode(const Link &, uint8_t mode);

    /// Unicast addresses, other than its own, that a device lets through: a macvlan's, say.
    /// (rtnl_filter.cpp)
    std::vector<Mac> filter(Ifindex);
    /// Adds one (`on`) or removes it. Throws; quiet when it is so already.
    void change_filter(Ifindex, std::string_view shown, const Mac &, bool on);

    /// Those of one device, unicast and resolved; routers first, then who was heard of last.
    std::vector<Neighbour> neighbours(Ifindex);

    /// Those that a device has asked for and not found (yet): their MACs are empty.
    std::vector<Neighbour> unresolved_neighbours(Ifindex);

    /// Of one device, those in use (not tentative).
    std::vector<Address> addresses(Ifindex);

    /// Sends a request and shows each message of the whole answer. Returns 0 or the kernel's errno,
    /// positive: EINTR when changes interrupted a dump, of which a part was shown then. Whatever
    /// comes out, the next request has an answer of its own. For what speaks of more than links
    /// (kernel/netlink/devices.hpp, kernel/netlink/settings.hpp).
    int transact(nlmsghdr *, const std::function<void(const nlmsghdr *)> &);
    /// How many requests it has sent: what something costs.
    uint32_t requests() const { return seq_; }

    /// What `decode` makes of the messages of a dump, where it makes something (an optional). One
    /// that changes interrupt is asked for again. Returns 0 or errno, as transact().
    template <typename T, typename Decode>
    int dump(nlmsghdr *request, std::vector<T> &out, Decode decode) {
        for (int again = dumps_again;; again--) {
            out.clear();
            int error = transact(request, [&](const nlmsghdr *m) {
                if (std::optional<T> found = decode(m)) out.push_back(*std::move(found));
            });
            if (error != EINTR || again == 0) return error;
        }
    }

  private:
    static constexpr int dumps_again = 5;

    void forget_answer();
    void send(nlmsghdr *);
    template <typename Decode>
    std::vector<Neighbour> dump_neighbours(Ifindex, Decode);
    std::optional<Address> gateway(Ifindex, bool six);

    MnlSocket socket_;
    uint32_t seq_ = 0;
    bool unread_ = false; ///< an answer, or its end
};

/// Events of a namespace's links, of their qdiscs and filters, and of their forwarding.
class LinkMonitor {
  public:
    struct Handler {
        std::function<void(const Link &)> changed;
        std::function<void(Ifindex)> gone;
        /// The qdiscs or filters of this device changed; `none`: of several that share them.
        std::function<void(Ifindex)> tc;
        /// This device routes from now on, or no longer: the kernel sends no event of the link.
        std::function<void(Ifindex)> forwarding = [](Ifindex) {};
    };

    LinkMonitor();
    int fd() const;

    /// Delivers what has arrived; never blocks. False when messages were lost: ask Rtnl::links().
    bool drain(const Handler &);

  private:
    MnlSocket socket_;
};

} // namespace hitless
