// SPDX-License-Identifier: BSD-2-Clause
//
// What this machine can do, what is in the way, and what mends it. Everything is tried for real and
// nothing stays (kernel/bpf/probe.hpp). "missing": pairs cannot be made; "degraded": they can, at a
// price that the finding names.
#include "loader/engine/inspect/findings.hpp"
#include "loader/kernel/bpf/capability.hpp"
#include "loader/kernel/bpf/probe.hpp"
#include "loader/kernel/state/early_notice.hpp"
#include "loader/kernel/state/state_dir.hpp"
#include "loader/kernel/wire/prober.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <unistd.h>

namespace hitless {
namespace {

std::string reason(int error) {
    return fmt::format("{} ({})", strerror(error), error);
}

/// False when nothing else can be tried.
bool examine_privilege(Findings &out) {
    constexpr std::pair<unsigned, const char *> needed[] = {{CAP_BPF, "CAP_BPF"},
                                                            {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                                            {CAP_PERFMON, "CAP_PERFMON"},
                                                            {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}};
    std::vector<std::string> absent;
    for (const auto &[capability, name] : needed)
        if (!has_capability(capability)) absent.emplace_back(name);
    if (absent.empty())
        out.push_back(fine("privilege", "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN"));
    else
        out.push_back(missing("privilege", fmt::format("without {}", fmt::join(absent, ", ")),
                              "run as root: sudo hitless doctor"));
    return absent.empty();
}

void examine_kernel(Findings &out) {
    KernelRelease kernel = kernel_release();
    bool recent = std::pair(kernel.major, kernel.minor) >= std::pair(6u, 1u);
    out.push_back(
        recent ? fine("kernel", kernel.text)
               : missing("kernel", kernel.text + " is older than 6.1",
                         "boot Linux 6.1 or later (Debian 12: apt install linux-image-amd64)"));
    if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
        out.push_back(fine("btf", "/sys/kernel/btf/vmlinux"));
    else
        out.push_back(
            missing("btf", "the kernel does not describe its types",
                    "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it"));
}

/// Some sysctls are only seen from the first namespace.
std::string in_initial_netns(const std::string &command) {
    return hitless::in_initial_netns() ? command : "nsenter --net=/proc/1/ns/net " + command;
}

void examine_compiler(Findings &out) {
    if (programs_are_compiled().value_or(false))
        out.push_back(fine("bpf_jit", "programs run as machine code"));
    else
        out.push_back(degraded("bpf_jit", "programs are interpreted, several times slower",
                               in_initial_netns("sysctl -w net.core.bpf_jit_enable=1")));
    if (initial_net_sysctl("core/bpf_jit_harden") == 2)
        out.push_back(degraded("bpf_jit_harden",
                               "constants are blinded for root too: slower programs",
                               in_initial_netns("sysctl -w net.core.bpf_jit_harden=1")));
}

/// How frames learn that the primary is dead: variants from best to worst.
void examine_liveness(Findings &out) {
    int cast = try_liveness(HL_LIVENESS_CAST);
    int probe = try_liveness(HL_LIVENESS_PROBE_READ);
    if (!cast)
        out.push_back(
            fine("bpf_rdonly_cast", "frames ask the primary itself, at no measurable cost"));
    else if (!probe)
        out.push_back(degraded("bpf_rdonly_cast",
                               reason(cast) + "; bpf_probe_read_kernel does its work",
                               "boot Linux 6.2 or later to save some 8 ns a frame"));
    if (!probe) {
        out.push_back(
            fine("bpf_probe_read_kernel", cast ? "frames ask the primary itself" : "not needed"));
        return;
    }
    std::string remedy = "boot without lockdown=confidentiality";
    if (!cast) return out.push_back(fine("bpf_probe_read_kernel", reason(probe) + "; not needed"));
    if (int none = try_liveness(HL_LIVENESS_NETLINK))
        return out.push_back(
            missing("programs", "none can be loaded: " + reason(none),
                    "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF"));
    out.push_back(degraded("bpf_probe_read_kernel",
                           reason(probe) + "; a dead primary is only noticed by `hitless run`",
                           remedy));
}

void examine_hooks(Findings &out) {
    int tcx = try_hook(HookTry::tcx);
    int clsact = try_hook(HookTry::clsact);
    if (!tcx)
        out.push_back(fine("tcx", "programs attach by pinned links"));
    else if (!clsact)
        out.push_back(
            degraded("tcx", reason(tcx) + "; clsact does its work",
                     "boot Linux 6.6 or later to save some 300 instructions a frame and hook"));
    if (!clsact)
        out.push_back(
            fine("clsact", tcx ? "programs attach as filters" : "for NICs with filters of others"));
    else if (!tcx)
        out.push_back(degraded("clsact",
                               reason(clsact) + "; NICs with clsact filters cannot be paired",
                               "modprobe -a sch_ingress cls_bpf"));
    else
        out.push_back(missing("tcx, clsact", reason(tcx) + ", " + reason(clsact),
                              "modprobe -a sch_ingress cls_bpf, or boot Linux 6.6 or later"));
}

/// A frame that a program gives to the master passes the master's own program as well, which knows
/// it by this mark.
void examine_mark(Findings &out) {
    int error = try_mark();
    if (!error)
        out.push_back(fine("tc_index", "frames can be marked"));
    else
        out.push_back(missing("tc_index",
                              error == ENODATA
                                  ? "frames cannot be marked: those that come by the primary are "
                                    "taken for twins"
                                  : reason(error),
                              "boot a kernel with CONFIG_NET_SCHED=y, as distributions build it"));
}

void examine_state(Findings &out) {
    StateDir dir;
    if (dir.mounted()) return out.push_back(fine("bpffs", "mounted at " + dir.bpffs()));
    if (std::optional<int> pid = controller_pid())
        return out.push_back(degraded(
            "bpffs",
            fmt::format("{} was unmounted under process {}: its pairs end when it does, and no "
                        "command sees them",
                        dir.bpffs(), *pid),
            restart));
    if (int error = try_bpffs())
        return out.push_back(missing(
            "bpffs", "cannot be mounted: " + reason(error),
            fmt::format("where it may be, outside a container: mkdir -p {0} && mount -t bpf "
                        "hitless {0}",
                        dir.bpffs())));
    out.push_back(fine("bpffs", "can be mounted at " + dir.bpffs()));
}

/// How black holes are found.
void examine_probing(Findings &out) {
    if (Prober().may_ask())
        out.push_back(fine("probing", "neighbours can be asked through either NIC"));
    else
        out.push_back(degraded("probing", "without CAP_NET_RAW a path is only known by its carrier",
                               "run as root, or add CAP_NET_RAW"));
}

/// How a controller learns that a primary is being taken away: function entry, tracepoints, link
/// events. Each variant alone would do.
void examine_notice(Findings &out) {
    auto say = [&](const char *what, int error, const char *gain, const char *loss) {
        out.push_back(fine(what, error ? reason(error) + "; " + loss : gain));
    };
    const EarlyNotice::Variants variants = EarlyNotice().variants();
    say("fentry", variants.functions,
        "`hitless run` hears of carrier loss and removal as they begin",
        "tracepoints or link events tell `hitless run` a little later");
    say("tracepoints", variants.tracepoints,
        "`hitless run` hears of a lost primary before its driver stops it",
        "`hitless run` hears of a lost primary by link events, when its driver has stopped it");
}

} // namespace

std::vector<Finding> examine_machine() {
    Findings out;
    bool privileged = examine_privilege(out);
    examine_kernel(out);
    if (!privileged) return out;
    examine_compiler(out);
    examine_liveness(out);
    examine_hooks(out);
    examine_mark(out);
    examine_state(out);
    examine_room(out);
    examine_probing(out);
    examine_notice(out);
    examine_pairs(out);
    examine_remains(out);
    examine_nics(out);
    examine_names(out);
    examine_datapaths(out);
    return out;
}

} // namespace hitless
