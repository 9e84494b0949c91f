// SPDX-License-Identifier: BSD-2-Clause
//
// A client of QEMU's monitor protocol (docs/interop/qmp-spec.rst in QEMU's sources): greeting,
// capabilities, commands with ids, events. Never waits. What the other side says is checked here:
// whoever speaks no QMP, too slowly or too much is left, and tried again later.
//
// A monitor socket serves one client at a time, so it must be one of our own.
//
//   QmpClient client(path, {.ready = ..., .event = ...});
//   poll(client.fd()) until client.deadline(); client.process(now);
//   client.execute("query-status", {}, [](const Json *value, const std::string &error) {...}, now);
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/events.hpp"

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace hitless {

class QmpClient {
  public:
    using Json = nlohmann::json;
    /// What a command returned; nullptr when it failed, and why.
    using Done = std::function<void(const Json *value, const std::string &error)>;
    struct Callbacks {
        std::function<void()> ready; ///< connected anew: what was known before may be over
        std::function<void(const std::string &event, const Json &data)> event;
    };
    /// How long an answer is waited for; plugging a device may pin all of a guest's memory.
    static constexpr Instant usual_wait = std::chrono::seconds(10),
                             plug_wait = std::chrono::minutes(2);

    QmpClient(std::string path, Callbacks);

    int fd() const { return poller_.fd(); }
    /// When process() is due though nothing came in.
    std::optional<Instant> deadline() const;
    void process(Instant now);

    /// The greeting is over: commands are taken.
    bool ready() const { return phase_ == Phase::ready; }
    /// Why it is not, with the way out; empty: it is, or that is not yet known.
    const std::string &problem() const { return problem_; }
    /// Only while ready(). `done` is called once, from process(), or from here when it fails at
    /// once.
    void execute(const std::string &command, Json arguments, Done done, Instant now,
                 Instant wait = usual_wait);

  private:
    enum class Phase { closed, greeting, negotiating, ready };
    struct Pending {
        Done done;
        Instant limit;
    };

    void open(Instant now);
    void read(Instant now);
    void take_line(const std::string &line, Instant now);
    void take_answer(const Json &message, Instant now);
    void take_greeting(const Json &message, Instant now);
    bool send(const Json &, Instant now);
    void end(const std::string &problem, Instant now);

    std::string path_;
    Callbacks callbacks_;
    Poller poller_;
    Fd socket_;
    Phase phase_ = Phase::closed;
    std::string input_; ///< what came in of a line that is not whole yet
    std::map<uint64_t, Pending> pending_;
    uint64_t next_id_ = 0;
    std::string problem_;
    Instant retry_at_{0}, gap_{0}, greeted_by_{0};
};

} // namespace hitless
