// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/tap_programs.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/hook.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <host.skel.h>
#include <set>
#include <sys/stat.h>

namespace hitless {
namespace {

constexpr const char *from_guest = "in", *to_guest = "out";

bpf_link_info info_of_link(int link_fd) {
    bpf_link_info info{};
    uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(link_fd, &info, &size) ? bpf_link_info{} : info;
}

/// The device of a link; 0: it is gone.
uint32_t device_of(int link_fd) {
    // info.tcx.ifindex, which these headers do not name, stands where info.xdp.ifindex does.
    return info_of_link(link_fd).xdp.ifindex;
}

std::string pin_in(const std::string &dir, const char *side, Ifindex tap) {
    return fmt::format("{}/{}_{}", dir, side, number(tap));
}

void make_dir(const std::string &dir) {
    if (mkdir(dir.c_str(), 0700) < 0 && errno != EEXIST)
        throw Error(errno, fmt::format("create {}", dir), "run as root");
}

[[noreturn]] void load_failed(int error) {
    throw Error(error, "load the programs for taps",
                error == EPERM ? "run as root, or with CAP_BPF and CAP_NET_ADMIN"
                               : "boot Linux 6.6 or later");
}

} // namespace

std::vector<uint32_t> pinned_programs(const std::string &dir, Ifindex tap) {
    std::vector<uint32_t> out;
    for (const char *side : {from_guest, to_guest}) {
        const Fd link(bpf_obj_get(pin_in(dir, side, tap).c_str()));
        if (link) out.push_back(info_of_link(link.get()).prog_id);
    }
    return out;
}

void TapPrograms::Close::operator()(host_bpf *skeleton) const {
    host_bpf__destroy(skeleton);
}

void TapPrograms::Close::operator()(ring_buffer *ring) const {
    ring_buffer__free(ring);
}

TapPrograms::TapPrograms(std::string dir) : dir_(std::move(dir)) {
    LibbpfSilence silence; // what fails comes back as an Error
    skeleton_.reset(host_bpf__open());
    if (!skeleton_) throw Error(errno, "open the built-in BPF object");
    make_dir(dir_);
    share_taps();
    if (int error = host_bpf__load(skeleton_.get())) load_failed(-error);
    pin_taps();
    ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.heard), hand_on, this, nullptr));
    if (!ring_) throw Error(errno, "map the ring of messages");
}

TapPrograms::~TapPrograms() = default;

/// An earlier daemon's map of taps, where there is one: it holds the requests.
void TapPrograms::share_taps() {
    std::string path = fmt::format("{}/taps_{}", dir_, HL_HOST_ABI_VERSION);
    Fd earlier(bpf_obj_get(path.c_str()));
    if (!earlier) return;
    if (int error = bpf_map__reuse_fd(skeleton_->maps.taps, earlier.get()))
        throw Error(-error, fmt::format("take over {}", path), fmt::format("remove {}", path));
}

void TapPrograms::pin_taps() const {
    std::string path = fmt::format("{}/taps_{}", dir_, HL_HOST_ABI_VERSION);
    if (bpf_obj_pin(bpf_map__fd(skeleton_->maps.taps), path.c_str()) < 0 && errno != EEXIST)
        throw Error(errno, fmt::format("pin {}", path));
}

int TapPrograms::fd() const {
    return ring_buffer__epoll_fd(ring_.get());
}

int TapPrograms::hand_on(void *self, void *data, size_t size) {
    const auto *heard = static_cast<const hl_tap_heard *>(data);
    if (size < sizeof(*heard)) return 0;
    const auto *bytes = reinterpret_cast<const uint8_t *>(&heard->message);
    Mac source;
    std::ranges::copy(heard->source, source.bytes.begin());
    (*static_cast<TapPrograms *>(self)->heard_)(Ifindex{heard->ifindex}, source,
                                                {bytes, sizeof(heard->message)});
    return 0;
}

void TapPrograms::read(const Heard &heard) {
    heard_ = &heard;
    ring_buffer__consume(ring_.get());
    heard_ = nullptr;
}

std::string TapPrograms::pin(const char *side, Ifindex tap) const {
    return pin_in(dir_, side, tap);
}

bool TapPrograms::keep(Ifindex tap, const std::string &shown) {
    uint32_t key = number(tap);
    hl_tap fresh{};
    if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.taps), &key, &fresh, BPF_NOEXIST) == 0)
        return true;
    if (errno == EEXIST) return false;
    throw Error(errno, fmt::format("keep {}", shown),
                errno == E2BIG ? fmt::format("a daemon serves {} taps", HL_TAPS) : "");
}

void TapPrograms::attach(Ifindex tap, const std::string &shown) {
    keep(tap, shown);
    make_dir(dir_); // somebody may have removed it, with all that was pinned there
    pin_taps();
    // The guard first: a guest is not answered before nobody else can speak to it.
    attach(tap, shown, true);
    attach(tap, shown, false);
}

