// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/performance.hpp"
#include "cli/demo/judge.hpp"
#include "cli/demo/stage.hpp"
#include "cli/demo/story.hpp"
#include "cli/demo/witness.hpp"
#include "cli/output/json.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"
#include "testbed/until.hpp"
#include "testbed/urgent.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

namespace hitless::cli::demo {
namespace {

using namespace std::chrono_literals;

// Before an event there must be traffic to compare with; after it, time for a late frame and for
// TCP to recover (its shortest retransmission timer is 200 ms).
constexpr auto lead = 150ms, tail = 500ms;

// Senders go before other threads and send each millisecond; who keeps even them waiting that long
// keeps everybody waiting.
constexpr std::uint64_t late_ns = 5'000'000;

/// Frames that this machine or the test bed lost, not the network under test.
struct Losses {
    std::uint64_t sockets = 0, backlog = 0;

    static Losses now(Stage &stage) {
        return {stage.up().receiver().socket_drops() + stage.down().receiver().socket_drops(),
                backlog_drops()};
    }
    std::string since(const Losses &before) const {
        if (sockets > before.sockets)
            return fmt::format("{} frames found a full socket", sockets - before.sockets);
        if (backlog > before.backlog)
            return fmt::format("{} frames found a full CPU backlog", backlog - before.backlog);
        return {};
    }
};

std::string broken(const char *name, const testbed::BulkReport &tcp) {
    if (tcp.wrong_at) return fmt::format("tcp {}: wrong byte at {}", name, *tcp.wrong_at);
    if (tcp.error) return fmt::format("tcp {}: {}", name, Error(tcp.error, "keep it alive").what());
    return {};
}

class Performer {
  public:
    Performer(Stage &stage, Sampler &sampler, Progress &progress, Report &report)
        : stage_(stage), sampler_(sampler), progress_(progress), report_(report) {
        stage_.progress = [&](unsigned done, unsigned of) { progress_.step(done, of); };
    }

    /// False: the story cannot go on from here.
    bool play(const Event &event) {
        progress_.begin(event.name);
        Row row = attempt(event);
        if (!row.failures.empty() && !row.starved.empty()) {
            progress_.say(fmt::format("{}: {}, and the machine was starved ({}); once more",
                                      event.name, fmt::join(row.failures, ", "), row.starved));
            const Path back = row.before;
            event.undo(stage_);
            stage_.wait_for(back);
            row = attempt(event);
            row.retried = true;
        }
        progress_.end(row);
        for (const std::string &failure : row.failures)
            report_.failures.push_back(fmt::format("{}: {}", event.name, failure));
        report_.rows.push_back(std::move(row));
        return report_.rows.back().after == event.after;
    }

  private:
    Row attempt(const Event &event) {
        Row row;
        row.event = event.name;
        row.before = stage_.path();
        const Losses losses = Losses::now(stage_);
        const std::uint64_t up = stage_.up().mark(), down = stage_.down().mark();
        const testbed::BulkReport tcp_up = stage_.tcp_up().report();
        const testbed::BulkReport tcp_down = stage_.tcp_down().report();
        const std::uint64_t refused_before = refused();
        stage_.pause(lead);
        row.at_ns = testbed::now_ns();
        act(event, row);
        stage_.pause(tail);
        row.end_ns = testbed::now_ns();
        row.refused = refused() - std::min(refused(), refused_before);
        row.up = settled(stage_.up(), up);
        row.down = settled(stage_.down(), down);
        row.after = stage_.path();
        row.bound = bound_of(event.toll, row, stage_.spec());
        row.must_lose = event.toll == Toll::wrong;
        // The noise is measured, not judged; but it does excuse a second attempt.
        if (event.name != std::string_view(control_event)) {
            for (std::string &failure : judge(row))
                row.failures.push_back(std::move(failure));
            judge_tcp(row, "up", tcp_up, stage_.tcp_up().report());
            judge_tcp(row, "down", tcp_down, stage_.tcp_down().report());
        }
        row.starved = evidence(losses);
        return row;
    }

