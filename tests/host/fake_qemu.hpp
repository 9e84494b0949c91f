// SPDX-License-Identifier: BSD-2-Clause
//
// A monitor socket that answers as it is told to. Driven by the test's own thread.
#pragma once

#include "loader/kernel/fd.hpp"

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>

namespace hitless::test {

class FakeQemu {
  public:
    using Json = nlohmann::json;
    using Answer = std::variant<Json, std::string>;

    FakeQemu();
    ~FakeQemu();
    FakeQemu(const FakeQemu &) = delete;
    FakeQemu &operator=(const FakeQemu &) = delete;

    const std::string &path() const { return path_; }

    /// Accepts whoever waits, reads commands, answers them.
    void work();
    void say(const std::string &bytes);
    void say(const Json &message) { say(message.dump() + "\r\n"); }
    void event(const std::string &name, const Json &data = Json::object());
    void hang_up();
    /// Nobody listens any more.
    void end();

    // How it behaves.
    bool greets = true, answers = true;
    std::string greeting = R"({"QMP": {"version": {}, "capabilities": ["oob"]}})";
    /// What a command returns; a string: the error.
    std::function<Answer(const Json &command)> answer;

    std::deque<Json> commands; ///< that came in
    unsigned clients = 0;      ///< that connected, ever

  private:
    std::string dir_, path_, input_;
    Fd listener_, client_;
};

} // namespace hitless::test
