// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/host_metrics.hpp"
#include "cli/observe/family.hpp"

#include <sstream>

namespace hitless::cli {

using prometheus::MetricFamily;
using prometheus::MetricType;

std::string host_metrics_text(const std::vector<GuestStatus> &guests, const HostCounts &counts) {
    std::vector<MetricFamily> all;
    Family build("hitless_build_info", MetricType::Gauge, "1; the labels say what runs");
    build.add({{"version", HITLESS_VERSION}}, 1);
    Family requested("hitless_host_as_requested", MetricType::Gauge,
                     "1: the guest has its primary or has it not, as was requested");
    Family problems("hitless_host_problems", MetricType::Gauge,
                    "What is in the way; `hitless host status` says it in words");
    Family downlink("hitless_host_downlink", MetricType::Gauge,
                    "1: the host delivers by this path, as it was read back");
    Family heard("hitless_host_guest_able", MetricType::Gauge,
                 "1: the guest says that it would use a primary");
    Family messages("hitless_host_messages_total", MetricType::Counter,
                    "Frames of the channel on the tap, by what became of them");
    Family moves("hitless_host_moves_total", MetricType::Counter,
                 "Gives, takes and fallbacks that came to an end");
    for (const GuestStatus &guest : guests) {
        const std::string &name = guest.spec.name;
        requested.add({{"guest", name}}, guest.as_requested());
        problems.add({{"guest", name}}, static_cast<double>(guest.problems.size()));
        for (DataPath path : {DataPath::standby, DataPath::primary})
            downlink.add({{"guest", name}, {"path", hitless::name(path)}}, guest.downlink == path);
        heard.add({{"guest", name}}, guest.said && guest.said->able);
        messages.add({{"guest", name}, {"fate", "sent"}}, static_cast<double>(guest.sent));
#define X(constant, text, meaning)                                                                 \
    messages.add({{"guest", name}, {"fate", text}},                                                \
                 static_cast<double>(guest.counts.counts[HL_TAP_COUNT_##constant]));
        HL_TAP_COUNT_LIST(X)
#undef X
    }
    for (const auto &[guest, kinds] : counts)
        for (const auto &[kind, count] : kinds)
            moves.add({{"guest", guest}, {"kind", name(kind)}}, static_cast<double>(count));
    for (Family *family : {&build, &requested, &problems, &downlink, &heard, &messages, &moves})
        family->into(all);
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, all);
    return text.str();
}

} // namespace hitless::cli
