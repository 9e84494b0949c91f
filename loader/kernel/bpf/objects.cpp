// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/objects.hpp"
#include "loader/core/error.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace hitless {
namespace {

struct PinName {
    const char *name;
    Fd Objects::*fd;
};
constexpr PinName pin_names[] = {
    {"pair", &Objects::pair},
    {"nics", &Objects::nics},
    {"counters", &Objects::counters},
    {"bell", &Objects::bell},
    {"twins", &Objects::twins},
    {"knobs", &Objects::knobs},
    {"ports", &Objects::ports},
    {"egress", &Objects::egress},
    {"ingress_primary", &Objects::ingress_primary},
    {"ingress_standby", &Objects::ingress_standby},
    {"bounce", &Objects::bounce},
    {"resolve", &Objects::resolve},
    {"ring", &Objects::ring},
};

/// Some models lack it.
bool is_optional(const PinName &pin) {
    return pin.fd == &Objects::ports || pin.fd == &Objects::bounce;
}

template <typename MayLack>
Objects open_all(const std::string &dir, MayLack may_lack) {
    Objects out;
    for (const PinName &pin : pin_names) {
        try {
            out.*pin.fd = open_pin(dir, pin.name);
        } catch (const Error &error) {
            if (error.code() != ENOENT || !may_lack(pin)) throw;
        }
    }
    return out;
}

/// Of a pin that cannot be opened.
std::string way_out(int error, const std::string &dir) {
    if (error == ENOENT && access(dir.c_str(), F_OK) != 0)
        return "the pair was detached meanwhile: `hitless status` shows what there is";
    if (error == ENOENT)
        return fmt::format("the pair is incomplete: `hitless detach {}` removes it",
                           dir.substr(dir.rfind('/') + 1));
    std::string_view shortage = way_out_of_shortage(error);
    return std::string(shortage.empty() ? "run as root" : shortage);
}

} // namespace

Fd &slot_of(Objects &objects, ProgramSlot slot) {
    switch (slot) {
    case ProgramSlot::bounce: return objects.bounce;
    case ProgramSlot::ingress_primary: return objects.ingress_primary;
    case ProgramSlot::ingress_standby: return objects.ingress_standby;
    default: return objects.egress;
    }
}

const Fd &slot_of(const Objects &objects, ProgramSlot slot) {
    return slot_of(const_cast<Objects &>(objects), slot);
}

Fd duplicate(int fd) {
    Fd out(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!out) throw Error(errno, "keep the BPF objects", way_out_of_shortage(errno));
    return out;
}

void share_map(bpf_map *map, const Fd &fd) {
    std::string action = fmt::format("share the map {} of a pair", bpf_map__name(map));
    bpf_map_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &size)) throw Error(errno, action);
    if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
        info.value_size != bpf_map__value_size(map) ||
        info.max_entries != bpf_map__max_entries(map))
        throw Error(EPROTO, action, "another version of hitless made it in another shape",
                    "detach the pair with that version, and attach it again");
    if (int error = bpf_map__reuse_fd(map, fd.get())) throw Error(-error, action);
}

void hold_maps(int program_fd, const Fd &nics) {
    if (int error = bpf_prog_bind_map(program_fd, nics.get(), nullptr))
        throw Error(-error, "bind a program to the map that it reads",
                    "the kernel must be 5.10 or later");
}

Fd open_pin(const std::string &dir, const char *name) {
    std::string path = fmt::format("{}/{}", dir, name);
    Fd out(bpf_obj_get(path.c_str()));
    if (!out) throw Error(errno, fmt::format("open {}", path), way_out(errno, dir));
    return out;
}

Objects open_objects(const std::string &dir) {
    return open_all(dir, is_optional);
}

Objects open_remaining_objects(const std::string &dir) {
    return open_all(dir, [](const PinName &) { return true; });
}

void pin_objects(const Objects &objects, const std::string &dir) {
    for (const PinName &pin : pin_names) {
        if (!(objects.*pin.fd)) continue; // which some models lack
        std::string path = dir + "/" + pin.name;
        if (bpf_obj_pin((objects.*pin.fd).get(), path.c_str()) < 0)
            throw Error(errno, fmt::format("pin {}", path));
    }
}

} // namespace hitless
