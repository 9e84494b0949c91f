// SPDX-License-Identifier: BSD-2-Clause
//
// The programs on a hypervisor's taps (bpf/host.bpf.c): what guests say comes out of them, and
// nobody but us says anything to a guest. Their links and the map of taps are pinned in a directory
// of ours. So the guard stands, and requests are kept, while no daemon runs; the next one puts its
// own programs into the same links, without a gap.
//
//   TapPrograms programs(dir);          // which is on a bpffs
//   programs.attach(tap, "vnet3");
//   poll(programs.fd());
//   programs.read([](Ifindex tap, const Mac &source, std::span<const uint8_t> message) { ... });
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/fd.hpp"
#include "maps/hitless_host.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct host_bpf;
struct ring_buffer;

namespace hitless {

/// The numbers of the programs that are pinned for a tap in such a directory. Their names the
/// kernel tells only who has CAP_SYS_ADMIN, and a confined daemon has not.
std::vector<uint32_t> pinned_programs(const std::string &dir, Ifindex tap);

class TapPrograms {
  public:
    /// Loads the programs and makes the directory, or takes over what an earlier process left
    /// there. Throws Error: EPERM, or EOPNOTSUPP where the kernel has no tcx.
    explicit TapPrograms(std::string dir);
    ~TapPrograms(); ///< what is attached stays

    /// Readable when a guest has said something.
    int fd() const;
    using Heard = std::function<void(Ifindex, const Mac &source, std::span<const uint8_t> message)>;
    /// All that was said since; messages without their Ethernet header. Never blocks.
    void read(const Heard &);

    /// Begins to keep counts and what is requested of a tap. True when nothing was kept of it: it
    /// is a new one, or what was kept is lost.
    bool keep(Ifindex, const std::string &shown);
    /// Both directions of one tap that is kept, idempotent. `shown` names it in errors.
    void attach(Ifindex, const std::string &shown);
    /// Takes the programs, the request and the counts away. Quiet when there is nothing.
    void detach(Ifindex);
    /// True while both programs run there.
    bool attached(Ifindex) const;
    /// Other people's program that sees the guest's messages, or those to it, before ours does, and
    /// may keep them from it; "" when there is none.
    std::string ahead(Ifindex) const;
    /// Taps with pins of ours, whether the device is still there or not.
    std::vector<Ifindex> pinned() const;
    /// Taps of which something is kept: counts, and what is requested. Likewise.
    std::vector<Ifindex> kept() const;

    /// As it was set for this tap, by whichever process. NONE: never, or the tap is a new one.
    hl_tap_request request(Ifindex) const;
    void set_request(Ifindex, hl_tap_request); ///< throws ENOENT for a tap without our programs
    /// Whether the guest may send by its primary, as far as any process has heard.
    bool given(Ifindex) const;
    void set_given(Ifindex, bool); ///< likewise
    /// All zero for a tap without our programs.
    hl_tap counts(Ifindex) const;

  private:
    struct Close {
        void operator()(host_bpf *) const;
        void operator()(ring_buffer *) const;
    };
    std::string pin(const char *side, Ifindex) const;
    void attach(Ifindex, const std::string &shown, bool to_guest);
    void pin_taps() const;
    void change(Ifindex, const std::function<void(hl_tap &)> &);
    void share_taps();
    static int hand_on(void *self, void *data, size_t size);

    std::string dir_;
    std::unique_ptr<host_bpf, Close> skeleton_;
    std::unique_ptr<ring_buffer, Close> ring_;
    const Heard *heard_ = nullptr; ///< while read() runs
};

} // namespace hitless
