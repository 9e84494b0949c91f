// SPDX-License-Identifier: BSD-2-Clause
//
// Threads that stand in for hardware or for time itself (the cable, the sender's clock) must run
// when they want to, or a busy machine looks like a bad network. They do little, and never spin.
#pragma once

#include <sys/resource.h>

namespace hitless::testbed {

/// The calling thread goes before ordinary ones, where we may (CAP_SYS_NICE); else nothing changes.
inline void run_urgently() {
    setpriority(PRIO_PROCESS, 0, -20); // on Linux, 0 is this thread and not the process
}

} // namespace hitless::testbed
