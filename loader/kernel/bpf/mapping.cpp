// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/mapping.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <sys/mman.h>

namespace hitless {

Mapping::Mapping(int map_fd) : pair_(nullptr) {
    void *at = mmap(nullptr, sizeof(hl_pair), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (at == MAP_FAILED) throw Error(errno, "map the state of a pair");
    pair_ = static_cast<hl_pair *>(at);
}

Mapping::~Mapping() {
    if (pair_) munmap(pair_, sizeof(hl_pair));
}

} // namespace hitless
