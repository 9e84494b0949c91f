// SPDX-License-Identifier: BSD-2-Clause
//
// The programs of one pair, loaded but attached nowhere: run one frame at a time through them and
// look at the verdict, the counters, the veto word, the flip log and the doorbell.
//
//   Datapath dp({.window_ns = 50'000'000});
//   EXPECT_EQ(dp.primary(frame), TC_ACT_REDIRECT);
#pragma once

#include "maps/hitless_abi.h"
#include "tests/bpf/frames.hpp"

#include <cstdint>
#include <linux/pkt_cls.h>
#include <memory>
#include <string>
#include <tc.skel.h>
#include <vector>

namespace hitless::test {

inline constexpr uint64_t ms = 1'000'000;
inline constexpr uint64_t forever = 3600'000 * ms;

class Datapath {
  public:
    struct Options {
        uint32_t master = 1;
        uint64_t window_ns = forever;
        uint64_t seed = 0x5eed;
    };
    Datapath() : Datapath(Options{}) {}
    explicit Datapath(Options options);

    /// One frame through a program, received by (or leaving from) device `ifindex`. The verdict.
    int run(const bpf_program *program, const Frame &frame, uint32_t ifindex,
            uint32_t repeat = 1) const;
    int egress(hl_liveness variant) const;
    bpf_program *ingress_primary() const; ///< of the asking() variant
    /// Does this kernel have what the variant needs?
    bool has(hl_liveness variant) const { return variant != HL_LIVENESS_CAST || has_cast_; }
    /// The best variant of this kernel that asks the NIC.
    hl_liveness asking() const { return has_cast_ ? HL_LIVENESS_CAST : HL_LIVENESS_PROBE_READ; }

    /// Takes a device of the caller's namespace (0: none) and runs the resolver; 0 or a negative
    /// errno.
    int resolve(hl_role role, uint32_t ifindex) const;
    /// The same of an end of a failover device.
    void place(hl_port port, uint32_t ifindex) const;

    hl_pair &pair() const { return skel_->data_pair->pair; }
    tc_bpf &skel() const { return *skel_; }
    uint64_t counted(hl_counter which) const;
    /// Every counter that is not 0, as "name=N name=N".
    std::string counters() const;
    /// How often the doorbell rang since the last call.
    int rings() const;

  private:
    struct Destroy {
        void operator()(tc_bpf *skel) const { tc_bpf::destroy(skel); }
        void operator()(ring_buffer *ring) const { ring_buffer__free(ring); }
    };
    void open(const Options &options);

    bool has_cast_ = true;
    std::unique_ptr<tc_bpf, Destroy> skel_;
    std::unique_ptr<ring_buffer, Destroy> bell_;
    std::unique_ptr<int> rung_ = std::make_unique<int>(0);
};

/// NICs that all tests share who leave them as they are: making some takes longer than most tests.
std::shared_ptr<Bed> untouched();

/// Loaded programs of a pair, both NICs resolved. The far ends play those of a failover device.
struct Pair {
    explicit Pair(std::shared_ptr<Bed> nics = std::make_shared<Bed>(),
                  uint64_t window_ns = forever);

    /// A frame as it comes in by one NIC: was it delivered?
    bool delivered(hl_role nic, const Frame &frame) const;

    std::shared_ptr<Bed> nics;
    const Bed &bed = *nics;
    Datapath dp;
};

} // namespace hitless::test
