// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/outcome.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>

namespace hitless::cli::demo {
namespace {

constexpr double width = 1280, height = 650;
constexpr double left = 78, right = width - 24;
constexpr double panel_height = 170;
constexpr double up_top = 160, flips_top = up_top + panel_height + 12, flips_height = 22;
constexpr double down_top = flips_top + flips_height + 12, bottom = down_top + panel_height;
constexpr std::size_t most_points = 1200; // about one a pixel

constexpr auto head =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="#333">
<style>
.primary {{ fill: #3b78b8 }} .standby {{ fill: #eda23c }}
.to-primary {{ stroke: #17406b }} .to-standby {{ stroke: #a0560a }}
.grid {{ stroke: #d9d9d4; stroke-width: 1 }} .event {{ stroke: #555; stroke-width: 1; stroke-dasharray: 2 3 }}
.small {{ font-size: 11px }} .quiet {{ fill: #666 }}
</style>
<rect width="{0}" height="{1}" fill="#fdfdfb"/>
)";

/// Neighbours averaged until there is about one sample a pixel.
std::vector<Sample> thinned(const std::vector<Sample> &samples) {
    const std::size_t group = samples.size() / most_points + 1;
    std::vector<Sample> out;
    for (std::size_t i = 0; i + group <= samples.size(); i += group) {
        Sample mean{.time_ns = samples[i + group - 1].time_ns};
        const auto share = 1 / static_cast<double>(group);
        for (std::size_t k = i; k < i + group; ++k) {
            mean.up_primary += share * samples[k].up_primary;
            mean.up_standby += share * samples[k].up_standby;
            mean.down_primary += share * samples[k].down_primary;
            mean.down_standby += share * samples[k].down_standby;
        }
        out.push_back(mean);
    }
    return out;
}

/// 1, 2 or 5 times a power of ten, so that about `count` of them make up `range`.
double nice_step(double range, double count) {
    const double power = std::pow(10, std::floor(std::log10(range / count)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (range / (factor * power) <= count) return factor * power;
    return 10 * power;
}

class Picture {
  public:
    explicit Picture(const Report &report)
        : report_(report), samples_(thinned(report.timeline.samples)) {
        std::vector<double> sums{1};
        for (const Sample &s : samples_)
            sums.push_back(std::max(s.up_primary + s.up_standby, s.down_primary + s.down_standby));
        const auto usual = sums.begin() + static_cast<std::ptrdiff_t>(sums.size() / 2);
        std::nth_element(sums.begin(), usual, sums.end());
        most_ = 1.5 * std::max(*usual, 1.0); // bursts after a pause of the machine are cut off
    }

    std::string draw() {
        put(head, width, height);
        title();
        planned_bands();
        panel(up_top, "guest → far host", &Sample::up_primary, &Sample::up_standby);
        panel(down_top, "far host → guest", &Sample::down_primary, &Sample::down_standby);
        time_axis();
        flips();
        events();
        legend();
        put("</svg>\n");
        return std::move(out_);
    }

  private:
    template <class... Args>
    void put(fmt::format_string<Args...> format, Args &&...args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    }

    double seconds(std::uint64_t ns) const {
        return (static_cast<double>(ns) - static_cast<double>(report_.start_ns)) / 1e9;
    }
    double length() const { return std::max(seconds(report_.end_ns), 0.1); }
    double x_at(double s) const {
        return left + (right - left) * std::clamp(s / length(), 0.0, 1.0);
    }
    double x(std::uint64_t ns) const { return x_at(seconds(ns)); }
    double y(double top, double frames) const {
        return top + panel_height * (1 - std::clamp(frames / most_, 0.0, 1.0));
    }

    void title() {
        put("<text x=\"{}\" y=\"26\" font-size=\"17\">Frames per 10 ms on each path, through the "
            "whole life of a pair</text>\n<text x=\"{}\" y=\"45\" class=\"quiet\">{}</text>\n",
            left, left, report_.setting);
    }

    /// From `low` to `low + high`, as a filled shape.
    void area(double top, const char *path, auto low, auto high) {
        put("<path class=\"{}\" d=\"M", path);
        for (const Sample &s : samples_)
            put("{:.1f} {:.1f}L", x(s.time_ns), y(top, low(s) + high(s)));
        for (auto s = samples_.rbegin(); s != samples_.rend(); ++s)
            put("{}{:.1f} {:.1f}", s == samples_.rbegin() ? "" : "L", x(s->time_ns),
                y(top, low(*s)));
        put("Z\"/>\n");
    }

    void panel(double top, const char *direction, double Sample::*primary,
               double Sample::*standby) {
        const double step = nice_step(most_, 5);
        for (int line = 0; line * step <= most_; line++) {
            const double frames = line * step;
            put("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
                "<text class=\"small\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g}</text>\n",
                left, right, y(top, frames), left - 7, y(top, frames) + 4, frames);
        }
        area(
            top, "primary", [](const Sample &) { return 0.0; },
            [=](const Sample &s) { return s.*primary; });
        area(
            top, "standby", [=](const Sample &s) { return s.*primary; },
            [=](const Sample &s) { return s.*standby; });
        const double middle = top + panel_height / 2;
        put("<text transform=\"rotate(-90 20 {0})\" x=\"20\" y=\"{0}\" text-anchor=\"middle\">{1}"
            "</text><text class=\"small quiet\" transform=\"rotate(-90 36 {0})\" x=\"36\" "
            "y=\"{0}\" "
            "text-anchor=\"middle\">frames per 10 ms</text>\n",
            middle, direction);
    }

    void time_axis() {
        const double step = nice_step(length(), 12);
        for (int mark = 0; mark * step <= length(); mark++) {
            const double s = mark * step;
            put("<line stroke=\"#888\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
                "<text class=\"small\" x=\"{0:.1f}\" y=\"{3}\" "
                "text-anchor=\"middle\">{4:g}</text>\n",
                x_at(s), bottom, bottom + 5, bottom + 19, s);
        }
        put("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">seconds</text>\n", (left + right) / 2,
            bottom + 38);
    }

    bool planned(std::uint64_t ns) const {
        return std::ranges::any_of(report_.rows, [&](const Row &row) {
            return row.flips != 0 && row.at_ns <= ns && ns <= row.end_ns;
        });
    }

    void planned_bands() {
        for (const Row &row : report_.rows)
            if (row.flips != 0)
                put("<rect x=\"{0:.1f}\" width=\"{1:.1f}\" y=\"{2}\" height=\"{3}\" "
                    "fill=\"#e9eef4\"/>\n",
                    x(row.at_ns), x(row.end_ns) - x(row.at_ns), up_top, bottom - up_top);
    }

    void flips() {
        put("<text class=\"small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">flips</text>\n", left - 7,
            flips_top + flips_height / 2 + 4);
        for (const FlipMark &flip : report_.timeline.flips) {
            // A thousand lines through the panels would hide what they are about.
            const bool dense = planned(flip.time_ns);
            put("<line class=\"{}\" stroke-width=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{}\" "
                "y2=\"{}\"/>\n",
                flip.to_primary ? "to-primary" : "to-standby", dense ? 0.4 : 1.6, x(flip.time_ns),
                x(flip.time_ns), dense ? flips_top : up_top,
                dense ? flips_top + flips_height : bottom);
        }
    }

    void events() {
        for (const Row &row : report_.rows) {
            const double at = x(row.at_ns);
            put("<line class=\"event\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
                "<text transform=\"translate({3:.1f} {4}) rotate(-38)\">{5}{6}</text>\n",
                at, up_top - 8, bottom, at + 2, up_top - 12, row.event,
                row.flips ? fmt::format(" ×{}", row.flips) : "");
        }
    }

    void legend() {
        constexpr double at = height - 18;
        const auto box = [&](double from, const char *path) {
            put("<rect class=\"{0}\" x=\"{1}\" y=\"{2}\" width=\"14\" height=\"11\"/>"
                "<text x=\"{3}\" y=\"{4}\">{0}</text>\n",
                path, from, at - 10, from + 20, at);
        };
        const auto line = [&](double from, const char *style, const char *what) {
            put("<line class=\"{}\" stroke-width=\"1.6\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>"
                "<text x=\"{}\" y=\"{}\">{}</text>\n",
                style, from, from, at - 12, at + 2, from + 8, at, what);
        };
        box(left, "primary");
        box(left + 90, "standby");
        line(left + 200, "to-primary", "flip to the primary");
        line(left + 360, "to-standby", "flip to the standby");
        line(left + 520, "event", "event");
    }

    const Report &report_;
    std::vector<Sample> samples_;
    double most_ = 1;
    std::string out_;
};

} // namespace

std::string svg(const Report &report) {
    return Picture(report).draw();
}

} // namespace hitless::cli::demo
