// SPDX-License-Identifier: BSD-2-Clause
//
// What this kernel lets us do, learnt by doing it where it leaves no trace: programs are loaded and
// dropped, hooks are tried in a child's own network namespace, a mount in its own mount namespace.
// Each try_*() returns 0 or a positive errno. None of it is on the way of a frame or of attach.
#pragma once

#include "maps/hitless_abi.h"

#include <cstdint>
#include <optional>
#include <string>

namespace hitless {

struct KernelRelease {
    std::string text; ///< "6.1.0-28-amd64"
    unsigned major = 0, minor = 0;
};
KernelRelease kernel_release();

/// Loads all programs of a pair with this variant of liveness.
int try_liveness(hl_liveness);

/// Attaches an ingress program to the loopback of a new network namespace.
enum class HookTry { tcx, clsact };
int try_hook(HookTry);

/// Marks a frame (skb->tc_index) and reads the mark again. A kernel without CONFIG_NET_SCHED has no
/// room for one, and the store is nothing: ENODATA.
int try_mark();

/// Mounts a bpffs in a new mount namespace.
int try_bpffs();

/// Whether programs are translated to machine code; nothing when none can be loaded.
std::optional<bool> programs_are_compiled();

/// Whether the caller is in the machine's first network namespace, which alone has some sysctls.
bool in_initial_netns();

/// A number from /proc/sys/net of the machine's first namespace, which other ones do not show.
std::optional<int> initial_net_sysctl(const std::string &path);

/// The XDP program on a device, and the word by which `ip link` takes it off.
struct XdpProgram {
    uint32_t id;
    const char *mode; ///< "xdpdrv", "xdpgeneric" or "xdpoffload"
};
std::optional<XdpProgram> xdp_program(uint32_t ifindex);

/// "NetworkManager" or "systemd-networkd", where one of them configures the device; else "".
std::string configured_by(uint32_t ifindex);

} // namespace hitless
