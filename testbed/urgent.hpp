// SPDX-License-Identifier: BSD-2-Clause
//
// Threads that stand in for hardware or for time itself (the cable, the sender's clock) must run
// when they want to, or a busy machine looks like a bad network. They do little, and never spin.
#pragma once

#include <sched.h>
#include <sys/resource.h>

namespace hitless::testbed {

/// The calling thread goes before ordinary ones, where we may (CAP_SYS_NICE); else nothing changes.
/// A nice value alone counts among the threads of one session (autogroup of sched(7)), and other
/// sessions may keep all CPUs busy.
inline void run_urgently() {
    const sched_param lowest{.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0) return;
    setpriority(PRIO_PROCESS, 0, -20); // on Linux, 0 is this thread and not the process
}

} // namespace hitless::testbed
