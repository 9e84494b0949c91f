// SPDX-License-Identifier: BSD-2-Clause
#include "tests/host/fake_qemu.hpp"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace hitless::test {

FakeQemu::FakeQemu() {
    char name[] = "/tmp/hitless-qmp-XXXXXX";
    dir_ = mkdtemp(name);
    path_ = dir_ + "/qmp";
    listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    strncpy(at.sun_path, path_.c_str(), sizeof(at.sun_path) - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr *>(&at), sizeof(at)), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
}

FakeQemu::~FakeQemu() {
    unlink(path_.c_str());
    rmdir(dir_.c_str());
}

void FakeQemu::end() {
    hang_up();
    listener_ = Fd();
}

void FakeQemu::hang_up() {
    client_ = Fd();
    input_.clear();
}

void FakeQemu::say(const std::string &bytes) {
    if (client_) send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void FakeQemu::event(const std::string &name, const Json &data) {
    say(Json{
        {"event", name}, {"data", data}, {"timestamp", {{"seconds", 1}, {"microseconds", 2}}}});
}

void FakeQemu::work() {
    if (!client_) {
        client_ = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!client_) return;
        clients++;
        if (greets) say(greeting + "\r\n");
    }
    char bytes[4096];
    for (ssize_t n = 0; (n = recv(client_.get(), bytes, sizeof(bytes), 0)) != -1;) {
        if (n == 0) return hang_up();
        input_.append(bytes, static_cast<size_t>(n));
    }
    for (size_t end = 0; (end = input_.find('\n')) != std::string::npos;) {
        Json command = Json::parse(input_.substr(0, end));
        input_.erase(0, end + 1);
        commands.push_back(command);
        if (!answers) continue;
        Answer out = Json::object();
        if (answer && command["execute"] != "qmp_capabilities") out = answer(command);
        Json reply = {{"id", command["id"]}};
        if (const std::string *error = std::get_if<std::string>(&out))
            reply["error"] = {{"class", "GenericError"}, {"desc", *error}};
        else
            reply["return"] = std::get<Json>(out);
        say(reply);
    }
}

} // namespace hitless::test
