// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/xsk.hpp"
#include "loader/core/error.hpp"

#include <cstdlib>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

namespace hitless::selftest {
namespace {

constexpr std::uint32_t frames = 2048, frame_size = XSK_UMEM__DEFAULT_FRAME_SIZE;

/// Answers to the controller's questions come to this socket as well.
bool is_udp(const std::uint8_t *frame, std::uint32_t size) {
    constexpr std::uint32_t protocol = 14 + 9;
    return size > protocol && frame[12] == 8 && frame[13] == 0 && frame[protocol] == 17;
}

} // namespace

struct XdpSocket::State {
    std::unique_ptr<void, decltype(&std::free)> area{
        std::aligned_alloc(4096, std::size_t{frames} * frame_size), &std::free};
    xsk_ring_prod fill{};
    xsk_ring_cons completion{}, rx{};
    xsk_umem *umem = nullptr;
    xsk_socket *socket = nullptr;
    std::uint64_t received = 0;

    ~State() {
        if (socket) xsk_socket__delete(socket);
        if (umem) xsk_umem__delete(umem);
    }
};

XdpSocket::XdpSocket(const char *ifname) : state_(std::make_unique<State>()) {
    State &s = *state_;
    libxdp_set_print(nullptr);
    xsk_umem_config memory{};
    memory.fill_size = memory.comp_size = frames;
    memory.frame_size = frame_size;
    if (int error = xsk_umem__create(&s.umem, s.area.get(), std::uint64_t{frames} * frame_size,
                                     &s.fill, &s.completion, &memory))
        throw Error(-error, "make the memory of an AF_XDP socket");
    xsk_socket_config config{};
    config.rx_size = config.tx_size = frames;
    config.bind_flags = XDP_COPY;
    if (int error = xsk_socket__create(&s.socket, ifname, 0, s.umem, &s.rx, nullptr, &config))
        throw Error(-error, "make an AF_XDP socket");
    std::uint32_t at = 0;
    xsk_ring_prod__reserve(&s.fill, frames, &at);
    for (std::uint32_t i = 0; i < frames; i++)
        *xsk_ring_prod__fill_addr(&s.fill, at + i) = std::uint64_t{i} * frame_size;
    xsk_ring_prod__submit(&s.fill, frames);
}

XdpSocket::~XdpSocket() = default;
XdpSocket::XdpSocket(XdpSocket &&) noexcept = default;

void XdpSocket::poll() {
    State &s = *state_;
    std::uint32_t from = 0, to = 0;
    const std::uint32_t got = xsk_ring_cons__peek(&s.rx, frames, &from);
    if (got == 0 || xsk_ring_prod__reserve(&s.fill, got, &to) != got) return;
    for (std::uint32_t i = 0; i < got; i++) { // each frame's place is free again
        const xdp_desc *frame = xsk_ring_cons__rx_desc(&s.rx, from + i);
        s.received +=
            is_udp(static_cast<const std::uint8_t *>(xsk_umem__get_data(s.area.get(), frame->addr)),
                   frame->len);
        *xsk_ring_prod__fill_addr(&s.fill, to + i) = frame->addr;
    }
    xsk_ring_prod__submit(&s.fill, got);
    xsk_ring_cons__release(&s.rx, got);
}

std::uint64_t XdpSocket::received() const {
    return state_->received;
}

} // namespace hitless::selftest
