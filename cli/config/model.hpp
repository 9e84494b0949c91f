// SPDX-License-Identifier: BSD-2-Clause
//
// `--model` and `--datapath`: what the user wants the guest to see, in the same words wherever a
// pair is made.
#pragma once

#include "maps/hitless_abi.h"

#include <string>

namespace CLI {
class App;
}

namespace hitless::cli {

struct ModelChoice {
    std::string model; ///< empty: what the datapath wants
    std::string datapath = "tc";

    hl_datapath chosen_datapath() const;
    hl_model chosen_model() const;
};

/// `choice` must live as long as the app.
void add_model_options(CLI::App &, ModelChoice &choice);

} // namespace hitless::cli
