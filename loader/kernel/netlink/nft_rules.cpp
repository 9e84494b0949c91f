// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/nft_rules.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <cerrno>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
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

/// Asks for all objects of a kind. 0, or the kernel's errno.
int ask(mnl_socket *socket, uint16_t kind, const std::string &device, bool &found) {
    char request[256];
    nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | kind);
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = kind;
    auto *family = static_cast<nfgenmsg *>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    family->nfgen_family = AF_UNSPEC; // every one
    family->version = NFNETLINK_V0;
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return errno;
    struct Looked {
        const std::string &device;
        bool &found;
    } looked{device, found};
    auto visit = [](const nlmsghdr *part, void *data) {
        auto *for_it = static_cast<Looked *>(data);
        for_it->found |= holds(part, for_it->device);
        return MNL_CB_OK;
    };
    std::vector<char> buffer(1 << 16);
    while (true) {
        ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
        if (size < 0) return errno;
        int more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), kind, 0, visit, &looked);
        if (more < 0) return errno;
        if (more == 0) return 0;
    }
}

} // namespace

bool nftables_name(const std::string &device) {
    MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
    if (!socket) return false; // a kernel without netfilter
    if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        throw Error(errno, "bind a socket to netfilter");
    bool found = false;
    for (uint16_t kind : {NFT_MSG_GETCHAIN, NFT_MSG_GETRULE}) {
        int error = 0;
        for (int again = 5; again > 0; again--) // changes interrupted it
            if (error = ask(socket.get(), kind, device, found); error != EINTR) break;
        if (error == EOPNOTSUPP || error == EINVAL || error == EPERM) return false;
        if (error) throw Error(error, "list the rules of nftables");
    }
    return found;
}

} // namespace hitless
