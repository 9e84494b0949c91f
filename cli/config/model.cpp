// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/model.hpp"
#include "loader/core/models.hpp"

#include <CLI/CLI.hpp>

namespace hitless::cli {

hl_datapath ModelChoice::chosen_datapath() const {
    return datapath == "xdp" ? HL_DATAPATH_XDP : HL_DATAPATH_TC;
}

hl_model ModelChoice::chosen_model() const {
    const bool xdp = chosen_datapath() == HL_DATAPATH_XDP;
    return model_named(model).value_or(xdp ? HL_MODEL_THREE : HL_MODEL_TWO);
}

void add_model_options(CLI::App &app, ModelChoice &choice) {
    app.add_option("--model", choice.model, "what the guest sees")
        ->check(CLI::IsMember({"two", "three", "hidden", "one"}))
        ->default_str("two, with xdp three");
    app.add_option("--datapath", choice.datapath, "tc, or xdp for guests that forward")
        ->check(CLI::IsMember({"tc", "xdp"}))
        ->capture_default_str();
}

} // namespace hitless::cli
