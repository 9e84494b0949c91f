// SPDX-License-Identifier: BSD-2-Clause
//
// Whoever names NICs by their MAC alone (systemd's .link files, netplan's set-name, udev rules)
// means both NICs of a pair: the first to come gets the name, the other one an error ("File
// exists"), and the names may be swapped after the next boot.
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/inspect/findings.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace hitless {
namespace {

namespace fs = std::filesystem;

struct Folder {
    const char *path, *extension;
};
constexpr Folder folders[] = {
    {"/etc/systemd/network", ".link"},     {"/run/systemd/network", ".link"},
    {"/usr/lib/systemd/network", ".link"}, {"/lib/systemd/network", ".link"},
    {"/etc/udev/rules.d", ".rules"},       {"/run/udev/rules.d", ".rules"},
};

/// Of a line without its comment, in small letters.
std::string plain(std::string line) {
    line.resize(std::min(line.find('#'), line.size()));
    std::ranges::transform(line, line.begin(), [](unsigned char c) { return std::tolower(c); });
    return line;
}

bool has(std::string_view text, std::string_view words) {
    return text.find(words) != text.npos;
}

/// A [Match] section that has the MAC and nothing that tells one NIC of the pair from the other.
bool link_file_means_both(const std::string &path, const std::string &mac) {
    static constexpr std::string_view telling[] = {
        "driver=", "path=", "property=", "type=", "kind=", "originalname="};
    std::ifstream file(path);
    bool matching = false, by_mac = false, told = false;
    for (std::string line; std::getline(file, line);) {
        line = plain(line);
        line.erase(0, line.find_first_not_of(" \t"));
        if (line.starts_with("[")) matching = line.starts_with("[match]");
        if (!matching) continue;
        // "PermanentMACAddress=" too: both have been made with it.
        if (has(line, "macaddress=") && has(line, mac)) by_mac = true;
        told =
            told || std::ranges::any_of(telling, [&](auto key) { return line.starts_with(key); });
    }
    return by_mac && !told;
}

/// A rule with the MAC that gives a name, and no driver.
bool rules_mean_both(const std::string &path, const std::string &mac) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        line = plain(line);
        const bool any_driver = has(line, "drivers==\"?*\"");
        if (has(line, mac) && has(line, "name=\"") && (any_driver || !has(line, "driver")))
            return true;
    }
    return false;
}

/// Files that mean both NICs with this MAC.
std::vector<std::string> ambiguous(const std::string &mac) {
    std::vector<std::string> out;
    for (const Folder &folder : folders) {
        std::error_code none;
        for (const auto &entry : fs::directory_iterator(folder.path, none)) {
            const fs::path &path = entry.path();
            if (path.extension() != folder.extension) continue;
            const bool link = path.extension() == ".link";
            if (link ? link_file_means_both(path, mac) : rules_mean_both(path, mac))
                out.push_back(path);
        }
    }
    return out;
}

/// Where the file itself is written by netplan, its source is to be mended.
std::string mend(const std::string &file, const PairStatus &pair, const std::string &driver) {
    std::string by = driver.empty() ? fmt::format("OriginalName={}", pair.standby.ifname)
                                    : fmt::format("Driver={}", driver);
    if (has(file, "netplan"))
        return fmt::format("in /etc/netplan, beside `macaddress:` in `match:`, `driver: {}`; then "
                           "netplan generate",
                           driver.empty() ? "DRIVER" : driver);
    if (file.ends_with(".rules"))
        return fmt::format("in {}, DRIVERS==\"{}\" beside the MAC", file,
                           driver.empty() ? "DRIVER" : driver);
    return fmt::format("sed -i '/^\\[Match\\]/a {}' {}", by, shell_quoted(file));
}

} // namespace

void examine_names(Findings &out) {
    std::vector<PairStatus> pairs;
    try {
        pairs = status();
    } catch (const Error &) {
        return; // examine_pairs() has said it
    }
    std::vector<Link> links = Rtnl().links();
    learn_hardware(links);
    for (const PairStatus &pair : pairs) {
        auto standby = std::ranges::find(links, pair.standby.index, &Link::index);
        std::string driver = standby == links.end() || !pair.netns.empty() ? "" : standby->driver;
        for (const std::string &file : ambiguous(pair.standby.mac.text()))
            out.push_back(degraded("names",
                                   fmt::format("{} means both NICs of {} by their MAC: their names "
                                               "may be swapped at boot",
                                               file, pair.name),
                                   mend(file, pair, driver)));
    }
}

} // namespace hitless
