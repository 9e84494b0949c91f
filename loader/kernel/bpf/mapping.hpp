// SPDX-License-Identifier: BSD-2-Clause
//
// A pair's map entry, mapped: the veto word is then an ordinary atomic in memory.
#pragma once

#include "maps/hitless_abi.h"

#include <utility>

namespace hitless {

class Mapping {
  public:
    enum class For { writing, reading };
    /// Maps an hl_pair map; the fd may be closed afterwards. A frozen one can only be read.
    explicit Mapping(int map_fd, For = For::writing);
    Mapping(Mapping &&other) noexcept : pair_(std::exchange(other.pair_, nullptr)) {}
    Mapping &operator=(Mapping &&other) noexcept {
        std::swap(pair_, other.pair_);
        return *this;
    }
    ~Mapping();

    hl_pair *get() const { return pair_; }

  private:
    hl_pair *pair_;
};

} // namespace hitless
