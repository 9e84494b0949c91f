// SPDX-License-Identifier: BSD-2-Clause
//
// The second BPF object: the programs of a failover device and the gate (bpf/xdp.bpf.c). Its
// programs work on the maps of a pair that tc.bpf.c has made.
#pragma once

#include "loader/kernel/bpf/objects.hpp"

#include <memory>

struct bpf_object;
struct bpf_program;

namespace hitless {

/// Loads the tc programs of one variant over the maps in `out`, and adds them and the map of ports
/// to it. Returns 0 or a positive errno.
int load_forwarding_programs(Objects &out, const ModelRow &, hl_liveness);

/// Loads an XDP program and one that replaces it, as libxdp's dispatcher does; 0 or the positive
/// errno.
int try_freplace();

/// One XDP program, opened but not loaded: libxdp loads it for the device that it is attached to.
/// The maps outlive the object.
class XdpObject {
  public:
    XdpObject(const Objects &maps, const HookRow &, hl_liveness);
    bpf_object *object() const;
    const char *program() const;
    /// What it reads stays as long as the program that was made of it.
    void hold_maps(int program_fd) const { hitless::hold_maps(program_fd, maps_.nics); }

  private:
    struct Destroy {
        void operator()(void *skeleton) const;
    };
    const Objects &maps_;
    std::unique_ptr<void, Destroy> skeleton_;
    bpf_program *program_;
};

} // namespace hitless
