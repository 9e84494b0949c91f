// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/netns/netns.hpp"

#include <initializer_list>
#include <prometheus/text_serializer.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hitless::cli {

struct Label {
    std::string_view name, value;
};
using Labels = std::initializer_list<Label>;

/// The metrics of one name.
class Family {
  public:
    Family(const char *name, prometheus::MetricType type, const char *help) {
        family_.name = name;
        family_.type = type;
        family_.help = help;
    }

    void add(Labels labels, double value) {
        prometheus::ClientMetric &metric = fresh(labels);
        (family_.type == prometheus::MetricType::Counter ? metric.counter.value
                                                         : metric.gauge.value) = value;
    }

    /// What is not greater than each of the bounds, and all of it.
    void add(Labels labels, std::span<const double> bounds, std::span<const uint64_t> within,
             uint64_t count, double sum) {
        prometheus::ClientMetric &metric = fresh(labels);
        metric.histogram.sample_count = count;
        metric.histogram.sample_sum = sum;
        for (size_t i = 0; i < bounds.size(); i++)
            metric.histogram.bucket.push_back({within[i], bounds[i]});
    }

    /// Into the list, unless there is nothing to tell.
    void into(std::vector<prometheus::MetricFamily> &all) {
        if (!family_.metric.empty()) all.push_back(std::move(family_));
    }

  private:
    prometheus::ClientMetric &fresh(Labels labels) {
        prometheus::ClientMetric &metric = family_.metric.emplace_back();
        metric.label.push_back({"netns", netns_});
        for (const Label &label : labels)
            metric.label.push_back({std::string(label.name), std::string(label.value)});
        return metric;
    }

    prometheus::MetricFamily family_;
    // Two namespaces may each have an eth0: without it their series are one. A cookie is never
    // used again, a name may be.
    const std::string netns_ = std::to_string(netns_cookie());
};

} // namespace hitless::cli
