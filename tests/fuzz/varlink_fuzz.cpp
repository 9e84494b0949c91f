// SPDX-License-Identifier: BSD-2-Clause
//
// Whatever a client sends to the control socket: no crash, no verb from anybody but root, and every
// answer is JSON that ends with NUL.
#include "cli/serve/varlink.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace hitless;
using namespace hitless::cli;

namespace {

bool steered = false;

Varlink::Backend backend() {
    return {[] { return std::vector<PairStatus>(2); },
            [] {
                return std::vector<Flip>{{"eth0", Instant(1), true, 3, HL_ACTOR_DATAPATH, {}, {}}};
            },
            [](const std::string &standby, Target) {
                steered = true;
                if (standby == "eth1") throw Error(ENOENT, "switch eth1");
            }};
}

void must(bool holds) {
    if (!holds) abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    Peer peer{data[0] % 2u};
    std::string input(reinterpret_cast<const char *>(data) + 1, size - 1);
    Varlink varlink(backend());
    while (size_t length = varlink.length(input)) {
        must(length <= input.size());
        steered = false;
        Protocol::Answer answer = varlink.answer(std::string_view(input).substr(0, length), peer);
        must(!steered || peer.uid == 0);
        if (!answer.text.empty()) {
            must(answer.text.back() == '\0');
            answer.text.pop_back();
            must(nlohmann::json::parse(answer.text).is_object());
        }
        input.erase(0, length);
    }
    return 0;
}
