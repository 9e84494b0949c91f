// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/state/pair.hpp"
#include "loader/core/error.hpp"
#include "loader/core/former_abi.hpp"
#include "loader/kernel/bpf/map_holders.hpp"
#include "loader/kernel/bpf/xdp.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <atomic>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <ctime>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <unistd.h>
#include <vector>

namespace hitless {
namespace {

Direction direction(hl_hook_id hook) {
    return hook == HL_HOOK_EGRESS ? Direction::egress : Direction::ingress;
}

bool is_xdp(hl_hook_id hook) {
    return hook >= HL_HOOK_XDP_INNER;
}

/// Runs the resolver; returns its errno, positive.
int run_resolver(int program_fd, hl_role role, bool known) {
    const char frame[ETH_ZLEN] = {}; // the kernel wants one
    __sk_buff context{};
    context.cb[HL_RESOLVE_ROLE] = role;
    context.cb[HL_RESOLVE_KNOWN] = known;
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    opts.data_in = frame;
    opts.data_size_in = sizeof(frame);
    opts.ctx_in = &context;
    opts.ctx_size_in = sizeof(context);
    int error = bpf_prog_test_run_opts(program_fd, &opts);
    return error ? -error : -static_cast<int>(opts.retval);
}

bool is_of_version(const hl_pair &found, uint32_t version) {
    return found.magic == HL_ABI_MAGIC && found.abi_version == version;
}

/// Why a pair of the version before cannot be taken over as it is; "" when it is whole.
std::string missing_part(const std::string &dir) {
    try {
        Pair::open_former(dir);
        return "";
    } catch (const Error &error) {
        return error.code() == ENOENT ? error.problem() : "";
    }
}

/// Only who made a pair knows all that it has saved.
std::string way_out_of(const hl_pair &found, const std::string &dir, bool whole) {
    if (is_of_version(found, HL_ABI_FORMER) && whole)
        return "it stays in force; `hitless upgrade` takes it over without losing a frame";
    if (is_of_version(found, HL_ABI_FORMER) || found.magic != HL_ABI_MAGIC)
        return fmt::format("it stays in force; `hitless detach {}` removes it, then attach again",
                           dir.substr(dir.rfind('/') + 1));
    if (found.abi_version > HL_ABI_VERSION)
        return "it stays in force; use the newer version, if it is installed, or detach the pair "
               "with that";
    return "it stays in force; detach it with the version that made it, then attach again";
}

void check_version(const hl_pair &found, const std::string &dir, Versions wanted) {
    bool former = is_of_version(found, HL_ABI_FORMER), ours = is_of_version(found, HL_ABI_VERSION);
    if ((ours && wanted != Versions::former) || (former && wanted != Versions::ours)) return;
    const std::string missing = former ? missing_part(dir) : "";
    throw Error(EPROTO, fmt::format("adopt {}", dir),
                fmt::format("made by another version of hitless (ABI {}, this is {}){}{}",
                            found.abi_version, HL_ABI_VERSION,
                            missing.empty() ? "" : ", and a part is missing: ", missing),
                way_out_of(found, dir, missing.empty()));
}

bool has_link(const hl_hook &at) {
    return at.kind == HL_HOOK_TCX || at.kind == HL_HOOK_NETKIT;
}

/// A link belongs to every directory that pins it.
void share_pin(const std::string &from, const std::string &to) {
    Fd link(bpf_obj_get(from.c_str()));
    if (!link && errno == ENOENT) return; // clsact keeps none
    if (!link || bpf_obj_pin(link.get(), to.c_str()) < 0)
        throw Error(errno, fmt::format("pin {}", to));
}

LoadOptions follower_of(const hl_pair &former, const Objects &maps) {
    LoadOptions out;
    out.model = static_cast<hl_model>(former.model);
    out.datapath = static_cast<hl_datapath>(former.datapath);
    out.liveness = static_cast<hl_liveness>(former.liveness);
    out.former = &maps;
    return out;
}

uint32_t map_id(int fd) {
    bpf_map_info info{};
    uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

} // namespace

Pair::Pair(Objects objects, std::string dir)
    : objects_(std::move(objects)), mapping_(objects_.pair.get()), dir_(std::move(dir)) {}

Pair Pair::create(const LoadOptions &options, const std::string &dir) {
    Loaded loaded = load_objects(options);
    Pair pair(std::move(loaded.objects), dir);
    pair.state().magic = HL_ABI_MAGIC;
    pair.state().abi_version = HL_ABI_VERSION;
    pair.state().model = options.model;
    pair.state().datapath = options.datapath;
    pair.state().liveness = static_cast<uint8_t>(loaded.liveness);
    pin_objects(pair.objects_, dir);
    return pair;
}

Pair Pair::open(const std::string &dir) {
    PairRecord version_first(dir); // other versions have other pins
    return Pair(open_objects(dir), dir);
}

Pair Pair::open_remains(const std::string &dir) {
    PairRecord version_first(dir, Versions::known);
    return Pair(open_remaining_objects(dir), dir);
}

Pair Pair::open_former(const std::string &dir) {
    PairRecord version_first(dir, Versions::former);
    Pair former(open_objects(dir), dir);
    former.expect_whole();
    return former;
}

void Pair::expect_whole() const {
    const auto expect = [&](const char *pin) { open_pin(dir_, pin); };
    if (state().datapath == HL_DATAPATH_XDP && !objects_.ports) expect("ports");
    for (const HookRow &row : model().hooks) {
        uint8_t kind = state().hook[row.hook].kind;
        if (row.slot == ProgramSlot::bounce && !objects_.bounce) expect("bounce");
        if (kind != HL_HOOK_NONE && kind != HL_HOOK_CLSACT && !has_link(state().hook[row.hook]))
            expect(std::string(hook_pins[row.hook]).c_str());
    }
}

Pair Pair::follow(const Pair &former, const std::string &dir) {
    Pair pair(load_objects(follower_of(former.state(), former.objects_)).objects, dir);
    // Before the first pin: whoever finds what a crash has left knows by it whose that is.
    pair.state() = from_former(former.state(), now());
    pair.state().veto = pair.state().former_veto; // others write meanwhile
    pin_objects(pair.objects_, dir);
    return pair;
}

void Pair::check_room() const {
    check_room_beside(objects_);
}

void Pair::try_to_follow(const Pair &former) {
    former.check_room();
    load_objects(follower_of(former.state(), former.objects_));
}

PairRecord::PairRecord(const std::string &dir, Versions wanted)
    : map_(open_pin(dir, "pair")), mapping_(map_.get(), Mapping::For::reading) {
    check_version(state(), dir, wanted);
}

bool PairRecord::seal() const {
    if (bpf_map_freeze(map_.get()) == 0) return true;
    try { // EBUSY: somebody can write, or it was sealed before
        Mapping still(map_.get());
        return false;
    } catch (const Error &error) {
        if (error.code() != EPERM) throw;
        return true;
    }
}

std::vector<int> PairRecord::holders() const {
    return processes_with_map(map_id(map_.get()));
}

void retire_hook(const PairRecord &former, const std::string &dir, const std::string &follower,
                 hl_hook_id hook) {
    if (is_xdp(hook))
        retire_xdp(former.state().hook[hook], fmt::format("{}/{}", dir, hook_pins[hook]),
                   fmt::format("{}/{}", follower, hook_pins[hook]));
}

uint32_t Pair::id() const {
    return map_id(objects_.pair.get());
}

uint32_t pinned_id(const std::string &dir) {
    Fd map(bpf_obj_get((dir + "/pair").c_str()));
    return map ? map_id(map.get()) : 0;
}

bool has_pinned_hook(const std::string &dir, Ifindex device) {
    for (std::string_view pin : hook_pins) {
        Fd link(bpf_obj_get(fmt::format("{}/{}", dir, pin).c_str()));
        bpf_link_info info{};
        uint32_t size = sizeof(info);
        // A program's pin (XDP) has no such field where a link has it.
        if (!link || !pin.starts_with("link_")) continue;
        if (!bpf_obj_get_info_by_fd(link.get(), &info, &size) && info.xdp.ifindex == number(device))
            return true;
    }
    return false;
}

/// Into the maps where programs look: tc's, and XDP's where it has one.
void Pair::put(uint32_t key, Ifindex index) const {
    for (const Fd *map : {&objects_.nics, &objects_.ports}) {
        if (!*map) continue;
        bpf_map_delete_elem(map->get(), &key);
        if (index != Ifindex::none && bpf_map_update_elem(map->get(), &key, &index, BPF_ANY) < 0)
            throw Error(errno,
                        fmt::format("tell the datapath of network device {}", number(index)));
    }
}

bool Pair::taken(uint32_t key) const {
    uint32_t ifindex = 0;
    if (!objects_.nics) return true; // remains may lack it; then the number is believed
    return bpf_map_lookup_elem(objects_.nics.get(), &key, &ifindex) == 0;
}

void Pair::resolve(hl_role role, Ifindex index) const {
    if (objects_.resolve) // remains may lack it
        if (int error = run_resolver(objects_.resolve.get(), role, false))
            throw Error(error, "forget a network device");
    put(role, index);
    if (index == Ifindex::none) return;
    if (int error = run_resolver(objects_.resolve.get(), role, true))
        throw Error(error, fmt::format("find network device {}", number(index)));
}

void Pair::resolve(hl_port port, Ifindex index) const {
    put(port, index);
}

bool Pair::resolved(hl_role role) const {
    return taken(role);
}

bool Pair::resolved(hl_port port) const {
    return taken(port);
}

void Pair::ring_bell() const {
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    bpf_prog_test_run_opts(objects_.ring.get(), &opts);
}

hl_counters Pair::counters() const {
    std::vector<hl_counters> each(static_cast<size_t>(libbpf_num_possible_cpus()));
    uint32_t zero = 0;
    hl_counters sum{};
    if (bpf_map_lookup_elem(objects_.counters.get(), &zero, each.data()) < 0)
        throw Error(errno, "read the counters");
    for (const hl_counters &cpu : each)
        for (size_t i = 0; i < HL_COUNTERS; i++)
            sum.frames[i] += cpu.frames[i];
    return sum;
}

int Pair::program(hl_hook_id hook) const {
    const HookRow *row = model().hook(hook);
    return slot_of(objects_, row ? row->slot : ProgramSlot::egress).get();
}

std::string Pair::pin(hl_hook_id hook) const {
    return fmt::format("{}/{}", dir_, hook_pins[hook]);
}

XdpObject Pair::xdp_object(hl_hook_id hook, std::string_view shown) const {
    const HookRow *row = model().hook(hook);
    if (!row)
        throw Error(EINVAL, fmt::format("attach an XDP program to {}", shown),
                    "its model has none there", "");
    return XdpObject(objects_, *row, static_cast<hl_liveness>(state().liveness));
}

void Pair::attach(hl_hook_id hook, const Link &link) {
    // After a takeover that was interrupted another version's may run there.
    const hl_hook &before = state().hook[hook];
    if (!is_xdp(hook) && before.ifindex == number(link.index) &&
        retake_link(before, program(hook), pin(hook)))
        return;
    HookPoint at{number(link.index), direction(hook), link.name, link.kind == "netkit",
                 goes_last(hook)};
    if (is_xdp(hook)) {
        XdpObject object = xdp_object(hook, link.name);
        state().hook[hook] = attach_xdp(at, object, !objects_.ports, pin(hook));
        return;
    }
    state().hook[hook] = attach_hook(at, program(hook), pin(hook));
}

void Pair::detach(hl_hook_id hook) {
    if (is_xdp(hook))
        detach_xdp(state().hook[hook], pin(hook));
    else
        detach_hook(state().hook[hook], direction(hook), pin(hook));
    state().hook[hook] = {};
}

void Pair::doubt_unicast(bool lastingly) const {
    hl_knobs knobs{};
    uint32_t zero = 0;
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);                    // bpf_ktime_get_ns()
    bpf_map_lookup_elem(objects_.knobs.get(), &zero, &knobs); // remains may lack it
    uint64_t now_ns = uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
    uint64_t window = now_ns / (knobs.twin_window_ns ? knobs.twin_window_ns : 1) + 1;
    uint32_t since = lastingly ? HL_STRAY_ASSUMED : static_cast<uint32_t>(window);
    for (hl_nic *nic : {&state().primary, &state().standby})
        std::atomic_ref<uint32_t>(nic->stray).store(since);
}

void Pair::take_over(hl_hook_id hook, const Pair &former) {
    const hl_hook &at = former.state().hook[hook];
    if (at.kind == HL_HOOK_NONE) return;
    if (is_xdp(hook))
        return follow_xdp(at, xdp_object(hook, "a NIC"), !objects_.ports, former.pin(hook),
                          pin(hook));
    former.recover_pin(hook);
    share_pin(former.pin(hook), pin(hook));
    replace_program(at, direction(hook), program(hook), pin(hook));
}

void Pair::try_to_follow(hl_hook_id hook) const {
    const hl_hook &at = state().hook[hook];
    if (at.kind != HL_HOOK_NONE && is_xdp(hook))
        try_follow_xdp(at, xdp_object(hook, "a NIC"), pin(hook));
    lost_link(hook);
}

/// Empty where its pin is there, or nothing runs.
Fd Pair::lost_link(hl_hook_id hook) const {
    const hl_hook &at = state().hook[hook];
    if (!has_link(at) || access(pin(hook).c_str(), F_OK) == 0) return Fd();
    return link_of(at, direction(hook), program(hook));
}

void Pair::recover_pin(hl_hook_id hook) const {
    Fd link = lost_link(hook);
    if (link && bpf_obj_pin(link.get(), pin(hook).c_str()) < 0)
        throw Error(errno, fmt::format("pin {}", pin(hook)));
}

void Pair::give_back(hl_hook_id hook, const std::string &follower) {
    const hl_hook &at = state().hook[hook];
    if (at.kind == HL_HOOK_NONE) return;
    if (is_xdp(hook))
        restore_xdp(at, pin(hook), fmt::format("{}/{}", follower, hook_pins[hook]));
    else if (program(hook) >= 0) // remains may lack it
        replace_program(at, direction(hook), program(hook), pin(hook));
}

bool Pair::attached(hl_hook_id hook) const {
    if (is_xdp(hook)) return xdp_alive(state().hook[hook], pin(hook));
    return hook_alive(state().hook[hook], direction(hook), program(hook), pin(hook));
}

bool Pair::runs(hl_hook_id hook) const {
    const hl_hook &at = state().hook[hook];
    if (is_xdp(hook)) return at.kind != HL_HOOK_NONE && has_own_xdp(at.ifindex);
    return has_link(at) && runs_at(at, direction(hook), program(hook));
}

bool Pair::goes_last(hl_hook_id hook) const {
    const HookRow *row = model().hook(hook);
    return row && row->last;
}

bool Pair::hides_from_others(hl_hook_id hook) const {
    return goes_last(hook) &&
           stands_before_others(state().hook[hook], direction(hook), program(hook));
}

void Pair::move_behind_others(hl_hook_id hook, const std::string &shown) {
    HookPoint at{state().hook[hook].ifindex, direction(hook), shown, false, true};
    move_behind(at, program(hook), pin(hook));
}

std::vector<OtherProgram> Pair::ahead(hl_hook_id hook) const {
    return programs_ahead(state().hook[hook], direction(hook), program(hook));
}

void BellReader::Free::operator()(ring_buffer *ring) const {
    ring_buffer__free(ring);
}

BellReader::BellReader(int bell_fd)
    : ring_(ring_buffer__new(
          bell_fd, [](void *, void *, size_t) { return 0; }, nullptr, nullptr)) {
    if (!ring_) throw Error(errno, "open a pair's doorbell");
}

void BellReader::drain() {
    ring_buffer__consume(ring_.get());
}

} // namespace hitless
