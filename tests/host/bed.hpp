// SPDX-License-Identifier: BSD-2-Clause
//
// A hypervisor in a namespace: a bridge with two guests' taps, a primary's port and an uplink. The
// ends that guests and the network have are in namespaces of their own. veth ends are bridge ports
// as taps and representors are.
//
//   guest1: standby -- tap1 \        / uplink -- lan :far
//           primary -- vf1  -- br0 --
//   guest2: standby -- tap2 /
#pragma once

#include "loader/host/delivery.hpp"
#include "testbed/netns.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"
#include "testbed/until.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

namespace hitless::test {

using namespace std::chrono_literals;

constexpr auto guest_mac = "52:54:00:77:01:02";

class HostBed : public testing::Test {
  protected:
    HostBed()
        : prefix_(prefix()), host_(prefix_ + "-host"), guest1_(prefix_ + "-guest1"),
          guest2_(prefix_ + "-guest2"), far_(prefix_ + "-far"), inside_(host_),
          dir_(fmt::format("/tmp/{}", prefix_)) {
        for (const testbed::Netns *ns :
             {&host_, &guest1_, &guest2_, &far_}) // nobody speaks unasked
            for (const char *of : {"all", "default"})
                ns->sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", of), "1");
        testbed::ip_batch(
            host_.name(),
            fmt::format("link add br0 type bridge stp_state 0\n"
                        "link add tap1 type veth peer name standby address {0} netns {1}\n"
                        "link add vf1 type veth peer name primary address {0} netns {1}\n"
                        "link add tap2 type veth peer name standby netns {2}\n"
                        "link add uplink type veth peer name lan netns {3}\n"
                        "link set br0 up\nlink set tap1 master br0 up\n"
                        "link set vf1 master br0 up\nlink set tap2 master br0 up\n"
                        "link set uplink master br0 up\n",
                        guest_mac, guest1_.name(), guest2_.name(), far_.name()));
        for (const testbed::Netns *ns : {&guest1_, &guest2_, &far_})
            for (const char *end : {"standby", "primary", "lan"})
                testbed::run({"ip", "-n", ns->name(), "link", "set", end, "up"});
        mkdir(dir_.c_str(), 0700);
        EXPECT_EQ(mount("test", dir_.c_str(), "bpf", 0, nullptr), 0);
    }
    ~HostBed() override {
        umount2(dir_.c_str(), MNT_DETACH);
        rmdir(dir_.c_str());
    }

    /// A socket on a device of one of the namespaces.
    static testbed::PacketSocket on(const testbed::Netns &ns, const std::string &device,
                                    uint16_t ethertype = 0) {
        return testbed::in_netns(ns, [&] { return testbed::PacketSocket(device, ethertype); });
    }
    static Link link(const std::string &name) { return *Rtnl().link(name); }
    std::string pins() const { return dir_ + "/host"; }
    std::string state_dir() const { return dir_ + "-state"; }
    const testbed::Netns &guest1() const { return guest1_; }
    const testbed::Netns &guest2() const { return guest2_; }
    const testbed::Netns &far() const { return far_; }
    static void sh(const std::string &command) { testbed::spawn({"sh", "-ec", command}); }

    /// Of frames that wait at a socket.
    static size_t waiting(testbed::PacketSocket &socket,
                          std::chrono::milliseconds patience = 50ms) {
        size_t out = 0;
        while (socket.next(out ? 0ms : patience))
            out++;
        return out;
    }

  private:
    static std::string prefix() {
        static unsigned number = 0;
        return fmt::format("hs{}n{}", getpid(), number++);
    }
    std::string prefix_;
    testbed::Netns host_, guest1_, guest2_, far_;
    testbed::NetnsGuard inside_; ///< the test is the host
    std::string dir_;
};

} // namespace hitless::test
