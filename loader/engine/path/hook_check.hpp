// SPDX-License-Identifier: BSD-2-Clause
//
// Whether frames come by our programs, seen by sending one: a frame that left as the guest's do
// must have moved what our egress program counts, and a neighbour's answer what our program on that
// NIC counts. Waits a quarter of a second at most, and no longer than the answers take.
#pragma once

#include "loader/engine/members/members.hpp"
#include "loader/kernel/wire/prober.hpp"

namespace hitless {

enum class Reached {
    yes,
    no,      ///< frames pass ours by
    some,    ///< some frames do, of one protocol say
    unknown, ///< no frame could be had
};

class HookCheck {
  public:
    HookCheck(const Pair &, PairNamespaces &, const Members &);
    ~HookCheck(); ///< moves the network's tables back to the path in use
    HookCheck(const HookCheck &) = delete;
    HookCheck &operator=(const HookCheck &) = delete;

    Reached check_egress();
    /// Some frames pass ours by: they leave by the standby while the primary is in use. Looks for a
    /// moment; false where that cannot be seen, since the standby is not the master.
    bool frames_bypass_egress();
    /// Every kind of question is asked: a program may end the chain for one protocol alone.
    Reached check_ingress(hl_role);
    /// What the primary has received is judged once more on the standby, which is the master, since
    /// the mark by which our program knows such frames is gone: what looks like a second copy is
    /// dropped. Takes as long as a driver may take to count, but only where that is so.
    bool judges_frames_twice();
    /// Some frames that ours leads to the primary never reach its driver. Looks for a few moments
    /// while frames flow; false where they do not, or the driver counts too rarely to tell.
    bool frames_end_at_primary();
    /// None of some that are sent now reaches it. Takes as long as a driver may take to count, but
    /// only where none does.
    bool no_frame_reaches_primary();

  private:
    uint64_t count(std::initializer_list<hl_counter>) const;
    const Link &nic(hl_role) const;
    uint64_t received(hl_role) const;
    uint64_t sent_by_primary() const;

    const Pair &pair_;
    PairNamespaces &namespaces_;
    const Members &members_;
    Prober prober_;
    bool asked_ = false;
};

} // namespace hitless
