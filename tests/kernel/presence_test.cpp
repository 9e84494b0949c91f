// SPDX-License-Identifier: BSD-2-Clause
//
// Whether a device's slot answers, against a sysfs of the test's own making.
#include "loader/kernel/nic/hardware.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hitless::test {
namespace {

namespace fs = std::filesystem;

constexpr auto devices = "/sys/bus/pci/devices";

/// Makes a device whose configuration space starts with these bytes. In a mount namespace of its
/// own.
void make_device(const std::string &address, const std::string &vendor) {
    fs::create_directories(fs::path(devices) / address);
    std::ofstream(fs::path(devices) / address / "config", std::ios::binary) << vendor;
}

/// Runs a look in a child whose /sys/bus/pci/devices is empty. The child's exit code.
template <typename Look>
int with_own_devices(Look look) {
    pid_t child = fork();
    if (child == 0) {
        bool own = unshare(CLONE_NEWNS) == 0 &&
                   mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   mount("none", devices, "tmpfs", 0, nullptr) == 0;
        _exit(own ? (look() ? 0 : 1) : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

TEST(Presence, AVirtualFunctionBesideItsPhysicalOneHasNoVendor) {
    if (geteuid() != 0 || !fs::exists(devices)) GTEST_SKIP() << "needs root, and PCI";
    EXPECT_EQ(with_own_devices([] {
                  make_device("0000:00:04.0", "\x86\x80");
                  return answers_on_bus("pci/0000:00:04.0");
              }),
              0);
    EXPECT_EQ(with_own_devices([] {
                  make_device("0000:00:04.0", "\xff\xff");
                  return answers_on_bus("pci/0000:00:04.0");
              }),
              1)
        << "an empty slot reads all ones";
    EXPECT_EQ(with_own_devices([] {
                  make_device("0000:00:10.0", "\xff\xff");
                  fs::create_directory_symlink("../0000:00:00.0",
                                               fs::path(devices) / "0000:00:10.0" / "physfn");
                  make_device("0000:00:00.0", "\x86\x80");
                  return answers_on_bus("pci/0000:00:10.0");
              }),
              0)
        << "this is how every virtual function reads where the machine owns the physical one";
}

} // namespace
} // namespace hitless::test
