// SPDX-License-Identifier: BSD-2-Clause
//
// The control sockets' language: Varlink (https://varlink.org), JSON objects that end with NUL.
// docs/control-socket.md shows it in use. What is offered is the derived class's.
#pragma once

#include "cli/serve/server.hpp"
#include "loader/core/error.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

namespace hitless::cli {

class VarlinkService : public Protocol {
  public:
    using Json = nlohmann::ordered_json;
    using Interface = std::pair<std::string_view, std::string_view>; ///< name, description
    static constexpr unsigned most_verbs = 20;                       ///< a second

    size_t length(std::string_view input) const override { return input.find('\0') + 1; }
    Answer answer(std::string_view message, const Peer &) final;

  protected:
    struct Call {
        std::string method;
        Json parameters = Json::object();
        bool more = false, oneway = false;
    };
    /// An error of the interface: its name and parameters.
    struct Refusal {
        std::string name;
        Json parameters = Json::object();
    };
    struct Reply {
        Json parameters = Json::object();
        bool goes_on = false; ///< with `more`: news will follow
    };

    explicit VarlinkService(Interface own) : own_(own) {}
    /// Throws Refusal; an Error becomes refusal_of() it.
    virtual Reply call(const Call &, const Peer &) = 0;
    virtual Refusal refusal_of(const Call &, const Error &) const = 0;

    [[noreturn]] static void invalid(const char *parameter);
    [[noreturn]] static void unknown(const Call &);
    /// A text parameter; nothing when it is absent or null.
    static std::optional<std::string> text(const Call &, const char *name);
    static std::string needed_text(const Call &, const char *name);
    /// For methods that change something: throws unless it is root, and not too often.
    void let_act(const Peer &, const char *too_many, unsigned most = most_verbs);
    /// What subscribers get.
    static std::string news(const Json &parameters);

  private:
    Reply answer_call(const Call &, const Peer &);
    Json describe(const Call &) const;
    Json info() const;
    static std::optional<Call> parse(std::string_view message);

    Interface own_;
    Instant verbs_since_{};
    unsigned verbs_ = 0;
};

} // namespace hitless::cli
