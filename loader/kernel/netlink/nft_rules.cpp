// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/nft_rules.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/netlink/message.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <set>
#include <string_view>

namespace hitless {
namespace {

/// The whole name, up to its NUL: "vnet1" is not in "vnet12". A rule holds it as the value that a
/// comparison has, a chain as a string (net/netfilter/nft_meta.c, nf_tables_api.c).
bool holds(const nlmsghdr *message, const std::string &device) {
    std::string_view bytes(static_cast<const char *>(mnl_nlmsg_get_payload(message)),
                           mnl_nlmsg_get_payload_len(message));
    size_t whole = device.size() + 1; // with the NUL
    for (size_t at = bytes.find(device); at != bytes.npos; at = bytes.find(device, at + 1))
        if (at + whole <= bytes.size() && bytes[at + device.size()] == '\0') return true;
    return false;
}

using Visit = std::function<void(const nlmsghdr *)>;

/// Asks for all objects of a kind. 0, or the kernel's errno.
int ask(mnl_socket *socket, uint16_t kind, const Visit &each) {
    char request[256];
    nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | kind);
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = kind;
    auto *family = static_cast<nfgenmsg *>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    family->nfgen_family = AF_UNSPEC; // every one
    family->version = NFNETLINK_V0;
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return errno;
    auto visit = [](const nlmsghdr *part, void *data) {
        (*static_cast<const Visit *>(data))(part);
        return MNL_CB_OK;
    };
    std::vector<char> buffer(1 << 16);
    while (true) {
        ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
        if (size < 0) return errno;
        int more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), kind, 0, visit,
                              const_cast<void *>(static_cast<const void *>(&each)));
        if (more < 0) return errno;
        if (more == 0) return 0;
    }
}

/// False where the kernel has no nftables or they may not be read.
bool list(uint16_t kind, const Visit &each) {
    MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
    if (!socket) return false; // a kernel without netfilter
    if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        throw Error(errno, "bind a socket to netfilter");
    int error = 0;
    for (int again = 5; again > 0; again--) // changes interrupted it
        if (error = ask(socket.get(), kind, each); error != EINTR) break;
    if (error == EOPNOTSUPP || error == EINVAL || error == EPERM) return false;
    if (error) throw Error(error, "list the rules of nftables");
    return true;
}

/// Up to the first zero, which need not be there.
std::string text_in(const nlattr *attr) {
    const auto *first = static_cast<const char *>(mnl_attr_get_payload(attr));
    return {first, strnlen(first, mnl_attr_get_payload_len(attr))};
}

/// Its hook is for frames that come in or leave by the device, which is one of its own. All hooks
/// of the family netdev are.
bool is_of_device(uint8_t family, const nlattr *hook, const std::string &device) {
    bool of_link = family == NFPROTO_NETDEV, of_device = false;
    auto named = [&](const nlattr *name) { of_device |= device == text_in(name); };
    each_nested(hook, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case NFTA_HOOK_HOOKNUM:
            of_link |= family == NFPROTO_INET && ntohl(mnl_attr_get_u32(attr)) == NF_INET_INGRESS;
            break;
        case NFTA_HOOK_DEV: named(attr); break;
        case NFTA_HOOK_DEVS:
            each_nested(attr, [&](const nlattr *one) {
                if (mnl_attr_get_type(one) == NFTA_DEVICE_NAME) named(one);
            });
            break;
        default: break;
        }
    });
    return of_link && of_device;
}

} // namespace

bool nftables_name(const std::string &device) {
    bool found = false;
    auto look = [&](const nlmsghdr *message) { found |= holds(message, device); };
    return list(NFT_MSG_GETCHAIN, look) && list(NFT_MSG_GETRULE, look) && found;
}

std::vector<std::string> nftables_chains(const std::string &device) {
    std::set<std::string> out;
    list(NFT_MSG_GETCHAIN, [&](const nlmsghdr *message) {
        const auto *info = header<nfgenmsg>(message);
        if (!info) return;
        const uint8_t family = info->nfgen_family;
        std::string table, name;
        bool ours = false;
        each_of<nfgenmsg>(message, [&](const nlattr *attr) {
            switch (mnl_attr_get_type(attr)) {
            case NFTA_CHAIN_TABLE: table = text_in(attr); break;
            case NFTA_CHAIN_NAME: name = text_in(attr); break;
            case NFTA_CHAIN_HOOK: ours = is_of_device(family, attr, device); break;
            default: break;
            }
        });
        if (ours)
            out.insert(fmt::format("{} {} {}", family == NFPROTO_INET ? "inet" : "netdev",
                                   shell_quoted(table), shell_quoted(name)));
    });
    return {out.begin(), out.end()};
}

} // namespace hitless
