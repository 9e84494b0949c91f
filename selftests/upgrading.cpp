// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/upgrading.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/ranges.h>
#include <fstream>
#include <regex>
#include <sstream>
#include <sys/mount.h>

namespace hitless::selftest {
namespace {

constexpr unsigned cast_share = 10; // of the unicast frames' rate
constexpr auto other_mac = "02:00:5e:77:00:01", other_group = "01:00:5e:7f:00:01";

/// $HITLESS_OLDER, else what the build made of older/.
std::string older_binary() {
    const char *given = getenv("HITLESS_OLDER");
    return given ? given : HITLESS_OLDER_BUILT;
}

/// Of a namespace's devices: by name and direction, what each has dropped.
void add_drops(const Netns &ns, std::map<std::string, std::uint64_t> &to) {
    std::ifstream table = in_netns(ns, [] { return std::ifstream("/proc/thread-self/net/dev"); });
    for (std::string line; std::getline(table, line);) {
        const auto colon = line.find(':');
        if (colon == line.npos) continue; // a heading
        std::istringstream fields(line.substr(colon + 1));
        std::uint64_t value[16] = {};
        for (auto &v : value)
            fields >> v;
        const std::string dev =
            line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' '));
        to[dev + " rx"] = value[3];
        to[dev + " tx"] = value[11];
    }
}

FlowSpec broadcasts(std::uint32_t id) {
    return {.to = Testbed::broadcast4, .port = 7710, .rate = usual_rate() / cast_share, .id = id};
}

/// In any order, and without the groups of the host itself, which come when a NIC is up.
std::string filters_in(const std::string &text) {
    std::multiset<std::string> lines;
    std::istringstream all(text);
    for (std::string line; std::getline(all, line);)
        if (!line.starts_with("33:33:") && !line.starts_with("01:00:5e:00:00:01"))
            lines.insert(line);
    return fmt::format("{}\n", fmt::join(lines, "\n"));
}

} // namespace

std::vector<Way> upgrade_ways() {
    const std::vector<std::string> xdp{"--datapath", "xdp", "--checksums-complete"};
    return {
        {"two_veth", NicKind::veth, {}},
        {"two_tap", NicKind::tap, {}},
        {"two_clsact", NicKind::veth, {}, Place::clsact},
        {"two_gate", NicKind::tap, {"--gate"}, Place::dispatcher},
        {"two_gate_alone", NicKind::tap, {"--gate"}, Place::alone},
        {"three", {NicKind::veth, HL_MODEL_THREE}, {"--model", "three"}},
        {"hidden", {NicKind::tap, HL_MODEL_HIDDEN}, {"--model", "hidden"}},
        {"one", {NicKind::veth, HL_MODEL_ONE}, {"--model", "one"}},
        {"xdp", NicKind::veth, xdp, Place::dispatcher},
        {"xdp_tap", NicKind::tap, xdp, Place::dispatcher},
        {"xdp_alone", NicKind::veth, xdp, Place::alone},
    };
}

std::vector<Way> upgrade_ways_by_xdp() {
    return upgrade_ways_named({"two_gate", "two_gate_alone", "xdp", "xdp_tap", "xdp_alone"});
}

std::vector<Way> upgrade_ways_named(const std::set<std::string> &names) {
    std::vector<Way> all = upgrade_ways();
    std::erase_if(all, [&](const Way &way) { return !names.contains(way.name); });
    return all;
}

void forget_strays() {
    until([] { return false; }, 1200ms);
}

Flows::Flows(Testbed &bed, NicKind kind)
    : bed_(bed), traffic_(bed), up_(bed.guest(), bed.far(), broadcasts(1)),
      down_(bed.far(), bed.guest(), broadcasts(2)), excuses_late_(kind == NicKind::tap) {
    up_.start();
    down_.start();
    EXPECT_TRUE(
        until([&] { return up_.receiver().seen() > 100 && down_.receiver().seen() > 100; }));
    mark();
}

