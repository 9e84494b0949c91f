// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/bed.hpp"

#include "loader/core/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <net/if.h>
#include <sched.h>

namespace hitless::test {
namespace {

void write_sysctl(const char *path, const char *value) {
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "w"), fclose);
    if (!file || fputs(value, file.get()) < 0) throw Error(errno, fmt::format("write {}", path));
}

} // namespace

Netns Netns::current() {
    Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) throw Error(errno, "open the own network namespace");
    return Netns(std::move(fd));
}

Netns Netns::make() {
    Netns home = current();
    if (unshare(CLONE_NEWNET) < 0) throw Error(errno, "make a network namespace", "run as root");
    Netns made = current();
    home.enter();
    return made;
}

std::string Netns::path() const {
    return fmt::format("/proc/{}/fd/{}", getpid(), fd_.get());
}

void Netns::enter() const {
    if (setns(fd_.get(), CLONE_NEWNET) < 0) throw Error(errno, "enter a network namespace");
}

void ip(const std::string &arguments) {
    std::string command = "ip " + arguments;
    if (system(command.c_str()) != 0) throw Error(EINVAL, command); // NOLINT(cert-env33-c)
}

void ip_batch(const std::string &script) {
    std::unique_ptr<FILE, int (*)(FILE *)> pipe(popen("ip -batch -", "w"), pclose);
    if (!pipe) throw Error(errno, "run ip -batch");
    fputs(script.c_str(), pipe.get());
    if (pclose(pipe.release()) != 0) throw Error(EINVAL, "ip -batch:\n" + script);
}

uint32_t ifindex_of(const std::string &ifname) {
    uint32_t index = if_nametoindex(ifname.c_str());
    if (!index) throw Error(errno, "find " + ifname);
    return index;
}

Bed::Bed() : before_(Netns::current()) {
    Netns::make().enter();
    write_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"); // no frames but ours
    ip_batch("link add sby address 02:00:00:00:00:01 type veth peer name sby_far\n"
             "link add pri address 02:00:00:00:00:01 type veth peer name pri_far\n"
             "link set sby up\nlink set sby_far up\nlink set pri up\nlink set pri_far up\n");
    primary = ifindex_of("pri");
    standby = ifindex_of("sby");
}

Bed::~Bed() {
    before_.enter();
}

} // namespace hitless::test