    std::uint64_t refused() const {
        return testbed::in_netns(stage_.home(), [] { return device_counts()["primary"].refused; });
    }

    /// A receiver that was not scheduled has its frames in its socket: they are late, not lost.
    testbed::Tally settled(const testbed::Flow &flow, std::uint64_t from) const {
        const std::uint64_t to = flow.mark();
        stage_.wait_until([&] { return flow.receiver().seen() >= to; }, 10s);
        return flow.between(from, to);
    }

    void act(const Event &event, Row &row) {
        try {
            row.proof = event.act(stage_);
            sampler_.follow(stage_.home().name());
            if (event.name == std::string_view(planned_event) ||
                event.name == std::string_view(moves_event))
                row.flips = stage_.spec().flips;
            stage_.wait_for(event.after);
        } catch (const Error &error) {
            row.failures.emplace_back(error.what());
        }
    }

    static void judge_tcp(Row &row, const char *name, const testbed::BulkReport &before,
                          const testbed::BulkReport &after) {
        std::string failure = broken(name, after);
        if (failure.empty() && after.bytes == before.bytes)
            failure = fmt::format("tcp {}: not a byte arrived", name);
        if (!failure.empty()) row.failures.push_back(std::move(failure));
    }

    std::string evidence(const Losses &before) {
        std::string seen = Losses::now(stage_).since(before);
        if (!seen.empty() || report_.rows.empty()) return seen;
        const Row &control = report_.rows.front();
        if (!control.up.hitless() || !control.down.hitless())
            return fmt::format("without any event, {} up and {} down were lost", control.up.lost,
                               control.down.lost);
        const std::uint64_t gap = std::max(control.up.longest_gap_ns, control.down.longest_gap_ns);
        if (gap < late_ns) return {};
        return fmt::format("without any event, frames came up to {} ms apart", gap / 1'000'000);
    }

    Stage &stage_;
    Sampler &sampler_;
    Progress &progress_;
    Report &report_;
};

std::string describe(const Stage &stage) {
    utsname kernel{};
    uname(&kernel);
    const std::optional<PairStatus> pair = stage.pair();
    const Spec &spec = stage.spec();
    return fmt::format("model {} by {}, {} NICs, UDP at {} frames a second each way, Linux {}{}",
                       model_name(spec.model), datapath_name(spec.datapath),
                       spec.nic == testbed::NicKind::tap ? "tap" : "veth", spec.rate,
                       kernel.release,
                       pair ? fmt::format(", liveness {}", liveness_names[pair->liveness]) : "");
}

void finish_tcp(Stage &stage, Report &report) {
    report.tcp_up = stage.tcp_up().finish();
    report.tcp_down = stage.tcp_down().finish();
    for (const auto &[name, tcp] : {std::pair("up", &report.tcp_up), {"down", &report.tcp_down}})
        if (std::string failure = broken(name, *tcp); !failure.empty())
            report.failures.push_back("end: " + failure);
}

} // namespace

Report perform(const Spec &spec, Progress &progress) {
    const Signals signals;   // first: threads and children inherit what it blocks
    testbed::run_urgently(); // whoever acts for the hypervisor and the far host must not wait
    Report report;
    progress.begin("building guest, switch and far host");
    Stage stage(spec, signals);
    Sampler sampler(stage.bed().guest());
    Performer performer(stage, sampler, progress, report);
    report.start_ns = testbed::now_ns();
    for (const Event &event : spec.host ? host_story() : story()) {
        const bool on = performer.play(event);
        if (report.setting.empty() && event.after != Path::none) report.setting = describe(stage);
        if (!on) break;
    }
    report.end_ns = testbed::now_ns();
    finish_tcp(stage, report);
    report.timeline = sampler.finish();
    progress.begin("removing everything");
    return report;
}

} // namespace hitless::cli::demo
