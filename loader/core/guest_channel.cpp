// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/guest_channel.hpp"

#include <algorithm>
#include <utility>

namespace hitless {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds least_lease{1000}, most_lease{60'000};
constexpr milliseconds found_lease{5000};              // of a veto that another controller left
constexpr Instant patience = std::chrono::seconds(10); // with a host that is heard but not adopted

} // namespace

GuestChannel::GuestChannel(uint64_t nonce, uint64_t first_epoch)
    : conversation_(ChannelSide::guest, nonce, first_epoch) {}

bool GuestChannel::hear(const ChannelMessage &message, Instant now) {
    if (!conversation_.hear(message, now)) return false;
    host_ = message.host;
    leased_ = true;
    lease_end_ = now + std::clamp(milliseconds(host_.lease_ms), least_lease, most_lease);
    return true;
}

GuestChannel::Actions GuestChannel::step(const Input &input, Instant now) {
    if (!std::exchange(stepped_, true) && input.vetoed && !leased_) {
        // A controller before us heard a host, and that host may still be there.
        veto_ = true;
        downlink_ = DataPath::standby;
        lease_end_ = now + found_lease;
    }
    if (leased_ && now < *lease_end_) obey();
    if (lease_end_ && now >= *lease_end_) lapse();

    Actions actions{.veto = veto_, .unproven = unproven_, .send = {}, .again = lease_end_};
    said_ = statement(input);
    conversation_.state(said_);
    if (silent(now)) return actions;
    actions.send = conversation_.send(now);
    Instant due = std::max(conversation_.due(), now);
    actions.again = actions.again ? std::min(*actions.again, due) : due;
    return actions;
}

void GuestChannel::obey() {
    unproven_ = false;
    if (host_.downlink != DataPath::unknown) downlink_ = host_.downlink;
    if (host_.want == DataPath::standby)
        veto_ = true;
    else if (host_.want == DataPath::primary && host_.downlink != DataPath::unknown)
        veto_ = host_.downlink != DataPath::primary;
}

void GuestChannel::lapse() {
    leased_ = veto_ = false;
    unproven_ = downlink_ == DataPath::standby;
    lease_end_.reset();
}

GuestStatement GuestChannel::statement(const Input &input) const {
    GuestStatement said{input.able, input.primary, input.slot};
    bool still = input.vetoed && input.drained && veto_;
    if (input.primary == GuestPrimary::none || !still) return said;
    if (leased_ && host_.want == DataPath::standby)
        said.primary = GuestPrimary::left;
    else if (input.primary == GuestPrimary::in_use)
        said.primary = GuestPrimary::ready;
    return said;
}

bool GuestChannel::silent(Instant now) const {
    std::optional<Instant> heard = conversation_.last_heard();
    return !heard || (now >= *heard + patience && !leased_);
}

} // namespace hitless
