// SPDX-License-Identifier: BSD-2-Clause
//
// The other end of a control socket, for commands that must ask a daemon. Waits; for no loop.
#pragma once

#include "loader/kernel/fd.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace hitless::cli {

class Client {
  public:
    using Json = nlohmann::ordered_json;

    /// Throws Error: ENOENT or ECONNREFUSED when nobody serves it.
    explicit Client(const std::string &path);

    int fd() const { return socket_.get(); }
    void send(const std::string &method, const Json &parameters = Json::object(),
              bool more = false);
    /// The next whole reply; nothing when `wait` is false and none is there. Throws when the
    /// service has gone, or does not answer for seconds (ETIMEDOUT).
    std::optional<Json> receive(bool wait = true);
    /// Sends and receives.
    Json call(const std::string &method, const Json &parameters = Json::object());

  private:
    Fd socket_;
    std::string path_, input_;
};

} // namespace hitless::cli
