// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/product.hpp"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

namespace hitless::selftest {

std::string hitless_binary() {
    if (const char *given = getenv("HITLESS")) return given;
    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "hitless";
    return std::filesystem::exists(beside) ? beside.string() : "hitless";
}

testbed::Outcome hitless_cli(const testbed::Netns &ns, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {hitless_binary(), "-n", ns.name()});
    return testbed::run(arguments);
}

std::string PrivateState::dir() {
    return fmt::format("/run/hitless-selftest-{}", getpid());
}

PrivateState::PrivateState() {
    std::filesystem::create_directory(dir());
    setenv("HITLESS_STATE_DIR", dir().c_str(), 1);
}

PrivateState::~PrivateState() {
    umount2((dir() + "/bpf").c_str(), MNT_DETACH); // what a failed test left pinned goes with it
    std::error_code ignored;
    std::filesystem::remove_all(dir(), ignored);
}

} // namespace hitless::selftest
