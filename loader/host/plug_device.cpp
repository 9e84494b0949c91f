// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/plug_device.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <nlohmann/json.hpp>

namespace hitless {

std::string text_in(const nlohmann::json &object, const char *key) {
    if (!object.is_object()) return "";
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

nlohmann::json parse_plug_device(const std::string &text) {
    nlohmann::json out = nlohmann::json::parse(text, nullptr, false);
    if (text_in(out, "driver").empty() || text_in(out, "id").empty())
        throw Error(EINVAL, "read `device`", "it is no JSON object with `driver` and `id`",
                    R"(write it as for device_add: '{"driver":"vfio-pci","id":"primary",...}')");
    return out;
}

} // namespace hitless