void Flows::mark() {
    from_ = traffic_.mark();
    up_from_ = up_.mark();
    down_from_ = down_.mark();
    drops_from_ = drops();
}

std::map<std::string, std::uint64_t> Flows::drops() const {
    std::map<std::string, std::uint64_t> all;
    for (const Netns *ns : {&bed_.guest(), &bed_.switch_ns(), &bed_.far()})
        add_drops(*ns, all);
    return all;
}

/// By devices of the bed, since the mark: where frames died that are missed.
std::string Flows::dropped() const {
    std::string text;
    for (const auto &[where, count] : drops())
        if (const auto before = drops_from_.find(where);
            before != drops_from_.end() && count > before->second)
            text += fmt::format(" {} {}", where, count - before->second);
    return text.empty() ? "no device dropped any" : "dropped:" + text;
}

void Flows::flood() {
    const std::string ns = bed_.switch_ns().name();
    for (const char *port : {"sw-standby", "sw-primary"})
        spawn({"bridge", "-n", ns, "link", "set", "dev", port, "learning", "off"});
    spawn({"ip", "-n", ns, "link", "set", "br0", "type", "bridge", "fdb_flush"});
    expect_copies();
    settle();
}

/// And it does: each frame comes twice, or nothing is shown.
void Flows::expect_copies() {
    const std::uint64_t before = counted(HL_COUNT_DROP_TWIN);
    EXPECT_TRUE(pass(500));
    EXPECT_GT(counted(HL_COUNT_DROP_TWIN), before + 250);
}

void Flows::settle() {
    until([] { return false; }, 300ms);
    EXPECT_TRUE(pass(500));
    mark();
}

void Flows::measure_alone(unsigned frames) {
    mark();
    EXPECT_TRUE(pass(frames));
    const Both got = traffic_.since(from_);
    Tally all = got.up;
    for (const Tally &t : {got.down, up_.since(up_from_), down_.since(down_from_)})
        all += t;
    alone_ = fmt::format("{} of {} twice, {} late", all.duplicated, all.frames, all.late);
    mark();
}

Tally Flows::broadcasts_down() const {
    return down_.since(down_from_, default_patience);
}

Tally Flows::unicast_down() const {
    return traffic_.since(from_).down;
}

void Flows::expect_exactly_once(const std::string &event) {
    EXPECT_TRUE(pass(500)) << event;
    const Both got = traffic_.since(from_);
    traffic_.report(event, got);
    const std::pair<const char *, Tally> all[] = {
        {"unicast up", got.up},
        {"unicast down", got.down},
        {"broadcasts up", up_.since(up_from_, default_patience)},
        {"broadcasts down", down_.since(down_from_, default_patience)}};
    for (const auto &[way, t] : all) {
        EXPECT_GT(t.frames, 0U) << event << ", " << way;
        EXPECT_EQ(t.lost, 0U) << event << ", " << way << "; " << dropped() << "; the slowest took "
                              << t.longest_delay_ns / 1'000'000 << " ms";
        // A tap's frames are carried by a thread, which may wait for a CPU longer than a pair waits
        // for a twin; and all at once they push young contents out of the table of twins.
        EXPECT_LE(t.duplicated, excuses_late_ ? 2 * t.late : 0)
            << event << ", " << way << "; of the older pair alone " << alone_;
        if (t.duplicated)
            fmt::print("  {}: {} twice, {} late; of the older pair alone {}\n", way, t.duplicated,
                       t.late, alone_);
    }
    mark();
}

void Upgrading::SetUp() {
    ASSERT_TRUE(std::filesystem::exists(older_binary())) << older_binary();
    pair_ = std::make_unique<Pair>(way().with);
    if (way().place == Place::dispatcher) mount_libxdp();
    if (is_xdp()) bed().finish_frames();
    if (way().place == Place::clsact) add_filter();
}

void Upgrading::TearDown() {
    pair_.reset();
    if (libxdp_.empty()) return;
    umount2(libxdp_.c_str(), MNT_DETACH);
    unsetenv("LIBXDP_BPFFS");
}

