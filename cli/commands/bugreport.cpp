// SPDX-License-Identifier: BSD-2-Clause
//
// One archive with what a bug report needs. It never fails for want of a part: what could not be
// had says so in its place. Left out on purpose: the kernel's command line, environments, routes,
// sockets, host names; addresses are renamed unless asked for.
#include "cli/command.hpp"
#include "cli/output/json.hpp"
#include "cli/report/redact.hpp"
#include "cli/report/tar.hpp"
#include "loader/api.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fmt/chrono.h>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <sys/utsname.h>

namespace hitless::cli {
namespace {

struct Options {
    std::string output;
    std::string config = "/etc/hitless";
    bool keep_addresses = false;
};

/// Programs that show the neighbourhood. Each is given five seconds.
constexpr struct {
    const char *file, *command;
} looks[] = {
    {"links.json", "ip -d -s -j link"},
    {"addresses.json", "ip -j addr"},
    {"qdiscs.txt", "tc -s qdisc"},
    {"bpf-net.txt", "bpftool net"},
    {"bpf-programs.json", "bpftool -j prog"},
    {"drivers.txt",
     "for i in /sys/class/net/*; do echo \"# ${i##*/}\"; ethtool -i \"${i##*/}\"; done"},
    {"pci.txt", "lspci -nnk"},
    {"journal.txt", "journalctl --no-hostname -o short-monotonic -b -n 2000 -u 'hitless*'"},
    {"kernel-log.txt", "journalctl --no-hostname -o short-monotonic -b -k -n 500"},
    {"service.txt",
     "systemctl --no-pager show 'hitless*' -p Id,ActiveState,SubState,Result,NRestarts"},
    {"settings.txt", "sysctl kernel.unprivileged_bpf_disabled net.core.bpf_jit_enable; "
                     "cat /sys/kernel/security/lockdown"},
    {"system.txt", "cat /etc/os-release"},
};

std::string quoted(std::string text) {
    for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
        text.replace(at, 1, "'\\''");
    return "'" + text + "'";
}

std::string output_of(const std::string &command) {
    std::string line = fmt::format("timeout 5 sh -c {} </dev/null 2>&1", quoted(command));
    std::unique_ptr<FILE, int (*)(FILE *)> pipe(popen(line.c_str(), "re"), pclose);
    if (!pipe) return fmt::format("(not run: {})\n", strerror(errno));
    std::string out;
    char buffer[4096];
    while (size_t size = fread(buffer, 1, sizeof(buffer), pipe.get()))
        out.append(buffer, size);
    return out;
}

template <typename Make>
std::string json_text(Make make) {
    try {
        return to_text(make()) + "\n";
    } catch (const Error &error) {
        return to_text({{"error", error.what()}}) + "\n";
    }
}

template <typename List>
nlohmann::ordered_json listed(const char *name, const List &items) {
    auto list = nlohmann::ordered_json::array();
    for (const auto &item : items)
        list.push_back(to_json(item));
    return {{"version", json_version}, {name, list}};
}

std::string summary(const Options &options) {
    utsname system{};
    uname(&system);
    return fmt::format("hitless {}\n{} {} {} {}\naddresses: {}\n", version(), system.sysname,
                       system.release, system.version, system.machine,
                       options.keep_addresses ? "kept" : "renamed (mac-1, ip-1)");
}

class Report {
  public:
    explicit Report(const Options &options) : options_(options), now_(std::time(nullptr)) {
        name_ = fmt::format("hitless-report-{:%Y%m%dT%H%M%SZ}", fmt::gmtime(now_));
    }

    const std::string &name() const { return name_; }

    void add(const std::string &file, const std::string &text) {
        tar_.add(name_ + "/" + file, options_.keep_addresses ? text : redact_(text), now_);
    }

    std::string finish() && { return std::move(tar_).finish(); }

  private:
    const Options &options_;
    std::time_t now_;
    std::string name_;
    Tar tar_;
    Redactor redact_;
};

void add_config(Report &report, const std::string &directory) {
    std::error_code ignored;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(directory, ignored)) {
        if (!entry.is_regular_file(ignored) || entry.path().extension() != ".toml") continue;
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        report.add("config/" + entry.path().filename().string(), text.str());
    }
}

void write_file(const std::string &path, const std::string &bytes) {
    // Never over another file, never readable for others.
    Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) throw Error(errno, fmt::format("create {}", path), "name another with --output");
    for (size_t done = 0; done < bytes.size();) {
        ssize_t size = write(fd.get(), bytes.data() + done, bytes.size() - done);
        if (size < 0) throw Error(errno, fmt::format("write {}", path));
        done += static_cast<size_t>(size);
    }
}

int collect(const Options &options, Env &env) {
    Report report(options);
    report.add("summary.txt", summary(options));
    report.add("status.json", json_text([] { return listed("pairs", status()); }));
    report.add("doctor.json", json_text([] { return listed("findings", examine_machine()); }));
    report.add("events.json", json_text([] { return listed("events", FlipReader().read()); }));
    for (const auto &look : looks)
        report.add(look.file, without_command_line(output_of(look.command)));
    add_config(report, options.config);
    std::string path = options.output.empty() ? report.name() + ".tar" : options.output;
    std::string bytes = std::move(report).finish();
    if (path == "-") {
        std::cout << bytes << std::flush; // no text
        return exit_ok;
    }
    write_file(path, bytes);
    env.out << fmt::format("{}: look through it before you send it\n", path);
    return exit_ok;
}

} // namespace

Run setup_bugreport(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("-o,--output", options->output,
                   "where to write; - is standard output; without it hitless-report-TIME.tar here")
        ->type_name("FILE");
    app.add_option("--config", options->config, "where the controller's configuration lies")
        ->capture_default_str()
        ->type_name("DIR");
    app.add_flag("--keep-addresses", options->keep_addresses,
                 "leave MAC and IP addresses as they are");
    return [options](Env &env) { return collect(*options, env); };
}

} // namespace hitless::cli
