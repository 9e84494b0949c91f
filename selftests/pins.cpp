// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/pins.hpp"

#include "loader/kernel/fd.hpp"
#include "selftests/product.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace hitless::selftest {

namespace fs = std::filesystem;

std::string bpffs() {
    return PrivateState::dir() + "/bpf";
}

std::vector<fs::path> pins() {
    std::vector<fs::path> out;
    for (const auto &entry : fs::recursive_directory_iterator(bpffs()))
        if (entry.is_regular_file() &&
            entry.path().filename().string().find('.') == std::string::npos)
            out.push_back(entry.path());
    return out;
}

/// Told apart by the name of what the pin opens.
Ids pinned_ids() {
    Ids ids;
    for (const fs::path &pin : pins()) {
        const Fd fd(bpf_obj_get(pin.c_str()));
        const std::string kind =
            fs::read_symlink(fmt::format("/proc/self/fd/{}", fd.get())).string();
        const auto note = [&](const char *name, auto info, auto id, std::set<std::uint32_t> &to) {
            std::uint32_t size = sizeof info;
            if (kind.find(name) != kind.npos && !bpf_obj_get_info_by_fd(fd.get(), &info, &size))
                to.insert(info.*id);
        };
        note("bpf-prog", bpf_prog_info{}, &bpf_prog_info::id, ids.programs);
        note("bpf-map", bpf_map_info{}, &bpf_map_info::id, ids.maps);
        note("bpf-link", bpf_link_info{}, &bpf_link_info::id, ids.links);
    }
    return ids;
}

std::set<std::uint32_t> linked_programs() {
    std::set<std::uint32_t> out;
    for (const fs::path &pin : pins()) {
        if (!pin.filename().string().starts_with("link_")) continue;
        const Fd link(bpf_obj_get(pin.c_str()));
        bpf_link_info info{};
        std::uint32_t size = sizeof info;
        if (link && !bpf_obj_get_info_by_fd(link.get(), &info, &size)) out.insert(info.prog_id);
    }
    return out;
}

std::uint64_t counted(hl_counter which) {
    const Fd map(bpf_obj_get((pins().front().parent_path() / "counters").c_str()));
    std::vector<hl_counters> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const std::uint32_t zero = 0;
    if (!map || bpf_map_lookup_elem(map.get(), &zero, each.data()) < 0) return 0;
    std::uint64_t sum = 0;
    for (const hl_counters &cpu : each)
        sum += cpu.frames[which];
    return sum;
}

std::uint32_t map_id(const fs::path &pin) {
    const Fd fd(bpf_obj_get(pin.c_str()));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    return fd && !bpf_obj_get_info_by_fd(fd.get(), &info, &size) ? info.id : 0;
}

std::set<std::uint32_t> programs_with(std::uint32_t map) {
    std::set<std::uint32_t> with;
    for (const std::uint32_t program : pinned_ids().programs) {
        const Fd fd(bpf_prog_get_fd_by_id(program));
        std::uint32_t maps[64] = {};
        bpf_prog_info info{};
        info.nr_map_ids = std::size(maps);
        info.map_ids = reinterpret_cast<std::uintptr_t>(maps);
        std::uint32_t size = sizeof info;
        if (fd && !bpf_obj_get_info_by_fd(fd.get(), &info, &size) &&
            std::ranges::find(maps, map) != std::end(maps))
            with.insert(program);
    }
    return with;
}

bool gone(const Ids &ids) {
    const auto none = [](const std::set<std::uint32_t> &all, int (*open)(std::uint32_t)) {
        return std::ranges::none_of(all, [&](auto id) { return bool(Fd(open(id))); });
    };
    return none(ids.programs, bpf_prog_get_fd_by_id) && none(ids.maps, bpf_map_get_fd_by_id) &&
           none(ids.links, bpf_link_get_fd_by_id);
}

} // namespace hitless::selftest