/// One of our own: beside other tests, and where nobody has mounted it.
void Upgrading::mount_libxdp() {
    libxdp_ = PrivateState::dir() + "/libxdp";
    std::filesystem::create_directories(libxdp_);
    ASSERT_EQ(mount("bpf", libxdp_.c_str(), "bpf", 0, ""), 0);
    setenv("LIBXDP_BPFFS", libxdp_.c_str(), 1);
}

std::vector<std::string> Upgrading::older_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {older_binary(), "-n", bed().guest().name()});
    return arguments;
}

Outcome Upgrading::older(const std::vector<std::string> &arguments) {
    return run(older_command(arguments));
}

std::vector<std::string> Upgrading::newer_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {hitless_binary(), "-n", bed().guest().name()});
    return arguments;
}

void Upgrading::attach_older() {
    std::vector<std::string> line{"attach", "standby", "--primary", "mac", "--hold-down", "20"};
    line.insert(line.end(), way().attach.begin(), way().attach.end());
    if (way().place == Place::alone) setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
    const Outcome o = older(line);
    unsetenv("LIBXDP_SKIP_DISPATCHER");
    ASSERT_EQ(o.code, 0) << o.shown();
    const auto is_used = [&] { return older_status()["active"] == "primary"; };
    // On a machine that is busy nobody answers in the time that it waits, and nobody asks again.
    if (!until(is_used, 1s)) older({"switch", "standby", "primary"});
    ASSERT_TRUE(until(is_used));
    if (way().with.kind == NicKind::tap && has_datapath_xdp()) lengthen_queues();
}

/// NICs follow the master, whose queue is the default's where it is the pair's own device: 50 ms of
/// our frames, for which a busy machine keeps the thread waiting that carries them.
void Upgrading::lengthen_queues() {
    for (const char *dev : {"fo-standby", "standby", "primary"})
        spawn({"ip", "-n", bed().guest().name(), "link", "set", "dev", dev, "txqueuelen", "10000"});
}

Json Upgrading::older_status() {
    const Json all = Json::parse(older({"status", "standby", "-j"}).out, nullptr, false);
    return all.is_object() && !all["pairs"].empty() ? all["pairs"][0] : Json();
}

void Upgrading::move_addresses() {
    if (has_datapath_xdp()) pair().move_addresses();
}

bool Upgrading::has_word(const char *word) const {
    return std::ranges::count(way().attach, word) != 0;
}

/// For which ours goes to clsact.
void Upgrading::add_filter() {
    const std::string ns = bed().guest().name();
    spawn({"tc", "-n", ns, "qdisc", "add", "dev", "standby", "clsact"});
    spawn({"tc", "-n", ns, "filter", "add", "dev", "standby", "egress", "pref", "77", "bpf",
           "bytecode", "1,6 0 0 4294967295", "direct-action"});
}

/// In model two the standby is the master, whose filter the primary's follows.
bool Upgrading::has_filters() const {
    return way().with.model == HL_MODEL_TWO && !has_datapath_xdp();
}

void Upgrading::set_settings() {
    const std::string ns = bed().guest().name();
    spawn({"ip", "-n", ns, "link", "set", "dev", "primary", "mtu", "1400", "txqueuelen", "321",
           "promisc", "on"});
    if (!has_filters()) return;
    spawn({"bridge", "-n", ns, "fdb", "add", other_mac, "dev", "standby", "self"});
    spawn({"ip", "-n", ns, "maddr", "add", other_group, "dev", "standby"});
    const auto filter = [&](const char *nic, const char *side) {
        run({"tc", "-n", ns, "qdisc", "add", "dev", nic, "clsact"}); // if it has none
        spawn({"tc", "-n", ns, "filter", "add", "dev", nic, side, "pref", "77", "bpf", "bytecode",
               "1,6 0 0 4294967295", "direct-action"});
    };
    filter("primary", "egress");
    filter("primary", "ingress");
    filter("standby", "ingress"); // the primary's alone would see no frame, and be named
}

