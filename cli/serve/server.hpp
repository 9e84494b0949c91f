// SPDX-License-Identifier: BSD-2-Clause
//
// A unix socket inside somebody else's loop. It can cost that loop only so much, whatever clients
// do: connections, sizes, silence and work in a given time are limited, and nothing waits.
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/events.hpp"
#include "loader/kernel/fd.hpp"

#include <list>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace hitless::cli {

/// A client, as the kernel vouches for it (SO_PEERCRED).
struct Peer {
    uid_t uid;
};

/// What is spoken: messages in, answers out. No I/O.
class Protocol {
  public:
    struct Answer {
        std::string text;
        enum Then { keep, close, subscribe } then = keep;
    };

    virtual ~Protocol() = default;
    /// The length of the first message in `input` with its end mark; 0: not whole yet.
    virtual size_t length(std::string_view input) const = 0;
    virtual Answer answer(std::string_view message, const Peer &) = 0;
};

class Server {
  public:
    static constexpr size_t most_connections = 64; ///< then the one that is silent longest goes
    static constexpr size_t longest_message = 16384;
    static constexpr unsigned most_in_a_turn = 16; ///< messages, however many come at once
    /// Also of who does not take what he asked for; subscribers excepted.
    static constexpr std::chrono::seconds longest_silence{5};
    /// What clients have not taken yet, of all of them: 4,096 guests in one reply have room. Then
    /// who is slowest goes.
    static constexpr size_t most_output = 16 << 20;
    static constexpr size_t most_news = 256 << 10; ///< that one subscriber has not taken yet
    /// Connections, pieces and messages handled in a period; then the socket rests till the next.
    static constexpr unsigned most_actions = 1000;
    static constexpr std::chrono::milliseconds period{100};

    /// Takes over a socket that nobody serves any more. `group`: may connect, too; else root only.
    /// Throws; EADDRINUSE when it is being served.
    Server(const std::string &path, const std::string &group, Protocol &);
    ~Server();
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    int fd() const { return poller_.fd(); }
    /// Looks at sixteen clients and answers sixteen messages at most; never waits.
    void process();
    /// To all who subscribed.
    void publish(const std::string &text);

  private:
    struct Connection {
        Fd fd;
        Peer peer;
        std::string input;
        std::string output; ///< what it has not taken yet; meanwhile it is not read from
        Instant deadline;
        bool subscribed;
        bool closing = false; ///< when it has taken all
    };
    using At = std::list<Connection>::iterator;

    std::list<Connection> &list_of(const Connection &c) {
        return c.subscribed ? subscribed_ : waiting_;
    }
    void accept();
    void serve(int fd);
    void serve_left_over();
    bool serve_message(At);
    bool send(Connection &, std::string_view text);
    bool make_room(const Connection &, size_t size);
    bool keep_for_later(Connection &, std::string_view text);
    void flush(At);
    void renew(At, bool subscribed);
    void drop(At);
    void rest(bool);
    void arm();

    Protocol &protocol_;
    std::string path_;
    Fd listener_;
    Timer timer_;
    Poller poller_, clients_;                    ///< clients_ is in poller_, except while resting
    std::list<Connection> waiting_, subscribed_; ///< waiting_: earliest deadline first
    std::map<int, At> connections_;
    size_t pending_ = 0; ///< bytes of output
    unsigned actions_ = 0, turn_ = 0;
    bool left_over_ = false;
    Instant period_end_{};
    bool resting_ = false;
};

} // namespace hitless::cli
