// SPDX-License-Identifier: BSD-2-Clause
//
// A modelled pair: two NICs that change at any time, the datapath's rules (bpf/lib/path.h), and a
// controller that looks when netlink, the bell or its timer says so. Netlink may be a second late;
// the bell is not. Nothing here is random: the same steps give the same history.
#pragma once

#include "loader/core/policy.hpp"
#include "maps/hitless_abi.h"

#include <algorithm>
#include <vector>

namespace hitless::test {

enum class Path { primary, standby };

/// One thing that happens, `wait` after the one before.
struct Step {
    enum What {
        frame,
        notice,
        carrier,
        presence,
        mtu,
        mac,
        sync, // toggled; netlink tells later, at a `notice`
        standby_carrier,
        whats
    } what;
    Instant wait;
};

struct Sent {
    Instant at;
    Path path;
    uint64_t veto;
    bool primary_alive, standby_alive;
    auto operator<=>(const Sent &) const = default;
};

class World {
  public:
    explicit World(Policy policy) : policy_(policy) { look(); }

    void apply(const Step &step) {
        sleep(step.wait);
        switch (step.what) {
        case Step::frame: send(); break;
        case Step::notice: look(); break;
        case Step::carrier: toggle(seen.usable); break;
        case Step::presence: toggle(seen.present); break;
        case Step::mtu: toggle(seen.mtu_fits); break;
        case Step::mac: toggle(seen.mac_matches); break;
        case Step::sync: toggle(seen.configured); break;
        case Step::standby_carrier: toggle(standby_alive); break;
        case Step::whats: break;
        }
    }

    /// Lets time pass; the controller's timer goes off where it was set.
    void sleep(Instant time) {
        Instant end = now + time;
        while (again && *again <= end) {
            now = std::max(now, *again);
            look();
        }
        now = end;
    }

    /// A frame leaves: choose_path() of bpf/lib/path.h.
    Path send() {
        Path path = choose();
        sent.push_back({now, path, veto, primary_alive(), standby_alive});
        if (rang_) look();
        return path;
    }

    /// The controller looks at the NICs as they are, and policy speaks.
    void look() {
        rang_ = false;
        Observation o = seen;
        o.usable = o.usable && o.present;
        o.veto = veto;
        Verdict verdict = decide(policy_, trust, o, now);
        uint64_t before = veto;
        veto |= verdict.set;
        between.push_back(veto);
        veto &= ~verdict.clear;
        again = verdict.again;
        if (before != 0 && veto == 0) returns.push_back(now);
        passed_zero |= before != 0 && veto != 0 && between.back() == 0;
        foreign_bits |= (verdict.set | verdict.clear) & ~policy_bits;
        again_in_the_past |= again && *again <= now;
    }

    bool primary_alive() const { return seen.present && seen.usable; }
    bool primary_fits() const {
        return primary_alive() && seen.mtu_fits && seen.mac_matches && seen.configured;
    }

    Observation seen{.present = true, .usable = true, .configured = true};
    bool standby_alive = true;
    uint64_t veto = HL_VETO(ABSENT);
    Trust trust;
    Instant now{0};
    std::optional<Instant> again;
    std::vector<Sent> sent;
    std::vector<Instant> returns;
    std::vector<uint64_t> between; ///< the word after each set and before the clear
    bool passed_zero = false, again_in_the_past = false;
    uint64_t foreign_bits = 0;

  private:
    static void toggle(bool &value) { value = !value; }

    Path choose() {
        if (veto) {
            if (veto & ~HL_VETO_SOFT || standby_alive) return Path::standby;
            return primary_alive() ? Path::primary : Path::standby;
        }
        if (primary_alive()) return Path::primary;
        veto |= HL_VETO(DOWN_SEEN);
        rang_ = true;
        return Path::standby;
    }

    Policy policy_;
    bool rang_ = false;
};

} // namespace hitless::test
