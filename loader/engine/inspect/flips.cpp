// SPDX-License-Identifier: BSD-2-Clause
#include "loader/api.hpp"
#include "loader/core/names.hpp"
#include "loader/engine/pair/registry.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

namespace hitless {
namespace {

struct Followed {
    Pair pair;
    uint64_t seen = 0;
    std::optional<Instant> last;
};

Flip translate(const Followed &from, const hl_flip &raw) {
    Flip flip;
    flip.pair = from.pair.state().standby_id.ifname;
    flip.time = Instant(raw.time_ns);
    flip.to_primary = raw.veto_after == 0;
    flip.reasons = flip.to_primary ? raw.veto_before : raw.veto_after;
    flip.actor = actor_of(raw.actor);
    if (raw.lost) flip.lost = raw.lost - 1;
    if (from.last) flip.lasted = flip.time - *from.last;
    return flip;
}

} // namespace

struct FlipReader::State {
    Unreadable what;
    StateDir dir;
    std::map<std::string, Followed> pairs;
    std::vector<UnreadablePair> unreadable;
};

FlipReader::FlipReader(Unreadable what) : state_(std::make_unique<State>()) {
    state_->what = what;
    rescan();
}
FlipReader::~FlipReader() = default;
FlipReader::FlipReader(FlipReader &&) noexcept = default;
FlipReader &FlipReader::operator=(FlipReader &&) noexcept = default;

void FlipReader::rescan() {
    std::vector<std::string> names = own_pairs(state_->dir);
    std::erase_if(state_->pairs, [&](const auto &known) {
        return std::ranges::find(names, known.first) == names.end() ||
               pinned_id(state_->dir.path(known.first)) != known.second.pair.id();
    });
    state_->unreadable.clear(); // one is no reason to say nothing of the others
    for (const std::string &name : names) {
        if (state_->pairs.contains(name)) continue;
        try {
            state_->pairs.emplace(name, Followed{Pair::open(state_->dir.path(name)), 0, {}});
        } catch (const Error &error) {
            if (error.code() != ENOENT && error.code() != EPROTO) throw;
            state_->unreadable.push_back({name, standby_of(state_->dir, name), error});
        }
    }
    bool refuse = state_->what == Unreadable::refused && state_->pairs.empty();
    if (refuse && !state_->unreadable.empty()) throw state_->unreadable.front().why;
}

const std::vector<UnreadablePair> &FlipReader::unreadable() const {
    return state_->unreadable;
}

std::vector<Flip> FlipReader::read() {
    std::vector<Flip> out;
    for (auto &[name, followed] : state_->pairs) {
        for (const hl_flip &raw : followed.pair.view().flips_since(followed.seen)) {
            out.push_back(translate(followed, raw));
            followed.last = out.back().time;
            followed.seen = raw.seq;
        }
    }
    std::ranges::stable_sort(out, {}, &Flip::time);
    return out;
}

} // namespace hitless
