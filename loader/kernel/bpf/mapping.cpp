// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/mapping.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <sys/mman.h>

namespace hitless {

Mapping::Mapping(int map_fd, For what) : pair_(nullptr) {
    int access = what == For::writing ? PROT_READ | PROT_WRITE : PROT_READ;
    void *at = mmap(nullptr, sizeof(hl_pair), access, MAP_SHARED, map_fd, 0);
    if (at == MAP_FAILED) throw Error(errno, "map the state of a pair");
    pair_ = static_cast<hl_pair *>(at);
}

Mapping::~Mapping() {
    if (pair_) munmap(pair_, sizeof(hl_pair));
}

} // namespace hitless
