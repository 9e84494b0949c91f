// SPDX-License-Identifier: BSD-2-Clause
//
// Whatever a client sends to the control socket of a guest or of a host: no crash, no verb from
// anybody but root, and every answer is JSON that ends with NUL.
#include "cli/serve/host_varlink.hpp"
#include "cli/serve/varlink.hpp"

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

using namespace hitless;
using namespace hitless::cli;

namespace {

bool acted = false;

std::unique_ptr<VarlinkService> guest() {
    return std::make_unique<Varlink>(Varlink::Backend{
        [] { return std::vector<PairStatus>(2); },
        [] {
            return std::vector<Flip>{{"eth0", Instant(1), true, 3, HL_ACTOR_DATAPATH, {}, {}}};
        },
        [](const std::string &standby, Target) {
            acted = true;
            if (standby == "eth1") throw Error(ENOENT, "switch eth1");
        }});
}

std::unique_ptr<VarlinkService> host() {
    auto service = std::make_unique<HostVarlink>(
        HostVarlink::Backend{[] {
                                 std::vector<GuestStatus> guests(2);
                                 guests[1].spec.name = "web1";
                                 return guests;
                             },
                             [](const std::string &name, bool) {
                                 acted = true;
                                 if (name != "web1") throw Error(ENOENT, "guest " + name);
                             },
                             [] { return std::vector<std::string>{"a file is left out"}; }});
    service->add({});
    return service;
}

void must(bool holds) {
    if (!holds) abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    Peer peer{data[0] % 2u};
    auto service = data[0] & 2 ? host() : guest();
    std::string input(reinterpret_cast<const char *>(data) + 1, size - 1);
    while (size_t length = service->length(input)) {
        must(length <= input.size());
        acted = false;
        Protocol::Answer answer = service->answer(std::string_view(input).substr(0, length), peer);
        must(!acted || peer.uid == 0);
        if (!answer.text.empty()) {
            must(answer.text.back() == '\0');
            answer.text.pop_back();
            must(nlohmann::json::parse(answer.text).is_object());
        }
        input.erase(0, length);
    }
    return 0;
}
