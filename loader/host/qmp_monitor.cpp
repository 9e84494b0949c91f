// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/monitor.hpp"
#include "loader/host/plug_device.hpp"
#include "loader/host/qmp_client.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

namespace hitless {
namespace {

using Json = QmpClient::Json;
using std::chrono::seconds;

constexpr Instant look_gap = seconds(5), // somebody else may plug, too, and no event says so
    refused_gap = seconds(1),            // to the next try of what QEMU has refused
    ask_again = seconds(7),      // to the next device_del: native PCIe hotplug takes 5 s for one
    longest_pause = seconds(30); // between plugs for a guest that ejects what it gets

/// QEMU's MigrationStatus (qapi/migration.json): in all others a migration runs.
bool is_migrating(const std::string &status) {
    constexpr std::array<const char *, 5> over = {"", "none", "completed", "failed", "cancelled"};
    return std::ranges::find(over, status) == over.end();
}

/// QEMU's RunState (qapi/run-state.json): the guest is still to come, or has left.
bool is_elsewhere(const std::string &status) {
    return status == "inmigrate" || status == "postmigrate" || status == "finish-migrate";
}

/// Native PCIe hotplug (hw/pci/pcie.c), asked once more while the guest takes its time.
bool is_under_way(const std::string &error) {
    return error.find("already in the process of unplug") != error.npos ||
           error.find("power indicator blinking") != error.npos;
}

class QmpMonitor : public Monitor {
  public:
    QmpMonitor(const std::string &path, const std::string &device, const Mac &nic)
        : device_(parse_plug_device(device)), id_(text_in(device_, "id")), nic_(nic),
          client_(path, {.ready = [this] { begin(); },
                         .event = [this](const std::string &event,
                                         const Json &data) { take_event(event, data); }}) {
        begin_unknown();
    }

    int fd() const override { return client_.fd(); }

    std::optional<Instant> deadline() const override {
        std::optional<Instant> out = client_.deadline();
        if (client_.ready()) out = out ? std::min(*out, look_at_) : look_at_;
        return out;
    }

    void process(Instant now) override {
        now_ = now;
        client_.process(now);
        if (client_.ready() && now >= look_at_) look();
        tell();
    }

    void plug(Instant now) override {
        now_ = now;
        if (!state_.ready || changing_ || state_.plugged != false || now < try_at_) return;
        change("device_add", device_, QmpClient::plug_wait, [this] { state_.plugged = true; });
    }

    void unplug(Instant now) override {
        now_ = now;
        if (!state_.ready || changing_ || state_.plugged != true || now < try_at_) return;
        // The guest is waited for; its answer is the event DEVICE_DELETED. It may have missed the
        // question: while it stood still, or booted.
        try_at_ = now + ask_again;
        change("device_del", {{"id", id_}}, QmpClient::usual_wait,
               [this] { state_.since = state_.since.value_or(now_); });
    }

    void stay() override {
        if (std::exchange(state_.since, std::nullopt)) try_at_ = Instant{0};
        refusal_.clear();
    }

    void reset(Instant now) override {
        now_ = now;
        if (!state_.ready || changing_ || own_resets_) return;
        own_resets_++;
        // One that is refused resets nothing: the next RESET is the guest's own.
        client_.execute(
            "system_reset", {},
            [this](const Json *value, const std::string &) {
                if (!value && own_resets_) own_resets_--;
            },
            now_);
    }

    bool take_reset() override { return std::exchange(reset_, false); }

  private:
    void begin_unknown() {
        state_ = {};
        changing_ = false;
        nics_ = own_nics_ = 0;
        own_resets_ = 0;
        events_granted_ = false;
        status_.reset();
        migration_.reset();
        refusal_.clear();
    }

    /// Connected anew. Until all of it is answered nothing is plugged.
    void begin() {
        begin_unknown();
        for (const char *path : {"/machine/peripheral", "/machine/peripheral-anon"})
            check("qom-list", {{"path", path}},
                  [this, path](const Json &list) { ask_addresses(path, list); });
        look();
    }

    void look() {
        look_at_ = now_ + look_gap;
        if (changing_) return; // a device_add may take long, and all else is answered after it
        // Else no event says that a migration begins or ends. Refused while one runs.
        if (!events_granted_)
            ask("migrate-set-capabilities",
                {{"capabilities", Json::array({{{"capability", "events"}, {"state", true}}})}},
                [this](const Json &) { events_granted_ = true; });
        ask("qom-list", {{"path", "/machine/peripheral"}},
            [this](const Json &value) { take_devices(value); });
        ask("query-status", {}, [this](const Json &value) { status_ = text_in(value, "status"); });
        ask("query-migrate", {},
            [this](const Json &value) { migration_ = text_in(value, "status"); });
    }

