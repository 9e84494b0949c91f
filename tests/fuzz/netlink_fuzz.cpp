// SPDX-License-Identifier: BSD-2-Clause
//
// Bytes as the kernel's link group might send them: nothing is read beyond them.
#include "loader/kernel/netlink/decode.hpp"

#include <cstdint>
#include <cstring>
#include <linux/netlink.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // As received: aligned, and as long as it is.
    std::vector<uint64_t> buffer((size + 7) / 8);
    auto *bytes = reinterpret_cast<char *>(buffer.data());
    if (size) memcpy(bytes, data, size);
    hitless::decode_links(
        bytes, size, [](const hitless::Link &) {}, [](hitless::Ifindex) {}, [](hitless::Ifindex) {},
        [](hitless::Ifindex) {});
    const auto *message = reinterpret_cast<const nlmsghdr *>(bytes);
    if (size >= sizeof(nlmsghdr) && message->nlmsg_len >= sizeof(nlmsghdr) &&
        message->nlmsg_len <= size) {
        hitless::decode_neighbour(message, hitless::Ifindex{1});
        hitless::decode_filter(message);
        hitless::decode_qdisc(message);
        hitless::decode_address(message, hitless::Ifindex{1});
        hitless::decode_gateway(message);
        hitless::decode_virtual_functions(message);
    }
    return 0;
}
