// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/server.hpp"
#include "cli/serve/listener.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace hitless::cli {
namespace {

enum Wake : uint64_t { wake_timer, wake_clients };

} // namespace

Server::Server(const std::string &path, const std::string &group, Protocol &protocol)
    : protocol_(protocol), path_(path), listener_(listen_at(path, group)) {
    clients_.add(listener_.get(), static_cast<uint64_t>(listener_.get()));
    poller_.add(timer_.fd(), wake_timer);
    poller_.add(clients_.fd(), wake_clients);
}

Server::~Server() {
    unlink(path_.c_str());
}

void Server::process() {
    timer_.acknowledge();
    if (now() >= period_end_) {
        actions_ = 0;
        period_end_ = now() + period;
        rest(false);
    }
    turn_ = 0;
    if (!resting_) {
        serve_left_over();
        clients_.ready([&](uint64_t key) {
            int fd = static_cast<int>(key);
            fd == listener_.get() ? accept() : serve(fd);
        });
    }
    while (!waiting_.empty() && waiting_.front().deadline <= now())
        drop(waiting_.begin());
    rest(actions_ >= most_actions);
    arm();
}

void Server::publish(const std::string &text) {
    for (auto at = subscribed_.begin(); at != subscribed_.end();) {
        auto next = std::next(at);
        if (at->output.size() > most_news || !send(*at, text)) drop(at);
        at = next;
    }
}

void Server::accept() {
    actions_++;
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ucred who{};
    socklen_t size = sizeof(who);
    if (!fd || getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) return;
    if (connections_.size() >= most_connections)
        drop(waiting_.empty() ? subscribed_.begin() : waiting_.begin());
    int number = fd.get();
    clients_.add(number, static_cast<uint64_t>(number));
    waiting_.push_back({std::move(fd), {who.uid}, {}, {}, now() + longest_silence, false});
    connections_[number] = std::prev(waiting_.end());
}

void Server::serve(int fd) {
    auto found = connections_.find(fd);
    if (found == connections_.end()) return; // dropped in this very turn
    At at = found->second;
    actions_++;
    if (!at->output.empty()) return flush(at);
    char buffer[4096];
    ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR)) drop(at);
        return;
    }
    at->input.append(buffer, static_cast<size_t>(size));
    if (at->input.size() > longest_message + sizeof(buffer)) return drop(at);
    while (serve_message(at))
        continue;
}

/// Messages that came in one piece and were too many for one turn; nothing else tells of them.
void Server::serve_left_over() {
    if (!std::exchange(left_over_, false)) return;
    std::vector<int> fds;
    for (const auto &[fd, at] : connections_)
        fds.push_back(fd);
    for (int fd : fds)
        while (connections_.contains(fd) && serve_message(connections_[fd]))
            continue;
}

/// True when there may be another one in what was received.
bool Server::serve_message(At at) {
    if (!at->output.empty()) return false;
    if (turn_ >= most_in_a_turn) {
        left_over_ = true;
        return false;
    }
    size_t length = protocol_.length(at->input);
    if (!length) {
        if (at->input.size() > longest_message) drop(at);
        return false;
    }
    actions_++;
    turn_++;
    Protocol::Answer answer =
        protocol_.answer(std::string_view(at->input).substr(0, length), at->peer);
    at->input.erase(0, length);
    at->closing = answer.then == Protocol::Answer::close;
    if (!send(*at, answer.text) || (at->closing && at->output.empty())) {
        drop(at);
        return false;
    }
    renew(at, at->subscribed || answer.then == Protocol::Answer::subscribe);
    return !at->input.empty();
}

/// It has done something: the last one whose time is over.
void Server::renew(At at, bool subscribed) {
    std::list<Connection> &from = list_of(*at);
    at->subscribed = subscribed;
    at->deadline = now() + longest_silence;
    std::list<Connection> &to = list_of(*at);
    to.splice(to.end(), from, at);
}

/// What does not fit into the socket waits here. False: the client is gone.
bool Server::send(Connection &to, std::string_view text) {
    if (!to.output.empty()) return keep_for_later(to, text);
    ssize_t size = ::send(to.fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
    text.remove_prefix(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    return text.empty() || keep_for_later(to, text);
}

bool Server::keep_for_later(Connection &to, std::string_view text) {
    if (!make_room(to, text.size())) return false;
    if (to.output.empty()) {
        clients_.remove(to.fd.get());
        clients_.add_for_writing(to.fd.get(), static_cast<uint64_t>(to.fd.get()));
    }
    to.output += text;
    pending_ += text.size();
    return true;
}

/// Who has taken nothing for longest goes first.
bool Server::make_room(const Connection &to, size_t size) {
    for (At at = waiting_.begin(); at != waiting_.end() && pending_ + size > most_output;) {
        At next = std::next(at);
        if (&*at != &to && !at->output.empty()) drop(at);
        at = next;
    }
    return pending_ + size <= most_output;
}

/// The client takes more.
void Server::flush(At at) {
    ssize_t size =
        ::send(at->fd.get(), at->output.data(), at->output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) return drop(at);
    at->output.erase(0, static_cast<size_t>(size));
    pending_ -= static_cast<size_t>(size);
    renew(at, at->subscribed);
    if (!at->output.empty()) return;
    if (at->closing) return drop(at);
    clients_.remove(at->fd.get());
    clients_.add(at->fd.get(), static_cast<uint64_t>(at->fd.get()));
    while (serve_message(at))
        continue;
}

void Server::drop(At at) {
    pending_ -= at->output.size();
    connections_.erase(at->fd.get());
    // Closing takes it out of the epoll set.
    list_of(*at).erase(at);
}

/// While resting only the timer wakes us; clients queue in the kernel.
void Server::rest(bool yes) {
    if (yes == resting_) return;
    resting_ = yes;
    if (yes)
        poller_.remove(clients_.fd());
    else
        poller_.add(clients_.fd(), wake_clients);
}

void Server::arm() {
    if (resting_)
        timer_.arm(period_end_);
    else if (left_over_)
        timer_.arm(now());
    else
        timer_.arm(waiting_.empty() ? std::nullopt : std::optional(waiting_.front().deadline));
}

} // namespace hitless::cli