std::string Upgrading::private_netns() {
    // Each version says nothing of what the other has made.
    const std::string said =
        pair().cli({"status", "standby"}).out + older({"status", "standby"}).out;
    std::smatch name;
    std::regex_search(said, name, std::regex("hitless-[0-9]+-[0-9]+"));
    return name.str();
}

void Upgrading::expect_settings_saved() {
    const bool moved = pair().model_row().nics == PairNetns::hidden;
    const std::string home = moved ? private_netns() : bed().guest().name();
    const std::string link = run({"ip", "-n", home, "link", "show", "dev", "primary"}).out;
    EXPECT_NE(link.find("primary"), std::string::npos) << home;
    EXPECT_EQ(link.find("mtu 1400"), std::string::npos) << link;
    EXPECT_EQ(link.find("qlen 321"), std::string::npos) << link;
    if (!has_filters()) return;
    const std::string ns = bed().guest().name();
    const std::string filter = run({"bridge", "-n", ns, "fdb", "show", "dev", "primary"}).out;
    EXPECT_NE(filter.find(other_mac), std::string::npos) << filter;
}

/// What a user of the guest could have set.
std::string Upgrading::snapshot() {
    const std::string ns = bed().guest().name();
    EXPECT_TRUE(bed().addresses_ready("standby", default_patience));
    std::string all;
    for (const char *dev : {"standby", "primary"}) {
        all += filters_in(run({"bridge", "-n", ns, "fdb", "show", "dev", dev}).out);
        for (const char *side : {"ingress", "egress"})
            all += run({"tc", "-n", ns, "filter", "show", "dev", dev, side}).out;
    }
    for (const std::vector<std::string> &command : std::vector<std::vector<std::string>>{
             {"ip", "-n", ns, "-d", "link"},
             {"ip", "-n", ns, "addr"},
             {"ip", "-n", ns, "route"},
             {"ip", "netns", "exec", ns, "sysctl", "-a", "-r",
              "conf.(standby|primary).(arp_ignore|addr_gen_mode)"}})
        all += run(command).out;
    // The kernel gives a device another one when it comes up or goes to another namespace.
    return std::regex_replace(all, std::regex(" qdisc [a-z_]+"), "");
}

bool Upgrading::upgrade_is_left() {
    return std::ranges::any_of(std::filesystem::directory_iterator(bpffs()), [](const auto &entry) {
        return entry.path().filename().string().starts_with("upgrade-");
    });
}

bool Upgrading::runs_what_is_pinned() {
    return std::ranges::includes(pinned_ids().programs, linked_programs());
}

void Upgrading::expect_ours() {
    const Json status = pair().status();
    ASSERT_FALSE(status.is_null()) << pair().cli({"status"}).shown();
    EXPECT_EQ(status["active"], "primary");
    EXPECT_EQ(status["problems"], Json::array());
    EXPECT_FALSE(upgrade_is_left());
    EXPECT_TRUE(runs_what_is_pinned());
    const Outcome refused = older({"status"});
    EXPECT_EQ(refused.code, 1) << refused.shown();
    EXPECT_NE(refused.err.find("ABI 7"), std::string::npos) << refused.shown();
}

void Upgrading::expect_older(const Ids &before) {
    EXPECT_EQ(older_status()["active"], "primary");
    EXPECT_EQ(older_status()["problems"], Json::array());
    EXPECT_FALSE(upgrade_is_left());
    EXPECT_TRUE(pinned_ids() == before);
    EXPECT_TRUE(runs_what_is_pinned());
}

std::set<std::string> Upgrading::dispatchers() {
    std::set<std::string> out;
    std::error_code none;
    for (const auto &entry : std::filesystem::directory_iterator(libxdp_ + "/xdp", none))
        out.insert(entry.path().filename().string());
    return out;
}

} // namespace hitless::selftest
