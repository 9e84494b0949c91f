// SPDX-License-Identifier: BSD-2-Clause
//
// What all users of rtnetlink need to read and to make its messages. Private to kernel/.
#pragma once

#include "loader/core/types.hpp"

#include <cstring>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <optional>

namespace hitless {

// libmnl's own loops rely on C's conversion from void *.
template <typename Visit>
void each(const char *first, const char *end, Visit visit) {
    auto *attr = reinterpret_cast<const nlattr *>(first);
    auto left = [&] { return static_cast<int>(end - reinterpret_cast<const char *>(attr)); };
    for (; mnl_attr_ok(attr, left()); attr = mnl_attr_next(attr))
        visit(attr);
}

template <typename Visit>
void each_nested(const nlattr *nest, Visit visit) {
    const auto *first = static_cast<const char *>(mnl_attr_get_payload(nest));
    each(first, first + mnl_attr_get_payload_len(nest), visit);
}

/// Those behind a fixed header of type T.
template <typename T, typename Visit>
void each_of(const nlmsghdr *message, Visit visit) {
    each(static_cast<const char *>(mnl_nlmsg_get_payload_offset(message, sizeof(T))),
         static_cast<const char *>(mnl_nlmsg_get_payload_tail(message)), visit);
}

/// Null when the message is too short for one.
template <typename T>
const T *header(const nlmsghdr *message) {
    bool whole = message->nlmsg_len >= NLMSG_LENGTH(sizeof(T));
    return whole ? static_cast<const T *>(mnl_nlmsg_get_payload(message)) : nullptr;
}

/// What an attribute holds, as it is; nothing when it is too short for that.
template <typename T>
std::optional<T> whole(const nlattr *attr) {
    T out;
    if (mnl_attr_get_payload_len(attr) < sizeof(T)) return std::nullopt;
    memcpy(&out, mnl_attr_get_payload(attr), sizeof(T));
    return out;
}

/// A request about one link, without attributes.
inline nlmsghdr *link_request(char *buffer, uint16_t type, uint16_t flags, Ifindex index) {
    nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = static_cast<int>(number(index));
    return message;
}

} // namespace hitless
