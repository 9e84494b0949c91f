// SPDX-License-Identifier: BSD-2-Clause
//
// Asks neighbours by a NIC of choice and hears their answers. Whom to ask comes from the guest's
// own neighbour table; how, from what that neighbour answers: an echo with a nonce of 16 random
// bytes, or else whether its address is still its own (ARP, neighbour discovery), asked of its MAC
// alone. The next of these ways is taken where nobody answers one.
//
// Costs nothing while nobody asks: answers come in by sockets that see nothing else (a raw ICMP
// socket behind a filter for our own identifier, and, only where they are used, one for ARP replies
// and one for neighbour advertisements).
#pragma once

#include "loader/kernel/fd.hpp"
#include "loader/kernel/wire/frames.hpp"
#include "loader/kernel/wire/stations.hpp"

#include <deque>
#include <functional>
#include <utility>

namespace hitless {

class Prober {
  public:
    /// Opens its sockets in the caller's network namespace, and the one that asks in that of the
    /// NICs (-1: the same). Without CAP_NET_RAW there is never anybody to ask.
    explicit Prober(int netns_of_nics = -1);

    /// Readable when an answer came in.
    int fd() const { return answers_.get(); }

    /// Learns whom to ask, by which of the guest's devices, keeping to the present one where it
    /// still stands.
    void learn(Rtnl &, const std::vector<Station> &);
    bool may_ask() const { return static_cast<bool>(echo4_); }
    /// How many targets can be asked; 0: there is nobody.
    unsigned ways() const { return static_cast<unsigned>(ways_.size()); }
    /// The targets have never answered the guest itself: their MACs are not known, and they are
    /// asked as the guest's kernel asks, by broadcast or to their group.
    bool unresolved() const { return unresolved_ && !ways_.empty(); }
    /// The present target does not answer: takes the next.
    void next_target();

    /// One question to the present target, out of `nic` alone. False when the NIC does not take it.
    bool ask(Ifindex nic, bool second_path, Instant now);

    /// From now on notices what reaches the stack at a NIC whose frames are all led elsewhere by
    /// our program there: such a frame went past it. Costs frames that ours leads away nothing.
    void watch(Ifindex nic);
    /// Some did since the last call. The watch pauses then, so that many do not keep us busy.
    bool strayed() { return std::exchange(strayed_, false); }

    struct Answer {
        bool second_path; ///< which path it had been asked by
        Instant asked;
        Ifindex came_by; ///< the device at which the guest's stack saw it
    };
    /// The same question as one of the guest's own frames, out of the device that it uses, by every
    /// program there; to itself where there is nobody to ask. The caller is in the guest's
    /// namespace.
    bool ask_as_guest(Ifindex master, const Mac &own, Instant now);

    /// Every answer since, once. Answers to nothing that we asked, or to what has been answered,
    /// are passed over.
    using Heard = std::function<void(const Answer &)>;
    void read(const Heard &);

  private:
    struct Way {
        Ends ends;
        std::vector<VlanTag> tags;
        bool by_claim; ///< by ARP or neighbour discovery: there is no nonce
        bool operator==(const Way &other) const {
            return ends.peer_ip == other.ends.peer_ip && tags == other.tags &&
                   by_claim == other.by_claim;
        }
    };
    struct Question {
        Nonce nonce;
        Ends ends;
        bool by_claim, second_path;
        Instant asked;
    };

    std::vector<Way> ways_of(Rtnl &, const Station &, bool unresolved) const;
    void listen_to(Fd &socket);
    Frame question(bool second_path, Instant now);
    void read_strays();
    void open_arp();
    void open_discovery();
    Frame ask_for_claim(const Ends &, bool second_path);
    void read_echoes(int socket, bool six, const Heard &);
    void read_claims(int socket, std::optional<Claim> (*parse)(Bytes), const Heard &);
    template <typename Matches>
    void match_answer(Matches matches, Ifindex came_by, const Heard &);

    uint16_t id_;
    Fd answers_;            // an epoll set of the sockets below
    Fd out_;                // a packet socket that receives nothing
    Fd as_guest_;           // likewise, once it is needed; what leaves by it passes tc
    Fd echo4_, echo6_;      // what comes back; IPv6 where there is any
    Fd arp_, discovery_;    // likewise, once they are needed
    std::vector<Way> ways_; // the present one first
    bool unresolved_ = false;
    std::deque<Question> questions_; // unanswered, newest last
    int netns_;                      // of the NICs; -1: the caller's
    Ifindex watched_ = Ifindex::none;
    std::vector<Fd> strays_; // hear what went past our program on the NIC that is watched
    bool strayed_ = false;
    Instant strayed_at_{0};
};

} // namespace hitless
