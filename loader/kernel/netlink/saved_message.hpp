// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's messages about one device, kept to be said again about another. Private to kernel/.
#pragma once

#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <cerrno>
#include <optional>
#include <type_traits>
#include <vector>

namespace hitless {

using Message = std::vector<char>;

constexpr uint16_t create = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;

inline nlmsghdr *head(Message &message) {
    return reinterpret_cast<nlmsghdr *>(message.data());
}

inline const nlmsghdr *head(const Message &message) {
    return reinterpret_cast<const nlmsghdr *>(message.data());
}

template <typename T>
T *own(nlmsghdr *message) {
    return static_cast<T *>(mnl_nlmsg_get_payload(message));
}

/// Of an attribute in a message that is ours to change.
inline uint32_t *value_of(const nlattr *attr) {
    return static_cast<uint32_t *>(
        const_cast<void *>(static_cast<const void *>(mnl_attr_get_payload(attr))));
}

inline Message copy(const nlmsghdr *message) {
    const char *bytes = reinterpret_cast<const char *>(message);
    Message out(bytes, bytes + message->nlmsg_len);
    out.resize(message->nlmsg_len + 64); // room for an attribute more
    return out;
}

/// Every message of a dump that `wanted` takes. Throws Error; a family that the kernel does not
/// have has none. `flags`: of neighbours (NTF_PROXY for proxy entries).
template <typename Header, typename Wanted>
std::vector<Message> dump(Rtnl &rtnl, uint16_t type, uint8_t family, Ifindex index, Wanted wanted,
                          unsigned flags = 0) {
    char buffer[128] = {};
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(Header));
    *static_cast<uint8_t *>(mnl_nlmsg_get_payload(request)) = family; // first in all of them
    if constexpr (std::is_same_v<Header, tcmsg>)
        own<tcmsg>(request)->tcm_ifindex = static_cast<int>(number(index));
    if constexpr (std::is_same_v<Header, ndmsg>)
        own<ndmsg>(request)->ndm_flags = static_cast<uint8_t>(flags);
    std::vector<Message> out;
    int error = rtnl.dump(request, out, [&](const nlmsghdr *m) {
        return wanted(m) ? std::optional(copy(m)) : std::nullopt;
    });
    if (error && error != EOPNOTSUPP && error != EAFNOSUPPORT)
        throw Error(error, "read a device's settings");
    return out;
}

} // namespace hitless
