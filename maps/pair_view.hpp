// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The typed view of a pair in userspace: atomic veto, flip log, names of reasons and counters.
// Does not own the memory; loader/kernel/bpf/mapping.hpp maps a pinned pair.
//
//   PairView view(mapping.get());
//   if (view.set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, now) == 0) ... // this was the flip
#pragma once

#include "maps/hitless_abi.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hitless {

struct VetoReason {
    uint64_t bit;
    std::string_view name;
    hl_veto_kind kind;
    std::string_view writer; ///< who sets and clears it
    bool overruled;          ///< `hitless switch primary` clears it
    std::string_view meaning;
};

inline constexpr VetoReason veto_reasons[] = {
#define X(name, bit, text, kind, writer, overruled, meaning)                                       \
    {1ull << (bit), text, HL_KIND_##kind, writer, HL_OVERRULED_##overruled == HL_OVERRULED_YES,    \
     meaning},
    HL_VETO_LIST(X)
#undef X
};

inline constexpr std::string_view veto_kind_names[] = {"hard", "firm", "soft"};

struct CounterName {
    std::string_view name;
    std::string_view meaning;
};

inline constexpr CounterName counter_names[HL_COUNTERS] = {
#define X(name, text, meaning) {text, meaning},
    HL_COUNTER_LIST(X)
#undef X
};

inline constexpr std::string_view actor_names[HL_ACTORS] = {
#define X(name, text) text,
    HL_ACTOR_LIST(X)
#undef X
};

inline constexpr std::string_view liveness_names[] = {
#define X(name, text, meaning) text,
    HL_LIVENESS_LIST(X)
#undef X
};

inline constexpr std::string_view reselect_names[HL_RESELECTS] = {
#define X(name, text) text,
    HL_RESELECT_LIST(X)
#undef X
};

inline constexpr std::string_view announce_names[HL_ANNOUNCES] = {
#define X(name, text, meaning) text,
    HL_ANNOUNCE_LIST(X)
#undef X
};

inline constexpr std::string_view carrier_names[HL_CARRIERS] = {
#define X(name, text, meaning) text,
    HL_CARRIER_LIST(X)
#undef X
};

inline constexpr std::string_view hook_pins[HL_HOOKS] = {
#define X(name, pin) pin,
    HL_HOOK_LIST(X)
#undef X
};

inline constexpr std::string_view sync_names[] = {
#define X(name, bit, text) text,
    HL_SYNC_LIST(X)
#undef X
};

class PairView {
  public:
    explicit PairView(hl_pair *pair) : pair_(pair) {}

    const hl_pair &raw() const { return *pair_; }

    uint64_t veto() const { return word(pair_->veto).load(std::memory_order_acquire); }

    /// Adds reasons; one atomic store is the flip. Returns the word before. `now_ns`:
    /// CLOCK_BOOTTIME.
    uint64_t set_veto(uint64_t bits, hl_actor who, uint64_t now_ns) {
        uint64_t before = word(pair_->veto).fetch_or(bits);
        for (unsigned bit = 0; bit < HL_VETO_BITS; bit++)
            if ((bits & ~before) >> bit & 1) pair_->note[bit] = {now_ns, who, 0};
        if (before == 0 && bits != 0) record_flip(before, bits, who, now_ns);
        return before;
    }

    /// Withdraws reasons; the path returns to the primary when none is left.
    uint64_t clear_veto(uint64_t bits, hl_actor who, uint64_t now_ns) {
        uint64_t before = word(pair_->veto).fetch_and(~bits);
        if (before != 0 && (before & ~bits) == 0) record_flip(before, 0, who, now_ns);
        return before;
    }

    /// The next frame that leaves by the primary rings the bell, once.
    void wake_on_frame(bool wanted) {
        std::atomic_ref<uint8_t>(reinterpret_cast<uint8_t &>(pair_->wake)).store(wanted);
    }

    /// Number of flips ever; the log keeps the last HL_FLIPS of them.
    uint64_t flips() const { return word(pair_->flips).load(std::memory_order_acquire); }

    /// Flips numbered after `seen` (a former flips()), oldest first.
    std::vector<hl_flip> flips_since(uint64_t seen) const {
        std::vector<hl_flip> out;
        uint64_t end = flips();
        for (uint64_t n = std::max(seen, end > HL_FLIPS ? end - HL_FLIPS : 0); n < end; n++) {
            hl_flip &slot = pair_->flip[n % HL_FLIPS];
            hl_flip copy = slot;
            // The copy is complete before the number is read again.
            std::atomic_thread_fence(std::memory_order_acquire);
            // Written or overwritten meanwhile: the number tells.
            if (word(slot.seq).load(std::memory_order_acquire) == n + 1 && copy.seq == n + 1)
                out.push_back(copy);
        }
        return out;
    }

    /// Notes what the latest flip, if it left the primary, cost there.
    void note_loss(uint64_t frames) {
        hl_flip &last = pair_->flip[(flips() - 1) % HL_FLIPS];
        if (flips() == 0 || last.veto_after == 0) return;
        last.lost = static_cast<uint32_t>(std::min<uint64_t>(frames, UINT32_MAX - 1) + 1);
    }

  private:
    static std::atomic_ref<uint64_t> word(__u64 &value) {
        return std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t &>(value));
    }

    void record_flip(uint64_t before, uint64_t after, hl_actor who, uint64_t now_ns) {
        hl_write_flip(pair_, word(pair_->flips).fetch_add(1), now_ns, before, after, who);
    }

    hl_pair *pair_;
};

} // namespace hitless
