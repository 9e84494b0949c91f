// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/host_bed.hpp"

#include "selftests/pins.hpp"

#include "loader/api.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char **environ;

namespace hitless::selftest {
namespace {

Fd connect_to_host() {
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = PrivateState::dir() + "/host-control";
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    if (connect(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0)
        return Fd();
    const timeval patience{30, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

} // namespace

HostDaemon::HostDaemon(const Netns &ns, const std::string &config) {
    std::vector<std::string> words{hitless_binary(), "-n",  ns.name(), "host", "run",
                                   "--config",       config};
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    const std::string log = PrivateState::dir() + "/host.log";
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    const int error = posix_spawnp(&pid_, arguments[0], &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (error) throw Error(error, "start the host's daemon");
}

HostDaemon::~HostDaemon() {
    if (pid_) kill();
}

void HostDaemon::kill() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, __WALL) > 0 && !WIFEXITED(status) && !WIFSIGNALED(status))
        continue;
    pid_ = 0;
}

Json ask_host(const std::string &method, const Json &parameters) {
    const Fd fd = connect_to_host();
    std::string text = Json{{"method", "io.hitless.Host." + method}, {"parameters", parameters}}
                           .dump() +
                       '\0',
                reply;
    if (!fd || send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return nullptr;
    char buffer[16384];
    while (reply.empty() || reply.back() != '\0') {
        const ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
        if (size <= 0) return nullptr;
        reply.append(buffer, static_cast<size_t>(size));
    }
    reply.pop_back();
    return Json::parse(reply);
}

HostBed::HostBed(const Setting &with, bool real, const std::vector<std::string> &attach)
    : pair_(with), real_(real) {
    const bool by_xdp = std::ranges::count(attach, "xdp") != 0;
    if (by_xdp) pair_.bed().finish_frames();
    pair_.attach(attach);
    if (by_xdp) pair_.move_addresses();
    config_ = PrivateState::dir() + "/host.toml";
    std::ofstream(config_) << fmt::format(
        "[[guest]]\nname = \"{}\"\nmac = \"{}\"\nstandby = \"sw-standby\"\n"
        "primary = {{ port = \"sw-primary\" }}\nbypass = \"allow\"\n", // filters lose frames
        guest_name, Testbed::mac);
    if (real_)
        pair_.start_controller();
    else
        speak();
}

void HostBed::silence(bool on) {
    mute_ = on;
    if (real_) pair_.controller().signal(on ? SIGSTOP : SIGCONT);
}

void HostBed::speak() {
    const Netns &ns = pair_.guest();
    speaker_ = std::jthread([this, &ns](const std::stop_token &stop) {
        const NetnsGuard inside(ns);
        test::SmallGuest guest(PacketSocket("standby", HL_CHANNEL_ETHERTYPE),
                               *Mac::parse(Testbed::mac));
        guest.primary = GuestPrimary::ready;
        guest.on_veto = [](bool veto) {
            switch_path("standby", veto ? Target::standby : Target::automatic);
        };
        while (!stop.stop_requested()) {
            guest.silent = mute_;
            guest.process();
            pace(now_ns() + 500'000);
        }
    });
}

/// What the daemon pins outlives it; tests of this process that come next count what is pinned.
HostBed::~HostBed() {
    speaker_.request_stop();
    host_.reset();
    std::error_code none;
    for (const auto &entry : std::filesystem::directory_iterator(bpffs(), none))
        if (entry.path().filename().string().starts_with("host-"))
            std::filesystem::remove_all(entry.path(), none);
}

void HostBed::start_host() {
    host_ = std::make_unique<HostDaemon>(pair_.bed().switch_ns(), config_);
    if (!until([] { return ask_host("Status").is_object(); }))
        throw Error(ETIMEDOUT, "start the host's daemon", "it does not answer", "");
}

void HostBed::describe(const std::string &guest) const {
    std::ofstream(config_, std::ios::app) << guest;
}

bool HostBed::request(bool give, const std::string &guest) const {
    Json reply;
    return until([&] { // it takes so many a second
               reply = ask_host(give ? "Give" : "Take", {{"guest", guest}});
               return !reply.is_object() || reply.value("error", "") != "io.hitless.Host.TooMany";
           }) &&
           reply.is_object() && !reply.contains("error");
}

Json HostBed::guest(const std::string &guest) const {
    const Json reply = ask_host("Status", {{"guest", guest}});
    return reply.is_object() && reply.contains("parameters") ? reply["parameters"]["guests"][0]
                                                             : Json();
}

bool HostBed::settled(bool give, const std::string &name) const {
    const Json guest = this->guest(name);
    return guest.is_object() && guest["want"] == (give ? "primary" : "standby") &&
           guest["as_requested"] == true && guest["guest"].is_object() &&
           guest["guest"]["primary"] == (give ? "in-use" : "left");
}

} // namespace hitless::selftest
