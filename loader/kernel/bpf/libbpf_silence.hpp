// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <bpf/libbpf.h>

namespace hitless {

/// libbpf prints nothing while the object lives. Its printer is one for the whole process, which
/// may be somebody else's: it is given back.
class LibbpfSilence {
  public:
    LibbpfSilence() = default;
    ~LibbpfSilence() { libbpf_set_print(before_); }
    LibbpfSilence(const LibbpfSilence &) = delete;
    LibbpfSilence &operator=(const LibbpfSilence &) = delete;

  private:
    libbpf_print_fn_t before_ = libbpf_set_print(nullptr);
};

} // namespace hitless
