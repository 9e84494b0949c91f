// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/datapath.hpp"

#include "loader/core/error.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <string_view>
#include <unistd.h>

namespace hitless::test {
namespace {

hl_counters read_counters(const bpf_map *map) {
    std::vector<hl_counters> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
    uint32_t zero = 0;
    if (bpf_map__lookup_elem(map, &zero, sizeof(zero), cpus.data(),
                             cpus.size() * sizeof(hl_counters), 0) < 0)
        throw Error(errno, "read the counters");
    hl_counters sum = {};
    for (const auto &cpu : cpus)
        for (int i = 0; i < HL_COUNTERS; i++)
            sum.frames[i] += cpu.frames[i];
    return sum;
}

int on_ring(void *count, void *, size_t) {
    ++*static_cast<int *>(count);
    return 0;
}

} // namespace

void Datapath::open(const Options &options) {
    skel_.reset(tc_bpf::open());
    if (!skel_) throw Error(errno, "open the BPF object");
    skel_->rodata_knobs->knobs = {options.master, 0, 0, 0, options.window_ns, options.seed};
    memcpy(pair().mac, own_mac.data(), own_mac.size());
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, skel_->obj) {
        const bool casts = std::string_view(bpf_program__name(program)).ends_with("_cast");
        if (casts) bpf_program__set_autoload(program, has_cast_);
    }
}

Datapath::Datapath(Options options) {
    open(options);
    auto *print = libbpf_set_print(nullptr);
    int err = tc_bpf::load(skel_.get());
    libbpf_set_print(print);
    if (err) { // before 6.2 there is no bpf_rdonly_cast; the rest must load without it
        has_cast_ = false;
        open(options);
        if ((err = tc_bpf::load(skel_.get()))) throw Error(-err, "load the BPF object");
    }
    bell_.reset(ring_buffer__new(bpf_map__fd(skel_->maps.bell), on_ring, rung_.get(), nullptr));
    if (!bell_) throw Error(errno, "open the doorbell");
}

int Datapath::run(const bpf_program *program, const Frame &frame, uint32_t ifindex,
                  uint32_t repeat) const {
    __sk_buff ctx = {};
    ctx.ifindex = ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()), .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx), .repeat = static_cast<int>(repeat));
    if (int err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
        throw Error(-err,
                    fmt::format("run {} on {} bytes", bpf_program__name(program), frame.size()));
    return static_cast<int>(opts.retval);
}

bpf_program *Datapath::ingress_primary() const {
    return has_cast_ ? skel_->progs.hl_ingress_primary_cast
                     : skel_->progs.hl_ingress_primary_probe_read;
}

int Datapath::egress(hl_liveness variant) const {
    const bpf_program *programs[] = {skel_->progs.hl_egress_cast, skel_->progs.hl_egress_probe_read,
                                     skel_->progs.hl_egress_netlink};
    return run(programs[variant], Frame(64, 0), 0);
}

int Datapath::resolve(hl_role role, uint32_t ifindex) const {
    int nics = bpf_map__fd(skel_->maps.nics);
    uint32_t key = role;
    __sk_buff ctx = {};
    ctx.cb[HL_RESOLVE_ROLE] = role;
    ctx.cb[HL_RESOLVE_KNOWN] = ifindex != 0;
    bpf_map_delete_elem(nics, &key);
    if (ifindex && bpf_map_update_elem(nics, &key, &ifindex, BPF_ANY) < 0 && errno != ENODEV &&
        errno != EINVAL)
        throw Error(errno, "put a NIC into the devmap");
    const Frame any(64, 0);
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = any.data(),
                .data_size_in = static_cast<uint32_t>(any.size()), .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    if (int err = bpf_prog_test_run_opts(bpf_program__fd(skel_->progs.hl_resolve), &opts))
        throw Error(-err, "run the resolver");
    return static_cast<int>(opts.retval);
}

void Datapath::place(hl_port port, uint32_t ifindex) const {
    uint32_t key = port;
    if (bpf_map_update_elem(bpf_map__fd(skel_->maps.nics), &key, &ifindex, BPF_ANY))
        throw Error(errno, "put an end of the failover device into the devmap");
}

uint64_t Datapath::counted(hl_counter which) const {
    return read_counters(skel_->maps.counters).frames[which];
}

std::string Datapath::counters() const {
    static const char *names[] = {
#define X(name, text, meaning) text,
        HL_COUNTER_LIST(X)
#undef X
    };
    hl_counters now = read_counters(skel_->maps.counters);
    std::string text;
    for (int i = 0; i < HL_COUNTERS; i++)
        if (now.frames[i])
            text += fmt::format("{}{}={}", text.empty() ? "" : " ", names[i], now.frames[i]);
    return text;
}

int Datapath::rings() const {
    *rung_ = 0;
    ring_buffer__consume(bell_.get());
    return *rung_;
}

std::shared_ptr<Bed> untouched() {
    static auto shared = std::make_shared<Bed>();
    return shared;
}

Pair::Pair(std::shared_ptr<Bed> on, uint64_t window_ns)
    : nics(std::move(on)), dp({.master = bed.standby, .window_ns = window_ns}) {
    if (dp.resolve(HL_ROLE_PRIMARY, bed.primary) || dp.resolve(HL_ROLE_STANDBY, bed.standby))
        throw Error(ENOENT, "resolve the bed's NICs");
    dp.place(HL_PORT_INNER, ifindex_of("sby_far"));
    dp.place(HL_PORT_MASTER, ifindex_of("pri_far"));
}

bool Pair::delivered(hl_role nic, const Frame &frame) const {
    if (nic == HL_ROLE_PRIMARY)
        return dp.run(dp.ingress_primary(), frame, bed.primary) == TC_ACT_REDIRECT;
    return dp.run(dp.skel().progs.hl_ingress_standby, frame, bed.standby) == TC_ACT_UNSPEC;
}

} // namespace hitless::test
