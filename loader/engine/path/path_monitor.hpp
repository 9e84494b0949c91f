// SPDX-License-Identifier: BSD-2-Clause
//
// The watch over one pair's path: asks what the prover wants asked, tells it what was answered, and
// what policy must know. Belongs to whoever keeps the pair; the pair itself lives in the kernel.
#pragma once

#include "loader/core/policy.hpp"
#include "loader/kernel/state/pair.hpp"
#include "loader/kernel/wire/prober.hpp"

namespace hitless {

class PairNamespaces;
struct Members;

class PathMonitor {
  public:
    PathMonitor(const Pair &, const PairNamespaces &);

    Trust trust;

    /// Readable when an answer came in: tick() is due.
    int fd() const { return prober_.fd(); }
    /// When tick() is due though nothing came in.
    std::optional<Instant> again() const { return again_; }

    /// Fills in what is known of the path, while all members are there. `seen` says what the links
    /// are like.
    void observe(Pair &, PairNamespaces &, const Members &, Observation &seen);
    /// There is no primary.
    void stop();
    /// Something came in, or it is time. True when policy must be asked.
    bool tick(Pair &, PairNamespaces &);
    /// The driver says that a transmission does not end. Policy must be asked.
    void report_hang() {
        prover_.refute();
        completes_ = false;
    }

  private:
    void step(Pair &, PairNamespaces &);
    void learn(const Pair &, Rtnl &guest, Instant at);
    void examine(Pair &, PairNamespaces &, Instant doubted_since);

    Prober prober_;
    Prover prover_;
    std::optional<Instant> again_;
    Ifindex primary_ = Ifindex::none;
    bool usable_ = false;
    bool answers_ = true, completes_ = true;
    Instant learnt_{0}; ///< when it was last learnt whom to ask
    Instant listed_{0}; ///< when the guest's devices were last listed
    std::vector<Station> stations_;
    Instant examined_{0};    ///< the doubt during which the device was examined
    uint64_t completed_ = 0; ///< frames that its driver had counted as sent then
};

} // namespace hitless
