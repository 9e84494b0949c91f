// SPDX-License-Identifier: BSD-2-Clause
//
// A daemon and a guest that speaks, beside each other in one thread.
#pragma once

#include "loader/host/host.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "tests/host/bed.hpp"
#include "tests/host/small_guest.hpp"

#include <cstdlib>

namespace hitless::test {

class HostCase : public HostBed {
  protected:
    HostCase() {
        setenv("HITLESS_STATE_DIR", state_dir().c_str(), 1);
        guest_.emplace(on(guest1(), "standby", HL_CHANNEL_ETHERTYPE), mac());
        spec_.name = "web1";
        spec_.mac = mac();
        spec_.standby = "tap1";
        spec_.primary = "vf1";
    }
    ~HostCase() override {
        host_.reset();
        umount2((state_dir() + "/bpf").c_str(), MNT_DETACH);
        std::system(("rm -rf " + state_dir()).c_str()); // NOLINT
    }
    static Mac mac() { return *Mac::parse(guest_mac); }

    void start() {
        host_.emplace(Host::Options{{spec_},
                                    [this](const std::string &line) { log_.push_back(line); },
                                    [this](const HostEvent &event) { events_.push_back(event); }});
    }
    /// As a daemon and a guest beside each other. Until it holds.
    template <typename Predicate>
    bool pump(Predicate predicate, std::chrono::milliseconds patience = testbed::default_patience) {
        return testbed::until(
            [&] {
                if (host_) host_->process();
                if (guest_) guest_->process();
                watch();
                return predicate();
            },
            patience);
    }
    /// What must never be: frames sent to a primary that is not ready.
    void watch() {
        if (!host_ || !guest_ || downlink() != DataPath::primary) return;
        early_ += guest_->primary != GuestPrimary::ready;
    }
    DataPath downlink() {
        auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
        return entry && entry->port == link("vf1").index ? DataPath::primary : DataPath::standby;
    }
    GuestStatus status() { return host_->status().at(0); }
    bool given() { return status().phase == HostChannel::Phase::given && status().as_requested(); }
    bool taken() { return status().phase == HostChannel::Phase::taken && status().as_requested(); }

    Rtnl rtnl_;
    GuestSpec spec_;
    std::optional<SmallGuest> guest_;
    std::optional<Host> host_;
    std::vector<std::string> log_;
    std::vector<HostEvent> events_;
    unsigned early_ = 0;
};

} // namespace hitless::test
