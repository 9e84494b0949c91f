// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "loader/host/command.hpp"
#include "loader/host/delivery.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sstream>
#include <unistd.h>

namespace hitless {
namespace {

/// Why a command would not start: 0, or an errno.
int unrunnable(const std::string &command) {
    auto fails = [](const std::string &file) { return access(file.c_str(), X_OK) ? errno : 0; };
    if (command.find('/') != command.npos) return fails(command);
    std::istringstream folders(getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (!fails(folder + "/" + command)) return 0;
    return ENOENT;
}

class CommandDelivery : public Delivery {
  public:
    explicit CommandDelivery(const GuestSpec &spec) : spec_(spec) {}

    void look(Instant now) override {
        target_.reset();
        failure_.clear();
        start_look(now);
    }
    void move(DataPath to, Instant now) override {
        target_ = to;
        failure_.clear();
        start(spec_.move, name(to), now);
    }
    void release() override { state_.held = false; } // what they hold is theirs

    /// That it works is known when it has moved; that it can be run, and where frames go, before.
    std::string obstacle() override {
        for (const auto *command : {&spec_.move, &spec_.read})
            if (int error = unrunnable(command->front()))
                return fmt::format("`{}` cannot be run: {}; mend the command at {}",
                                   command->front(), strerror(error), spec_.origin);
        look(now());
        while (busy() && !command_->killed()) {
            pollfd wait{fd(), POLLIN, 0};
            auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline() - now());
            poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
            process(now());
        }
        return state_.problem;
    }

    bool busy() const override { return command_.has_value(); }
    int fd() const override { return command_ ? command_->fd() : -1; }
    std::optional<Instant> deadline() const override {
        return command_ ? std::optional(command_->deadline()) : std::nullopt;
    }

    void process(Instant now) override {
        if (!command_) return;
        if (!command_->ended(now)) {
            if (command_->killed())
                state_ = {.problem = command_->result().failure + ", and has not ended since"};
            return;
        }
        CommandResult result = command_->result();
        command_.reset();
        if (!looking_) {
            failure_ = result.failure;
            return start_look(now); // whatever became of it: where frames go is what counts
        }
        finish(result);
    }

  private:
    void start_look(Instant now) {
        looking_ = true;
        start(spec_.read, "", now);
    }

    void start(const std::vector<std::string> &command, const char *path, Instant now) {
        if (*path) looking_ = false;
        try {
            command_.emplace(command,
                             std::vector<std::string>{"HITLESS_GUEST=" + spec_.name,
                                                      "HITLESS_MAC=" + spec_.mac.text(),
                                                      "HITLESS_STANDBY=" + spec_.standby,
                                                      "HITLESS_PRIMARY=" + spec_.primary,
                                                      std::string("HITLESS_PATH=") + path},
                             now + spec_.command_limit);
        } catch (const Error &error) {
            state_ = {.problem = error.what()};
        }
    }

    void finish(const CommandResult &result) {
        std::string_view word(result.out);
        word = word.substr(0, word.find_first_of(" \t\r\n"));
        State found;
        for (DataPath path : {DataPath::standby, DataPath::primary})
            if (result.failure.empty() && word == name(path)) found.path = path;
        found.held = found.path != DataPath::unknown;
        if (!failure_.empty())
            found.problem = failure_;
        else if (!result.failure.empty())
            found.problem = result.failure;
        else if (found.path == DataPath::unknown)
            found.problem = fmt::format("`{}` printed '{}' instead of standby or primary",
                                        spec_.read.front(), word);
        else if (target_ && *target_ != found.path)
            found.problem =
                fmt::format("`{}` moved to the {}, and `{}` says {}", spec_.move.front(),
                            name(*target_), spec_.read.front(), name(found.path));
        state_ = found;
    }

    GuestSpec spec_;
    std::optional<Command> command_;
    bool looking_ = false;
    std::optional<DataPath> target_;
    std::string failure_;
};

} // namespace

std::unique_ptr<Delivery> deliver_by_commands(const GuestSpec &spec) {
    return std::make_unique<CommandDelivery>(spec);
}

} // namespace hitless
