// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/xdp.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/bpf/dispatcher_pins.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <memory>
#include <string_view>
#include <unistd.h>
#include <xdp/libxdp.h>

namespace hitless {
namespace {

using namespace std::string_view_literals;

constexpr unsigned run_first = 1;
constexpr unsigned run_last = 1000; // xdp-tools' own programs run at 10, the default is 50

struct Close {
    void operator()(xdp_program *program) const { xdp_program__close(program); }
    void operator()(xdp_multiprog *all) const { xdp_multiprog__close(all); }
};
using Program = std::unique_ptr<xdp_program, Close>;
using Programs = std::unique_ptr<xdp_multiprog, Close>;

/// What fails comes back as an Error. libxdp reads objects by libbpf, and each has a printer for
/// the whole process: both are given back.
class Silence {
  public:
    Silence() = default;
    ~Silence() { libxdp_set_print(before_); }
    Silence(const Silence &) = delete;
    Silence &operator=(const Silence &) = delete;

  private:
    LibbpfSilence libbpf_;
    libxdp_print_fn_t before_ = libxdp_set_print(nullptr);
};

/// libxdp returns errors as pointers.
template <typename Owner>
Owner own(typename Owner::pointer found) {
    return Owner(libxdp_get_error(found) ? nullptr : found);
}

/// Null when there is nothing there.
template <typename Owner>
Owner own_if_there(typename Owner::pointer found, const std::string &action) {
    long error = libxdp_get_error(found);
    if (error && error != -ENOENT && error != -ENODEV)
        throw Error(static_cast<int>(-error), action);
    return Owner(error ? nullptr : found);
}

Program pinned_program(const std::string &pin) {
    return own_if_there<Program>(xdp_program__from_pin(pin.c_str()), fmt::format("open {}", pin));
}

/// libxdp takes a dispatcher whose pins it cannot open for a program that stands alone.
bool is_unreadable(const Programs &all) {
    if (!all || !xdp_multiprog__is_legacy(all.get())) return false;
    xdp_program *program = xdp_multiprog__main_prog(all.get());
    return program && xdp_program__name(program) == "xdp_dispatcher"sv;
}

/// For those who only look: what cannot be read is none of ours.
Programs readable_programs_of(uint32_t ifindex) {
    return own<Programs>(xdp_multiprog__get_from_ifindex(static_cast<int>(ifindex)));
}

/// For those who change something: what cannot be read may be ours, and would go on.
Programs programs_of(uint32_t ifindex) {
    Programs all =
        own_if_there<Programs>(xdp_multiprog__get_from_ifindex(static_cast<int>(ifindex)),
                               fmt::format("read the XDP programs of device {}", ifindex));
    if (is_unreadable(all))
        throw Error(EBUSY, fmt::format("read the XDP programs of device {}", ifindex),
                    "libxdp's dispatcher runs there, and what it has pinned below /sys/fs/bpf/xdp "
                    "cannot be opened",
                    "go on in the mount namespace in which they are; where they are lost, `ip link "
                    "set NIC xdp off` takes every XDP program off");
    return all;
}

/// Null when it does not run there.
xdp_program *find(const Programs &all, uint32_t id) {
    if (!all) return nullptr;
    if (xdp_multiprog__is_legacy(all.get())) {
        xdp_program *program = xdp_multiprog__main_prog(all.get());
        return xdp_program__id(program) == id ? program : nullptr;
    }
    for (xdp_program *p = nullptr; (p = xdp_multiprog__next_prog(p, all.get()));)
        if (xdp_program__id(p) == id) return p;
    return nullptr;
}

bool runs(const Programs &all, uint32_t id) {
    return find(all, id) != nullptr;
}

bool is_named_like_ours(const xdp_program *program) {
    return std::string_view(xdp_program__name(program)).starts_with("hl_");
}

bool is_ours_alone(const Programs &all) {
    if (!all || !xdp_multiprog__is_legacy(all.get())) return false;
    xdp_program *program = xdp_multiprog__main_prog(all.get());
    return program && is_named_like_ours(program);
}

Program open_program(const XdpObject &object, const std::string &action) {
    xdp_program_opts opts{};
    opts.sz = sizeof(opts);
    opts.obj = object.object();
    opts.prog_name = object.program();
    xdp_program *created = xdp_program__create(&opts);
    if (long error = libxdp_get_error(created)) throw Error(static_cast<int>(-error), action);
    return Program(created);
}

/// In one step, and only if `from` is still there.
void replace_alone(uint32_t ifindex, int from, int to) {
    LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
    opts.old_prog_fd = from;
    if (int error = bpf_xdp_attach(static_cast<int>(ifindex), to,
                                   XDP_FLAGS_DRV_MODE | XDP_FLAGS_REPLACE, &opts))
        throw Error(-error, fmt::format("replace our XDP program on device {}", ifindex));
}

void take_off(xdp_program *program, uint32_t ifindex) {
    if (int error = xdp_program__detach(program, static_cast<int>(ifindex), XDP_MODE_NATIVE, 0))
        throw Error(-error, fmt::format("detach the XDP program from device {}", ifindex));
}

/// A crash between two steps of libxdp's leaves pins of a dispatcher that never ran, or no more.
void clean(const hl_hook &hook, std::initializer_list<uint32_t> programs) {
    if (hook.kind == HL_HOOK_XDP) remove_stale_dispatchers(hook.ifindex, programs);
}

hl_hook describe(uint32_t ifindex) {
    Programs now = readable_programs_of(ifindex);
    bool alone = now && xdp_multiprog__is_legacy(now.get());
    return {ifindex, static_cast<uint8_t>(alone ? HL_HOOK_XDP_ALONE : HL_HOOK_XDP), 0, {}};
}

std::string way_out(int error, const HookPoint &at) {
    switch (error) {
    case EPERM: return "run as root";
    case EBUSY:
    case EEXIST:
        return "another XDP program is there and this kernel, or that program, takes none beside "
               "it: attach the pair with `--datapath tc`, which leaves that program in force, or "
               "load that program by libxdp's dispatcher";
    case ERANGE:
    case EINVAL:
        return fmt::format("its MTU or an offload (LRO, hardware GRO) may be in the way: `ip link "
                           "set {0} mtu 1500`, `ethtool -K {0} lro off`",
                           shell_quoted(at.shown));
    default: return "`hitless doctor` says what this NIC can do";
    }
}

} // namespace

hl_hook attach_xdp(const HookPoint &at, const XdpObject &object, bool first,
                   const std::string &pin) {
    std::string action = fmt::format("attach the XDP program to {}", at.shown);
    Silence silence;
    // A NIC that was moved away and came back still runs it.
    if (xdp_alive({at.ifindex, HL_HOOK_XDP, 0, {}}, pin)) return describe(at.ifindex);
    unlink(pin.c_str());
    remove_own_xdp(at.ifindex); // a NIC belongs to one pair: what is there has lost its own
    Program program = open_program(object, action);
    xdp_program *created = program.get();
    xdp_program__set_run_prio(created, first ? run_first : run_last);
    xdp_program__set_chain_call_enabled(created, XDP_PASS, true);
    int ifindex = static_cast<int>(at.ifindex);
    if (int error = xdp_program__attach(created, ifindex, XDP_MODE_NATIVE, 0))
        throw Error(-error, action, way_out(-error, at));
    try {
        object.hold_maps(xdp_program__fd(created)); // libxdp has only now loaded it
        if (bpf_obj_pin(xdp_program__fd(created), pin.c_str()) == 0) return describe(at.ifindex);
        throw Error(errno, fmt::format("pin {}", pin));
    } catch (const Error &) {
        xdp_program__detach(created, ifindex, XDP_MODE_NATIVE, 0);
        throw;
    }
}

void try_follow_xdp(const hl_hook &hook, const XdpObject &object, const std::string &former) {
    Silence silence;
    Program before = pinned_program(former);
    if (!before || !runs(programs_of(hook.ifindex), xdp_program__id(before.get()))) return;
    if (int error = bpf_object__load(object.object()))
        throw Error(-error, fmt::format("load an XDP program for device {}", hook.ifindex));
    if (hook.kind == HL_HOOK_XDP_ALONE) return;
    if (int error = try_freplace())
        throw Error(error,
                    fmt::format("put an XDP program beside others on device {}", hook.ifindex));
}

void follow_xdp(const hl_hook &hook, const XdpObject &object, bool first, const std::string &former,
                const std::string &pin) {
    std::string action = fmt::format("replace our XDP program on device {}", hook.ifindex);
    Silence silence;
    Program before = pinned_program(former);
    Programs now = programs_of(hook.ifindex);
    xdp_program *running = before ? find(now, xdp_program__id(before.get())) : nullptr;
    if (!running) return; // the device is gone, or somebody took it off
    if (hook.kind == HL_HOOK_XDP_ALONE) {
        if (int error = bpf_object__load(object.object())) throw Error(-error, action);
        int program =
            bpf_program__fd(bpf_object__find_program_by_name(object.object(), object.program()));
        object.hold_maps(program);
        if (bpf_obj_pin(program, pin.c_str()) < 0) throw Error(errno, fmt::format("pin {}", pin));
        return replace_alone(hook.ifindex, xdp_program__fd(before.get()), program);
    }
    Program created = open_program(object, action);
    xdp_program__set_run_prio(created.get(), xdp_program__run_prio(running) + (first ? 1 : -1));
    xdp_program__set_chain_call_enabled(created.get(), XDP_PASS, true);
    if (int error =
            xdp_program__attach(created.get(), static_cast<int>(hook.ifindex), XDP_MODE_NATIVE, 0))
        throw Error(-error, action);
    object.hold_maps(xdp_program__fd(created.get()));
    if (bpf_obj_pin(xdp_program__fd(created.get()), pin.c_str()) < 0)
        throw Error(errno, fmt::format("pin {}", pin));
}

void restore_xdp(const hl_hook &hook, const std::string &former, const std::string &pin) {
    Silence silence;
    Program before = pinned_program(former);
    if (!before) return;
    clean(hook, {xdp_program__id(before.get())});
    if (hook.kind == HL_HOOK_XDP_ALONE) {
        Program follower = pinned_program(pin);
        if (!follower || !runs(programs_of(hook.ifindex), xdp_program__id(follower.get()))) return;
        return replace_alone(hook.ifindex, xdp_program__fd(follower.get()),
                             xdp_program__fd(before.get()));
    }
    // One that came before its pin is known by its name.
    Programs all = programs_of(hook.ifindex);
    if (!all || xdp_multiprog__is_legacy(all.get())) return;
    for (xdp_program *p = nullptr; (p = xdp_multiprog__next_prog(p, all.get()));)
        if (is_named_like_ours(p) && xdp_program__id(p) != xdp_program__id(before.get()))
            return take_off(p, hook.ifindex);
}

void detach_xdp(const hl_hook &hook, const std::string &pin) {
    Silence silence;
    Program program = pinned_program(pin);
    if (program) clean(hook, {xdp_program__id(program.get())}); // of a device that is gone, too
    // Not there: the pin stays, should the device come back from another namespace with it.
    if (!program || !runs(programs_of(hook.ifindex), xdp_program__id(program.get()))) return;
    take_off(program.get(), hook.ifindex);
    if (unlink(pin.c_str()) < 0 && errno != ENOENT)
        throw Error(errno, fmt::format("unpin {}", pin));
}

void retire_xdp(const hl_hook &hook, const std::string &former, const std::string &pin) {
    detach_xdp(hook, former);
    Silence silence;
    if (Program ours = pinned_program(pin)) clean(hook, {xdp_program__id(ours.get())});
}

bool has_own_xdp(uint32_t ifindex) {
    Silence silence;
    return is_ours_alone(readable_programs_of(ifindex));
}

void remove_own_xdp(uint32_t ifindex) {
    Silence silence;
    Programs all = readable_programs_of(ifindex);
    if (!is_ours_alone(all)) return;
    if (int error = xdp_multiprog__detach(all.get()))
        throw Error(-error, fmt::format("take our XDP program off device {}", ifindex));
}

bool xdp_alive(const hl_hook &hook, const std::string &pin) {
    Silence silence;
    Program program = own<Program>(xdp_program__from_pin(pin.c_str()));
    return program && runs(readable_programs_of(hook.ifindex), xdp_program__id(program.get()));
}

} // namespace hitless
