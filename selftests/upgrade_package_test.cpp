// SPDX-License-Identifier: BSD-2-Clause
//
// The package of the frozen older release is installed, and dpkg upgrades it to ours while frames
// flow and a controller of the older one lives, in every model and datapath. This machine's own
// packages are left alone: dpkg works in mounts of its own, on a database of its own.
#include "selftests/upgrading.hpp"

#include <csignal>
#include <filesystem>

namespace hitless::selftest {
namespace {

/// What dpkg changes is in memory: $1 is a directory for it. Who restarts services only notes what
/// it is asked for.
constexpr auto own_root = R"(
mount -t tmpfs none "$1"
mkdir -p "$1/upper" "$1/work" "$1/dpkg/info" "$1/dpkg/updates" "$1/dpkg/triggers"
touch "$1/dpkg/status"
mount -t overlay none -o lowerdir=/usr,upperdir="$1/upper",workdir="$1/work" /usr
mount --bind "$1/dpkg" /var/lib/dpkg
rm -f /usr/bin/deb-systemd-invoke
printf '#!/bin/sh\necho "$@" >>%s/asked\n' "$1" >/usr/bin/deb-systemd-invoke
chmod 755 /usr/bin/deb-systemd-invoke
echo ready
exec sleep 600
)";

/// Made once a process.
const std::string &package(const char *name, const char *packaging, const std::string &command) {
    static std::map<std::string, std::string> made;
    std::string &file = made[name];
    if (file.empty()) {
        spawn({HITLESS_PACK, packaging, command, PrivateState::dir() + "/" + name + ".deb"});
        file = PrivateState::dir() + "/" + name + ".deb";
    }
    return file;
}

class UpgradePackage : public Upgrading {
  protected:
    /// After the pair is made, whose pins are seen there then.
    void enter_root() {
        const std::string dir = PrivateState::dir() + "/root";
        std::filesystem::create_directory(dir);
        root_ = std::make_unique<Process>(
            std::vector<std::string>{"nsenter", "--net=/run/netns/" + bed().guest().name(),
                                     "unshare", "--mount", "sh", "-ec", own_root, "sh", dir});
        ASSERT_TRUE(until([&] { return root_->out() == "ready\n" || root_->ended(); }));
        ASSERT_FALSE(root_->ended()) << root_->err();
    }
    Outcome there(std::vector<std::string> command) {
        command.insert(command.begin(),
                       {"nsenter", "-t", std::to_string(root_->pid()), "--mount", "--net"});
        return run(command);
    }
    Outcome install(const std::string &file) {
        return there({"dpkg", "--log=/dev/null", "-i", file});
    }
    std::string installed() {
        return there({"dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "hitless"}).out +
               ": " + there({"/usr/sbin/hitless", "--version"}).out;
    }
    std::string asked() { return there({"cat", PrivateState::dir() + "/root/asked"}).out; }

  private:
    std::unique_ptr<Process> root_;
};

TEST_P(UpgradePackage, ByDpkgFromTheFrozenRelease) {
    attach_older();
    move_addresses();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }))
        << controller.out() << controller.err();
    enter_root();
    const std::string older_package =
        package("older", HITLESS_OLDER_PACKAGING, older_command({}).front());
    const std::string our_package = package("ours", HITLESS_PACKAGING, hitless_binary());
    Outcome o = install(older_package);
    ASSERT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(installed().substr(0, 16), "0.1.0 installed:") << installed();
    EXPECT_EQ(asked(), "start hitless.service\n");
    Flows flows(bed(), way().with.kind);
    flows.measure_alone(500);

    o = install(our_package);
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_NE(o.out.find("standby: taken over from ABI 6\n"), std::string::npos) << o.shown();
    EXPECT_EQ(o.err.find("stays in force"), std::string::npos) << o.shown();
    EXPECT_NE(installed().find(" installed: hitless "), std::string::npos) << installed();
    EXPECT_NE(installed().find("(ABI 7)"), std::string::npos) << installed();
    EXPECT_EQ(asked(), "start hitless.service\nrestart hitless.service\n");
    flows.expect_exactly_once("dpkg -i");
    // Which is, of the service manager:
    controller.signal(SIGTERM);
    EXPECT_EQ(controller.wait(), 0);
    pair().start_controller();
    flows.expect_exactly_once("the controller restarted");
    expect_ours();
    EXPECT_FALSE(std::filesystem::exists("/var/lib/dpkg/info/hitless.list"))
        << "this machine's packages are not for tests";
}

INSTANTIATE_TEST_SUITE_P(Way, UpgradePackage, testing::ValuesIn(upgrade_ways()), name_of_way);

} // namespace
} // namespace hitless::selftest
