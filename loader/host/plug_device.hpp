// SPDX-License-Identifier: BSD-2-Clause
//
// What is plugged: the arguments of QEMU's device_add, as an administrator wrote them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hitless {

/// Throws Error when it is no JSON object with a `driver` and an `id`, by which it is unplugged.
nlohmann::json parse_plug_device(const std::string &text);

/// A string of an object; "" where there is none.
std::string text_in(const nlohmann::json &object, const char *key);

} // namespace hitless