    /// Whose machine it is, by the addresses that its NICs were made with: those in use are the
    /// guest's to change.
    void ask_addresses(const std::string &path, const Json &list) {
        if (!list.is_array()) return;
        for (const Json &device : list) {
            if (!text_in(device, "type").starts_with("child<")) continue;
            check("qom-get", {{"path", path + "/" + text_in(device, "name")}, {"property", "mac"}},
                  [this](const Json &mac) {
                      if (!mac.is_string()) return;
                      nics_++;
                      own_nics_ += Mac::parse(mac.get<std::string>()) == nic_;
                  });
        }
    }
    bool is_foreign() const { return !checks_ && nics_ && !own_nics_; }

    void take_devices(const Json &list) {
        if (changing_ || !list.is_array()) return; // what runs says it itself
        state_.plugged = std::ranges::any_of(
            list, [&](const Json &device) { return text_in(device, "name") == id_; });
        if (!*state_.plugged) state_.since.reset();
    }

    void take_event(const std::string &event, const Json &data) {
        if (event == "DEVICE_DELETED" && text_in(data, "device") == id_) {
            take_deleted();
        } else if (event == "DEVICE_UNPLUG_GUEST_ERROR" && text_in(data, "device") == id_) {
            refuse("the guest refuses to release it");
        } else if (event == "RESET" && !is_foreign()) {
            if (own_resets_)
                own_resets_--;
            else
                reset_ = true;
            // What was being unplugged may be out, and DEVICE_DELETED still to come.
            state_.plugged.reset();
            state_.since.reset();
            try_at_ = Instant{0};
            look();
        } else if (event == "MIGRATION") {
            migration_ = text_in(data, "status");
            look();
        } else if (event == "STOP" || event == "RESUME") {
            look();
        }
    }

    void take_deleted() {
        // Nobody asked for it: a guest that ejects what it gets is given it less and less often.
        const bool unasked = !state_.since && !changing_;
        pause_ = unasked ? std::clamp<Instant>(2 * pause_, seconds(1), longest_pause) : Instant{0};
        try_at_ = unasked ? now_ + pause_ : Instant{0};
        state_.plugged = false;
        state_.since.reset();
        refusal_.clear();
    }

    /// A change of the device, one at a time.
    void change(const char *command, Json arguments, Instant wait, std::function<void()> done) {
        changing_ = true;
        client_.execute(
            command, std::move(arguments),
            [this, command, done = std::move(done)](const Json *value, const std::string &error) {
                changing_ = false;
                if (value || is_under_way(error)) {
                    refusal_.clear();
                    done();
                } else {
                    refuse(fmt::format("{}: {}", command, error));
                }
                if (client_.ready()) look();
            },
            now_, wait);
    }

    void refuse(std::string why) {
        refusal_ = std::move(why);
        try_at_ = now_ + refused_gap;
        state_.since.reset();
    }

    /// Of whose machine it is: a refusal is an answer.
    template <typename Take>
    void check(const char *command, Json arguments, Take take) {
        checks_++;
        client_.execute(
            command, std::move(arguments),
            [this, take](const Json *value, const std::string &) {
                if (value) take(*value);
                checks_--;
            },
            now_);
    }

    template <typename Take>
    void ask(const char *command, Json arguments, Take take) {
        client_.execute(
            command, std::move(arguments),
            [take](const Json *value, const std::string &) {
                if (value) take(*value);
            },
            now_);
    }

    /// What is known now.
    void tell() {
        if (!client_.ready() && state_.plugged) begin_unknown();
        if (is_foreign()) state_.plugged.reset();
        state_.migrating = migration_ && is_migrating(*migration_);
        state_.elsewhere = status_ && is_elsewhere(*status_);
        const bool known = state_.plugged && status_ && migration_ && !checks_;
        state_.ready =
            client_.ready() && known && !is_foreign() && !state_.migrating && !state_.elsewhere;
        state_.problem = client_.problem();
        if (is_foreign())
            state_.problem = fmt::format("the monitor is of a machine without a NIC {}; mend "
                                         "`monitor` in the configuration",
                                         nic_.text());
        else if (state_.problem.empty() && !refusal_.empty())
            state_.problem = fmt::format("{}; it is tried again each second", refusal_);
    }

    const Json device_;
    const std::string id_;
    const Mac nic_;
    QmpClient client_;
    Instant now_{0}, look_at_{0}, try_at_{0};
    Instant pause_{0}; ///< before the next plug
    bool changing_ = false, reset_ = false, events_granted_ = false;
    unsigned checks_ = 0;              ///< that are not answered yet
    unsigned nics_ = 0, own_nics_ = 0; ///< whose configured addresses are known; with the guest's
    unsigned own_resets_ = 0;          ///< ordered, and not seen yet
    std::optional<std::string> status_, migration_;
    std::string refusal_;
};

} // namespace

std::unique_ptr<Monitor> monitor_by_qmp(const std::string &path, const std::string &device,
                                        const Mac &nic) {
    return std::make_unique<QmpMonitor>(path, device, nic);
}

} // namespace hitless
