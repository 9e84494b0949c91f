// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/programs.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstddef>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless::selftest {

using namespace testbed;

namespace {

constexpr int udp_port_at = 36; // of an IPv4 header without options

bpf_insn set_result(int value) {
    return {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value};
}
constexpr bpf_insn leave{BPF_JMP | BPF_EXIT, 0, 0, 0, 0};

Fd load_tc(const std::vector<bpf_insn> &code, const std::string &name) {
    return Fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name.c_str(), "GPL", code.data(), code.size(),
                            nullptr));
}

} // namespace

Fd tc_program(int verdict, std::uint16_t port, const std::string &name) {
    std::vector<bpf_insn> code;
    if (port)
        code = {{BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0},
                {BPF_LD | BPF_ABS | BPF_H, 0, 0, 0, udp_port_at},
                {BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, port},
                set_result(tcx_next),
                leave};
    code.insert(code.end(), {set_result(verdict), leave});
    return load_tc(code, name);
}

Fd tc_program_for(std::uint16_t ethertype, int verdict, const std::string &name) {
    return load_tc(
        {{BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(__sk_buff, protocol), 0},
         set_result(tcx_next),
         {BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 1, __builtin_bswap16(ethertype)},
         set_result(verdict),
         leave},
        name);
}

Fd tc_loser(std::uint16_t ethertype, int percent, const std::string &name) {
    return load_tc(
        {{BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(__sk_buff, protocol), 0},
         set_result(tcx_next),
         {BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 6, __builtin_bswap16(ethertype)},
         {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32},
         {BPF_ALU64 | BPF_MOD | BPF_K, BPF_REG_0, 0, 0, 100},
         {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_0, 0, 0},
         set_result(tcx_drop),
         {BPF_JMP | BPF_JLT | BPF_K, BPF_REG_2, 0, 1, percent},
         set_result(tcx_next),
         leave},
        name);
}

Fd tc_index_writer(const std::string &name) {
    return load_tc(
        {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 7},
         {BPF_STX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_2, offsetof(__sk_buff, tc_index), 0},
         set_result(tcx_next),
         leave},
        name);
}

Fd attach_tcx(const Netns &ns, const std::string &ifname, TcxSide side, int program,
              TcxOrder order) {
    return in_netns(ns, [&] {
        struct {
            std::uint32_t program, ifindex, type, flags, relative, reserved;
            std::uint64_t revision;
        } create{static_cast<std::uint32_t>(program),
                 if_nametoindex(ifname.c_str()),
                 static_cast<std::uint32_t>(side),
                 static_cast<std::uint32_t>(order),
                 0,
                 0,
                 0};
        return Fd(static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof create)));
    });
}

std::vector<std::uint32_t> tcx_programs(const Netns &ns, const std::string &ifname, TcxSide side) {
    std::vector<std::uint32_t> ids(64);
    struct {
        std::uint32_t ifindex, type, query_flags, attach_flags;
        std::uint64_t ids;
        std::uint32_t count, reserved;
        std::uint64_t program_flags, links, link_flags, revision;
    } query{};
    in_netns(ns, [&] {
        query.ifindex = if_nametoindex(ifname.c_str());
        query.type = static_cast<std::uint32_t>(side);
        query.ids = reinterpret_cast<std::uint64_t>(ids.data());
        query.count = static_cast<std::uint32_t>(ids.size());
        if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) < 0) query.count = 0;
    });
    ids.resize(query.count);
    return ids;
}

std::uint32_t program_id(int program) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    return bpf_obj_get_info_by_fd(program, &info, &size) ? 0 : info.id;
}

Fd xdp_program(bool drops, std::uint16_t port) {
    const int otherwise = drops ? XDP_DROP : XDP_PASS;
    std::vector<bpf_insn> code{set_result(otherwise), leave};
    if (port) // r2 = data, r3 = data_end; both must be known to hold the port
        code = {{BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0},
                {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, 4, 0},
                {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0},
                {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, udp_port_at + 2},
                {BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 4, 0},
                {BPF_LDX | BPF_MEM | BPF_H, BPF_REG_5, BPF_REG_2, udp_port_at, 0},
                {BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 2, __builtin_bswap16(port)},
                set_result(otherwise),
                leave,
                set_result(XDP_PASS),
                leave};
    LIBBPF_OPTS(bpf_prog_load_opts, opts);
    opts.prog_flags = BPF_F_XDP_HAS_FRAGS;
    return Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "others", "GPL", code.data(), code.size(), &opts));
}

bool set_xdp(const Netns &ns, const std::string &ifname, int program, bool generic) {
    return in_netns(ns, [&] {
        const int error =
            bpf_xdp_attach(static_cast<int>(if_nametoindex(ifname.c_str())), program,
                           generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, nullptr);
        errno = -error;
        return error == 0;
    });
}

} // namespace hitless::selftest
