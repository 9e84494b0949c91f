// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/primary_device.hpp"

#include <algorithm>
#include <utility>

namespace hitless {
namespace {

constexpr Instant boot_time = std::chrono::seconds(1); // no boot loader is quicker at a device

} // namespace

PrimaryDevice::PrimaryDevice(const GuestSpec &spec)
    : monitor_(spec.plug.monitor.empty()
                   ? nullptr
                   : monitor_by_qmp(spec.plug.monitor, spec.plug.device, spec.mac)),
      limit_(spec.plug.limit), reset_when_kept_(spec.plug.reset_when_kept) {}

std::optional<bool> PrimaryDevice::plugged() const {
    if (!monitor_) return std::nullopt;
    return monitor_->state().plugged.value_or(true);
}

bool PrimaryDevice::take_reset(Instant now) {
    if (!monitor_ || !monitor_->take_reset()) return false;
    reset_by_ = now + boot_time;
    return true;
}

/// By ACPI hotplug, QEMU takes a device out at a reset when its unplugging had begun before
/// (acpi_pcihp_reset() in its sources). So once more, before a boot loader runs. By native PCIe
/// hotplug it does not, and the guest is asked like any other.
PrimaryDevice::Result PrimaryDevice::follow(const HostChannel::Actions &actions, bool taken,
                                            Instant now) {
    followed_ = true;
    if (!monitor_) return Result::nothing;
    const Monitor::State &state = monitor_->state();
    if (!actions.plug && !actions.unplug) monitor_->stay();
    if (actions.plug) monitor_->plug(now);
    if (actions.unplug) monitor_->unplug(now);
    // A guest that migrates, or whose monitor is away, is no guest that keeps it.
    const bool asked = actions.unplug && state.ready && state.plugged == true && state.since;
    if (!asked || !taken) over_at_.reset();
    if (!actions.unplug) was_reset_ = false;
    if (!asked) return Result::nothing;
    if (reset_by_) {
        if (now < *reset_by_) monitor_->reset(now);
        reset_by_.reset();
    }
    if (!taken) return Result::nothing;
    if (!over_at_) over_at_ = now + limit_;
    if (now < *over_at_) return Result::nothing;
    over_at_.reset();
    // What a reset does not remove, a second one does not either.
    if (!reset_when_kept_ || std::exchange(was_reset_, true)) return Result::not_released;
    monitor_->reset(now);
    return Result::nothing;
}

std::optional<Instant> PrimaryDevice::deadline() const {
    if (!monitor_) return std::nullopt;
    std::optional<Instant> out = monitor_->deadline();
    if (over_at_ && followed_) out = out ? std::min(*out, *over_at_) : *over_at_;
    return out;
}

void PrimaryDevice::process(Instant now) {
    followed_ = false;
    if (monitor_) monitor_->process(now);
}

} // namespace hitless
