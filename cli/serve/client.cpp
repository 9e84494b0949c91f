// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/client.hpp"
#include "cli/output/json.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace hitless::cli {
namespace {

constexpr timeval patience{20, 0}; // a machine may be starved

[[noreturn]] void failed(const std::string &action) {
    if (errno == EAGAIN)
        throw Error(ETIMEDOUT, action, "nobody answers",
                    "a daemon that was stopped does not; let it go on, or restart it");
    throw Error(errno, action);
}

} // namespace

Client::Client(const std::string &path)
    : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), path_(path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        throw Error(ENAMETOOLONG, fmt::format("connect to {}", path));
    memcpy(address.sun_path, path.data(), path.size());
    for (int limit : {SO_RCVTIMEO, SO_SNDTIMEO}) // of connecting, too
        setsockopt(socket_.get(), SOL_SOCKET, limit, &patience, sizeof(patience));
    if (!socket_ ||
        connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0)
        failed(fmt::format("connect to {}", path));
}

void Client::send(const std::string &method, const Json &parameters, bool more) {
    Json call{{"method", method}, {"parameters", parameters}};
    if (more) call["more"] = true;
    std::string text = to_text(call) + '\0';
    if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
        failed(fmt::format("write to {}", path_));
}

std::optional<Client::Json> Client::receive(bool wait) {
    size_t end = 0;
    while ((end = input_.find('\0')) == input_.npos) {
        char buffer[4096];
        ssize_t size = recv(socket_.get(), buffer, sizeof(buffer), wait ? 0 : MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN && !wait) return std::nullopt;
        if (size < 0 && errno == EAGAIN) failed(fmt::format("read from {}", path_));
        if (size <= 0)
            throw Error(size < 0 ? errno : ECONNRESET, fmt::format("read from {}", path_),
                        "the daemon has ended");
        input_.append(buffer, static_cast<size_t>(size));
    }
    Json out = Json::parse(input_.substr(0, end));
    input_.erase(0, end + 1);
    return out;
}

Client::Json Client::call(const std::string &method, const Json &parameters) {
    send(method, parameters);
    return *receive();
}

} // namespace hitless::cli