void TapPrograms::attach(Ifindex tap, const std::string &shown, bool outward) {
    bpf_program *program = outward ? skeleton_->progs.hl_to_guest : skeleton_->progs.hl_from_guest;
    std::string path = pin(outward ? to_guest : from_guest, tap);
    Fd link(bpf_obj_get(path.c_str()));
    if (link && device_of(link.get()) == number(tap) &&
        bpf_link_update(link.get(), bpf_program__fd(program), nullptr) == 0)
        return;
    HookPoint at{number(tap), outward ? Direction::egress : Direction::ingress, shown};
    Fd fresh = link_tcx(at, bpf_program__fd(program));
    unlink(path.c_str()); // of a device that is gone
    if (bpf_obj_pin(fresh.get(), path.c_str()) < 0) throw Error(errno, fmt::format("pin {}", path));
}

void TapPrograms::detach(Ifindex tap) {
    for (const char *side : {from_guest, to_guest}) {
        // Detached first: the kernel frees an unpinned link by a work queue, and until then the
        // same program cannot be attached there again (EEXIST).
        Fd link(bpf_obj_get(pin(side, tap).c_str()));
        if (link) bpf_link_detach(link.get());
        if (unlink(pin(side, tap).c_str()) < 0 && errno != ENOENT)
            throw Error(errno, fmt::format("unpin {}", pin(side, tap)));
    }
    uint32_t key = number(tap);
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.taps), &key);
}

bool TapPrograms::attached(Ifindex tap) const {
    for (const char *side : {from_guest, to_guest}) {
        Fd link(bpf_obj_get(pin(side, tap).c_str()));
        if (!link || device_of(link.get()) != number(tap)) return false;
    }
    return true;
}

std::string TapPrograms::ahead(Ifindex tap) const {
    const std::pair<Direction, const bpf_program *> sides[] = {
        {Direction::egress, skeleton_->progs.hl_to_guest},
        {Direction::ingress, skeleton_->progs.hl_from_guest}};
    for (const auto &[direction, program] : sides) {
        hl_hook hook{};
        hook.ifindex = number(tap);
        hook.kind = HL_HOOK_TCX;
        std::vector<OtherProgram> others =
            programs_ahead(hook, direction, bpf_program__fd(program));
        if (!others.empty())
            return fmt::format("{} on its {}", others.front().text(),
                               direction == Direction::ingress ? "ingress" : "egress");
    }
    return "";
}

std::vector<Ifindex> TapPrograms::kept() const {
    std::vector<Ifindex> out;
    const int map = bpf_map__fd(skeleton_->maps.taps);
    for (uint32_t last = 0, key = 0; bpf_map_get_next_key(map, last ? &last : nullptr, &key) == 0;
         last = key)
        out.push_back(Ifindex{key});
    return out;
}

std::vector<Ifindex> TapPrograms::pinned() const {
    std::set<uint32_t> out;
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(dir_, ignored)) {
        std::string name = entry.path().filename();
        size_t digits = name.find('_');
        if (digits == name.npos || name.starts_with("taps")) continue;
        uint32_t index = 0;
        std::from_chars(name.data() + digits + 1, name.data() + name.size(), index);
        if (index) out.insert(index);
    }
    std::vector<Ifindex> taps;
    for (uint32_t index : out)
        taps.push_back(Ifindex{index});
    return taps;
}

hl_tap TapPrograms::counts(Ifindex tap) const {
    uint32_t key = number(tap);
    hl_tap out{};
    bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.taps), &key, &out);
    return out;
}

hl_tap_request TapPrograms::request(Ifindex tap) const {
    return static_cast<hl_tap_request>(counts(tap).request);
}

void TapPrograms::change(Ifindex tap, const std::function<void(hl_tap &)> &how) {
    uint32_t key = number(tap);
    hl_tap now{};
    int map = bpf_map__fd(skeleton_->maps.taps);
    // Counts that the programs add meanwhile may be lost; a request is not.
    if (bpf_map_lookup_elem(map, &key, &now) < 0) throw Error(errno, "keep what is requested");
    how(now);
    if (bpf_map_update_elem(map, &key, &now, BPF_EXIST) < 0)
        throw Error(errno, "keep what is requested");
}

void TapPrograms::set_request(Ifindex tap, hl_tap_request request) {
    change(tap, [request](hl_tap &kept) { kept.request = request; });
}

bool TapPrograms::given(Ifindex tap) const {
    return counts(tap).given;
}

void TapPrograms::set_given(Ifindex tap, bool given) {
    change(tap, [given](hl_tap &kept) { kept.given = given; });
}

} // namespace hitless
