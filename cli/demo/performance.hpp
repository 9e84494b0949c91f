// SPDX-License-Identifier: BSD-2-Clause
//
// Plays the story on the stage and judges each event by the frames sent while it happened.
#pragma once

#include "cli/demo/event.hpp"
#include "cli/demo/progress.hpp"
#include "cli/demo/spec.hpp"
#include "cli/demo/timeline.hpp"
#include "testbed/bulk.hpp"

#include <optional>

namespace hitless::cli::demo {

class Stage;

struct Report {
    std::vector<Row> rows;
    testbed::BulkReport tcp_up, tcp_down;
    std::vector<std::string> failures; ///< those of the rows ("event: ..."), and TCP's
    std::string setting;               ///< "veth, 20000 frames/s each way, Linux 6.12.1, ..."
    std::uint64_t start_ns = 0, end_ns = 0;
    Timeline timeline;

    bool ok() const { return failures.empty(); }
};

/// Throws Interrupted when a signal comes, Error when the stage itself cannot be built.
Report perform(const Spec &, Progress &);

} // namespace hitless::cli::demo
