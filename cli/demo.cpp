// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"

namespace hitless::cli {
Run setup_demo(CLI::App &) {
    return [](Env &) { return exit_failed; };
}
} // namespace hitless::cli
