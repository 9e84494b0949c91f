// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/dispatcher_pins.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <string>
#include <sys/file.h>

namespace hitless {
namespace {

namespace fs = std::filesystem;

/// As libxdp looks for them.
std::string pins_of_libxdp() {
    const char *given = secure_getenv("LIBXDP_BPFFS");
    return fmt::format("{}/xdp", given ? given : "/sys/fs/bpf");
}

uint32_t running(uint32_t ifindex) {
    uint32_t id = 0;
    bpf_xdp_query_id(static_cast<int>(ifindex), XDP_FLAGS_DRV_MODE, &id);
    return id;
}

bool pins(const fs::path &dir, std::initializer_list<uint32_t> programs) {
    std::error_code gone;
    return std::ranges::any_of(fs::directory_iterator(dir, gone), [&](const auto &pin) {
        if (!pin.path().filename().string().ends_with("-prog")) return false;
        Fd program(bpf_obj_get(pin.path().c_str()));
        bpf_prog_info info{};
        uint32_t size = sizeof(info);
        return program && !bpf_obj_get_info_by_fd(program.get(), &info, &size) &&
               std::ranges::count(programs, info.id) != 0;
    });
}

} // namespace

void remove_stale_dispatchers(uint32_t ifindex, std::initializer_list<uint32_t> programs) {
    std::string root = pins_of_libxdp();
    Fd lock(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); // as libxdp does
    if (!lock) return;
    while (flock(lock.get(), LOCK_EX) < 0 && errno == EINTR) {
    }
    std::string prefix = fmt::format("dispatch-{}-", ifindex);
    std::string runs = fmt::format("{}{}", prefix, running(ifindex));
    std::error_code ignored; // whoever changes a dispatcher tries again
    for (const auto &entry : fs::directory_iterator(root, ignored)) {
        std::string name = entry.path().filename();
        if (name.starts_with(prefix) && name != runs && pins(entry.path(), programs))
            fs::remove_all(entry.path(), ignored);
    }
}

} // namespace hitless
