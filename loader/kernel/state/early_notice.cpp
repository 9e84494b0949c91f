// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/state/early_notice.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <notice.skel.h>

namespace hitless {

void EarlyNotice::Free::operator()(notice_bpf *programs) const {
    notice_bpf__destroy(programs);
}
void EarlyNotice::Free::operator()(ring_buffer *bell) const {
    ring_buffer__free(bell);
}

EarlyNotice::EarlyNotice() {
    LibbpfSilence silence; // what is refused stands in variants_
    // One refused program fails the whole object.
    if (!load(true) && !load(false)) return;
    auto hear = [](void *self, void *data, size_t size) {
        const auto *reader = static_cast<EarlyNotice *>(self)->reader_;
        if (reader && size >= sizeof(hl_notice)) (*reader)(*static_cast<hl_notice *>(data));
        return 0;
    };
    bell_.reset(ring_buffer__new(bpf_map__fd(programs_->maps.bell), hear, this, nullptr));
    if (!bell_) programs_.reset(), links_.clear();
}

EarlyNotice::~EarlyNotice() = default;

/// False when nothing of it is in force.
bool EarlyNotice::load(bool functions) {
    programs_.reset(notice_bpf__open());
    if (!programs_) return false;
    auto &progs = programs_->progs;
    for (bpf_program *program : {progs.hl_no_carrier, progs.hl_unregistering})
        bpf_program__set_autoload(program, functions);
    int error = -notice_bpf__load(programs_.get());
    (functions ? variants_.functions : variants_.tracepoints) = error;
    if (error) {
        programs_.reset();
        return false;
    }
    variants_.tracepoints = 0;
    attach(functions);
    return true;
}

void EarlyNotice::attach(bool functions) {
    auto &progs = programs_->progs;
    auto open = [&](const char *tracepoint, const bpf_program *program, int &error) {
        Fd link(bpf_raw_tracepoint_open(tracepoint, bpf_program__fd(program)));
        if (!link)
            error = errno;
        else
            links_.push_back(std::move(link));
    };
    open("qdisc_reset", progs.hl_stopping, variants_.tracepoints);
    open("net_dev_xmit_timeout", progs.hl_hung, variants_.tracepoints);
    if (!functions) return;
    open(nullptr, progs.hl_no_carrier, variants_.functions);
    open(nullptr, progs.hl_unregistering, variants_.functions);
}

int EarlyNotice::fd() const {
    return bell_ ? ring_buffer__epoll_fd(bell_.get()) : -1;
}

void EarlyNotice::read(const std::function<void(const hl_notice &)> &reader) {
    if (!bell_) return;
    reader_ = &reader;
    ring_buffer__consume(bell_.get());
    reader_ = nullptr;
}

EarlyNotice::Watch::Watch(const EarlyNotice &notice, const Pair &pair) {
    uint64_t netdev = pair.state().primary.netdev;
    if (!notice.programs_ || !netdev) return;
    int map = bpf_map__fd(notice.programs_->maps.watched), state = pair.state_fd();
    if (bpf_map_update_elem(map, &netdev, &state, BPF_ANY) < 0) return; // more pairs than places
    map_ = map;
    netdev_ = netdev;
}

EarlyNotice::Watch::~Watch() {
    if (netdev_) bpf_map_delete_elem(map_, &netdev_);
}

EarlyNotice::Watch &EarlyNotice::Watch::operator=(Watch &&other) noexcept {
    std::swap(map_, other.map_);
    std::swap(netdev_, other.netdev_);
    return *this;
}

} // namespace hitless
