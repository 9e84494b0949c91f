// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/qmp_client.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace hitless {
namespace {

using std::chrono::seconds;

constexpr Instant greeting_wait = seconds(5), least_gap = seconds(1), most_gap = seconds(30);
constexpr size_t longest_line = 1 << 20; // QEMU's longest answers are some 100 kB
constexpr unsigned most_reads = 16;      // at a time: other guests wait meanwhile

std::string own_monitor(const std::string &path) {
    return fmt::format("a monitor serves one client: start the guest with -qmp "
                       "unix:{},server=on,wait=off and leave that socket to hitless",
                       path);
}

} // namespace

QmpClient::QmpClient(std::string path, Callbacks callbacks)
    : path_(std::move(path)), callbacks_(std::move(callbacks)) {}

std::optional<Instant> QmpClient::deadline() const {
    if (phase_ == Phase::closed) return retry_at_;
    std::optional<Instant> out;
    if (phase_ != Phase::ready) out = greeted_by_;
    for (const auto &[id, pending] : pending_)
        out = out ? std::min(*out, pending.limit) : pending.limit;
    return out;
}

void QmpClient::process(Instant now) {
    if (phase_ == Phase::closed && now >= retry_at_) open(now);
    if (phase_ != Phase::closed) read(now);
    const bool greeting = phase_ == Phase::greeting || phase_ == Phase::negotiating;
    if (greeting && now >= greeted_by_)
        return end(fmt::format("{} says nothing; {}", path_, own_monitor(path_)), now);
    const bool late = std::ranges::any_of(
        pending_, [&](const auto &pending) { return now >= pending.second.limit; });
    if (late) end(fmt::format("{} does not answer; is its QEMU stuck?", path_), now);
}

void QmpClient::open(Instant now) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(to.sun_path))
        return end(fmt::format("connect to {}: the path is too long for a socket; use one of {} "
                               "letters at most",
                               path_, sizeof(to.sun_path) - 1),
                   now);
    memcpy(to.sun_path, path_.c_str(), path_.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || connect(socket.get(), reinterpret_cast<sockaddr *>(&to), sizeof(to)) < 0)
        return end(
            fmt::format("connect to {}: {}; {}", path_, strerror(errno),
                        errno == EACCES ? "allow it to the user of hitless" : own_monitor(path_)),
            now);
    socket_ = std::move(socket);
    poller_.add(socket_.get(), 0);
    phase_ = Phase::greeting;
    greeted_by_ = now + greeting_wait;
}

void QmpClient::read(Instant now) {
    char bytes[16384];
    for (unsigned i = 0; i < most_reads && socket_; i++) {
        const ssize_t length = recv(socket_.get(), bytes, sizeof(bytes), 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length <= 0)
            return end(phase_ == Phase::ready
                           ? fmt::format("{} was closed: the guest has ended", path_)
                           : fmt::format("{} was closed at once; {}", path_, own_monitor(path_)),
                       now);
        input_.append(bytes, static_cast<size_t>(length));
        for (size_t end; socket_ && (end = input_.find('\n')) != std::string::npos;) {
            const std::string line = input_.substr(0, end);
            input_.erase(0, end + 1);
            take_line(line, now);
        }
        if (input_.size() > longest_line)
            return end(fmt::format("{} sends lines without an end: no QMP", path_), now);
    }
}

void QmpClient::take_line(const std::string &line, Instant now) {
    const Json message = Json::parse(line, nullptr, false);
    if (!message.is_object())
        return end(
            fmt::format("{} speaks no QMP; `monitor` names a socket made by -qmp unix:", path_),
            now);
    if (phase_ == Phase::greeting) return take_greeting(message, now);
    const auto event = message.find("event");
    if (event == message.end()) return take_answer(message, now);
    const auto data = message.find("data");
    if (event->is_string())
        callbacks_.event(event->get<std::string>(), data == message.end() ? Json() : *data);
}

void QmpClient::take_greeting(const Json &message, Instant now) {
    if (!message.contains("QMP"))
        return end(fmt::format("{} greets otherwise than QEMU; `monitor` names a socket made by "
                               "-qmp unix:",
                               path_),
                   now);
    phase_ = Phase::negotiating;
    pending_[next_id_] = {[this, now](const Json *value, const std::string &error) {
                              if (phase_ == Phase::closed) return; // which is why it failed
                              if (!value) return end(fmt::format("{}: {}", path_, error), now);
                              phase_ = Phase::ready;
                              gap_ = Instant{0};
                              problem_.clear();
                              callbacks_.ready();
                          },
                          now + greeting_wait};
    send({{"execute", "qmp_capabilities"}, {"id", next_id_++}}, now);
}

void QmpClient::take_answer(const Json &message, Instant now) {
    const auto id = message.find("id"), value = message.find("return"),
               error = message.find("error");
    const bool known =
        id != message.end() && id->is_number_unsigned() && pending_.contains(id->get<uint64_t>());
    if (!known || (value == message.end()) == (error == message.end()))
        return end(fmt::format("{} answers what was not asked; {}", path_, own_monitor(path_)),
                   now);
    const Done done = std::move(pending_.extract(id->get<uint64_t>()).mapped().done);
    if (value != message.end()) return done(&*value, "");
    const bool says = error->is_object() && error->contains("desc") && (*error)["desc"].is_string();
    done(nullptr, says ? (*error)["desc"].get<std::string>() : "refused without a reason");
}

void QmpClient::execute(const std::string &command, Json arguments, Done done, Instant now,
                        Instant wait) {
    const uint64_t id = next_id_++;
    Json message = {{"execute", command}, {"id", id}};
    if (!arguments.is_null()) message["arguments"] = std::move(arguments);
    pending_[id] = {std::move(done), now + wait};
    send(message, now);
}

/// What does not fit its socket is not read there: it hangs.
bool QmpClient::send(const Json &message, Instant now) {
    // Whatever a configuration held: no exception over bytes that are no UTF-8.
    const std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(text.size())) return true;
    end(fmt::format("{} does not read; is its QEMU stuck?", path_), now);
    return false;
}

/// All that is pending fails with it.
void QmpClient::end(const std::string &problem, Instant now) {
    if (socket_) poller_.remove(socket_.get());
    socket_ = Fd();
    phase_ = Phase::closed;
    input_.clear();
    problem_ = problem;
    gap_ = std::clamp(gap_ * 2, least_gap, most_gap);
    retry_at_ = now + gap_;
    for (auto &[id, pending] : std::exchange(pending_, {}))
        pending.done(nullptr, problem);
}

} // namespace hitless
