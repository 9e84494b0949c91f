// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/metrics.hpp"
#include "cli/observe/family.hpp"
#include "loader/core/names.hpp"

#include <sstream>

namespace hitless::cli {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

void add_frames(const std::vector<PairStatus> &pairs, std::vector<MetricFamily> &all) {
    Family frames("hitless_path_frames_total", MetricType::Counter,
                  "Frames as the guest's stack sees them, by the path that they took");
    Family dropped(
        "hitless_frames_dropped_total", MetricType::Counter,
        "Frames that were dropped: second copies, echoes, and what had no device to leave by");
    Family lost("hitless_frames_lost_total", MetricType::Counter,
                "Frames that a NIC was given and did not send, as the kernel counts them");
    for (const PairStatus &pair : pairs) {
        const __u64 *count = pair.counters.frames;
        auto sent = [&](std::string_view path, std::string_view direction, hl_counter which) {
            frames.add({{"pair", pair.name}, {"path", path}, {"direction", direction}},
                       static_cast<double>(count[which]));
        };
        sent("primary", "tx", HL_COUNT_TX_PRIMARY);
        sent("standby", "tx", HL_COUNT_TX_STANDBY);
        sent("primary", "rx", HL_COUNT_RX_PRIMARY);
        sent("standby", "rx", HL_COUNT_RX_STANDBY);
        for (auto [reason, which] :
             {std::pair("twin", HL_COUNT_DROP_TWIN), std::pair("echo", HL_COUNT_DROP_ECHO),
              std::pair("no_device", HL_COUNT_DROP_NO_DEVICE)})
            dropped.add({{"pair", pair.name}, {"reason", reason}},
                        static_cast<double>(count[which]));
        for (const auto &[path, nic] :
             {std::pair("primary", &pair.primary), std::pair("standby", &pair.standby)})
            if (nic->present)
                lost.add({{"pair", pair.name}, {"path", path}},
                         static_cast<double>(nic->tx_dropped));
    }
    frames.into(all);
    dropped.into(all);
    lost.into(all);
}

void add_state(const std::vector<PairStatus> &pairs, std::vector<MetricFamily> &all) {
    Family healthy("hitless_pair_healthy", MetricType::Gauge,
                   "1: the primary is used or was decided against, and nothing is broken");
    Family problems("hitless_pair_problems", MetricType::Gauge,
                    "What is broken; `hitless status` says it in words");
    Family active("hitless_path_active", MetricType::Gauge, "1: the next frame takes this path");
    Family works("hitless_path_up", MetricType::Gauge,
                 "1: the path's NIC is there, up and has carrier");
    Family veto("hitless_veto", MetricType::Gauge,
                "1: this reason not to use the primary is in force");
    Family flips("hitless_flips_total", MetricType::Counter, "Changes of the path of new frames");
    for (const PairStatus &pair : pairs) {
        healthy.add({{"pair", pair.name}}, pair.healthy());
        problems.add({{"pair", pair.name}}, static_cast<double>(pair.problems.size()));
        for (bool primary : {true, false}) {
            const NicStatus &nic = primary ? pair.primary : pair.standby;
            std::string_view path = path_name(primary);
            active.add({{"pair", pair.name}, {"path", path}}, primary == pair.primary_active);
            works.add({{"pair", pair.name}, {"path", path}}, nic.present && nic.up && nic.carrier);
        }
        for (const VetoReason &reason : veto_reasons)
            veto.add({{"pair", pair.name}, {"reason", reason.name}}, (pair.veto & reason.bit) != 0);
        flips.add({{"pair", pair.name}}, static_cast<double>(pair.flips));
    }
    for (Family *family : {&healthy, &problems, &active, &works, &veto, &flips})
        family->into(all);
}

void add_hosts(const std::vector<PairStatus> &pairs, std::vector<MetricFamily> &all) {
    Family speaks("hitless_channel_host_speaks", MetricType::Gauge,
                  "1: the host's word holds; 0: it spoke once and fell silent");
    Family wanted("hitless_channel_wanted", MetricType::Gauge,
                  "1: the host wants the guest to send by this path");
    Family downlink("hitless_channel_downlink", MetricType::Gauge,
                    "1: the host says that it delivers by this path");
    Family messages("hitless_channel_messages_total", MetricType::Counter,
                    "Messages between guest and host, by what became of them");
    for (const PairStatus &pair : pairs) {
        if (!pair.host) continue;
        const HostStatus &host = *pair.host;
        speaks.add({{"pair", pair.name}}, host.speaks);
        for (DataPath path : {DataPath::standby, DataPath::primary}) {
            wanted.add({{"pair", pair.name}, {"path", name(path)}},
                       host.speaks && host.want == path);
            downlink.add({{"pair", pair.name}, {"path", name(path)}},
                         host.speaks && host.downlink == path);
        }
        for (auto [fate, count] :
             {std::pair("heard", host.heard), std::pair("ignored", host.ignored),
              std::pair("sent", host.sent)})
            messages.add({{"pair", pair.name}, {"fate", fate}}, static_cast<double>(count));
    }
    for (Family *family : {&speaks, &wanted, &downlink, &messages})
        family->into(all);
}

} // namespace

void FlipDurations::add(const std::string &pair, double seconds) {
    Histogram &histogram = pairs_[pair];
    for (size_t i = 0; i < bounds.size(); i++)
        histogram.within[i] += seconds <= bounds[i];
    histogram.flips++;
    histogram.seconds += seconds;
}

std::string metrics_text(const std::vector<PairStatus> &pairs, std::optional<int> controller,
                         const FlipDurations &durations) {
    std::vector<MetricFamily> all;
    Family build("hitless_build_info", MetricType::Gauge, "1; the labels say what runs");
    build.add({{"version", HITLESS_VERSION}}, 1);
    build.into(all);
    Family running("hitless_controller_up", MetricType::Gauge,
                   "1: this network namespace has a controller");
    running.add({}, controller.has_value());
    running.into(all);
    add_state(pairs, all);
    add_frames(pairs, all);
    add_hosts(pairs, all);
    Family took("hitless_flip_duration_seconds", MetricType::Histogram,
                "From a flip in the datapath until the controller had told the network");
    for (const auto &[pair, histogram] : durations.pairs())
        took.add({{"pair", pair}}, FlipDurations::bounds, histogram.within, histogram.flips,
                 histogram.seconds);
    took.into(all);
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, all);
    return text.str();
}

} // namespace hitless::cli
