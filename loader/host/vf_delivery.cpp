// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "loader/host/bypass.hpp"
#include "loader/host/delivery.hpp"
#include "loader/host/physical_function.hpp"
#include "loader/host/vf_kind.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

/// Two tables decide: the NIC's filter for what comes from the network and from other VFs, and the
/// bridge's for what comes from this host. The bridge leads to the primary by the PF's port, from
/// where the NIC leads to the VF. On a give the NIC comes first, on a take the bridge: in between
/// the guest receives by both.
class VfDelivery : public Delivery {
  public:
    VfDelivery(Rtnl &rtnl, const GuestSpec &spec, std::unique_ptr<PhysicalFunction> pf)
        : rtnl_(rtnl), spec_(spec), bridge_(deliver_by_bridge(rtnl, spec)), pf_(std::move(pf)) {}

    void look(Instant now) override {
        bridge_->look(now);
        try {
            state_ = read();
            let_through(state_.path == DataPath::standby && state_.problem.empty());
        } catch (const Error &error) {
            state_ = {.problem = error.what()};
        }
    }

    void move(DataPath to, Instant now) override {
        std::string failure = to == DataPath::primary ? obstacle() : "";
        if (failure.empty()) try {
                failure = to == DataPath::primary ? give(now) : take(now);
            } catch (const Error &error) {
                failure = error.what();
            }
        look(now);
        if (!failure.empty())
            state_.problem = failure;
        else if (state_.path != to && state_.problem.empty())
            state_.problem =
                fmt::format("moved to the {}, and reads back {}", name(to), name(state_.path));
    }

    void release() override {
        bridge_->release();
        state_.held = false;
    }

    void forget() override {
        bridge_->forget();
        withdraw([&] { set_address(placeholder_of(spec_.mac)); });
        look(Instant{0});
    }

    void let_go() override {
        bridge_->release();
        withdraw([] {});
    }

    void prepare(bool wanted) override {
        try {
            if (kind() != VfKind::early && kind() != VfKind::late) return;
            std::optional<VirtualFunction> vf = find();
            if (!vf) return;
            const bool its_own = vf->mac == spec_.mac, early = kind() == VfKind::early;
            // Without one a VF takes what its guest likes, and that would be the guest's.
            const bool set = early ? its_own != wanted : its_own || vf->mac.empty();
            if (set) set_address(early && wanted ? spec_.mac : placeholder_of(spec_.mac));
        } catch (const Error &error) {
            state_.problem = error.what();
        }
    }

    bool learns() const override { return true; }

    /// Looked for before anything is changed, so that half a move is rare.
    std::string obstacle() override {
        try {
            VirtualFunction vf = must_find();
            if (std::string out = bridge_->obstacle(); !out.empty()) return out;
            check_bypass(vf.vlan);
            return {};
        } catch (const Error &error) {
            return error.what();
        }
    }

  private:
    std::string action() const {
        return fmt::format("deliver to the VF {} of {} for {}", *spec_.vf, spec_.primary,
                           spec_.name);
    }

    VfKind kind() {
        if (kind_ == VfKind::unknown) {
            driver_ = pf_->driver();
            kind_ = vf_kind(driver_);
        }
        return kind_;
    }

    std::optional<VirtualFunction> find() {
        std::vector<VirtualFunction> all = pf_->functions();
        auto at = std::ranges::find(all, *spec_.vf, &VirtualFunction::number);
        count_ = all.size();
        return at == all.end() ? std::nullopt : std::optional(*at);
    }

    /// Throws what is wrong with the VF, whatever its guest does.
    VirtualFunction must_find() {
        if (!rtnl_.link(spec_.primary))
            throw Error(ENODEV, action(), fmt::format("there is no device {}", spec_.primary),
                        "mend `pf` in the configuration");
        std::optional<VirtualFunction> vf = find();
        if (!count_)
            throw Error(ENODEV, action(), fmt::format("{} has no VFs", spec_.primary),
                        fmt::format("`echo NUMBER > /sys/class/net/{}/device/sriov_numvfs`, or "
                                    "mend `pf`",
                                    spec_.primary));
        if (!vf)
            throw Error(ENODEV, action(),
                        fmt::format("{} has {} VFs, numbered from 0", spec_.primary, count_),
                        "mend `vf` in the configuration");
        if (kind() == VfKind::unknown || kind() == VfKind::by_guest)
            throw Error(EOPNOTSUPP, action(), why(kind(), driver_),
                        "deliver by commands of your own (delivery = \"exec\"), or by a "
                        "representor (primary = { port = ... })");
        return *vf;
    }

    void check_bypass(uint16_t vlan) {
        if (spec_.may_bypass) return;
        std::optional<Link> tap = rtnl_.link(spec_.standby), port = rtnl_.link(spec_.primary);
        if (!tap || !port) return;
        std::vector<std::string> what = bypassed_by_vf(rtnl_, *tap, *port, vlan);
        if (what.empty()) return;
        throw Error(
            EPERM, action(),
            fmt::format("it would bypass what {} has: {}", tap->name, fmt::join(what, ", ")),
            fmt::format("take it off (a VLAN: `ip link set {} vf {} vlan NUMBER`), or say bypass = "
                        "\"allow\" for this guest",
                        port->name, *spec_.vf));
    }

    void set_address(const Mac &mac) {
        write_address(mac);
        read_back(mac);
    }

    void write_address(const Mac &mac) {
        if (int error = pf_->set_mac(*spec_.vf, mac))
            throw Error(error,
                        fmt::format("give the VF {} of {} the address {}", *spec_.vf, spec_.primary,
                                    mac.text()),
                        fmt::format("`ip link set {} vf {} mac {}` says more", spec_.primary,
                                    *spec_.vf, mac.text()));
    }

    void read_back(const Mac &mac) {
        std::optional<VirtualFunction> now = find();
        if (!now || now->mac != mac)
            throw Error(EIO,
                        fmt::format("give the VF {} of {} the address {}", *spec_.vf, spec_.primary,
                                    mac.text()),
                        fmt::format("it reads back {}", now ? now->mac.text() : "no such VF"), "");
    }

    /// Both return why not; "" when the move is done.
    std::string give(Instant now) {
        VirtualFunction vf = must_find();
        if (vf.mac != spec_.mac && kind() == VfKind::early)
            throw Error(EBUSY, action(),
                        fmt::format("it has the address {}, and one that is plugged keeps what it "
                                    "has",
                                    vf.mac.text()),
                        "unplug it; it gets the guest's address before it is plugged again");
        if (vf.mac != spec_.mac) write_address(spec_.mac);
        // Both are filtered for until then: what comes meanwhile comes twice, and is never lost.
        let_through(false);
        read_back(spec_.mac);
        return move_bridge(DataPath::primary, now);
    }

    std::string take(Instant now) {
        if (std::string failure = move_bridge(DataPath::standby, now); !failure.empty())
            return failure;
        std::optional<VirtualFunction> vf = find();
        let_through(true); // likewise
        if (vf && vf->mac == spec_.mac && kind() == VfKind::late)
            set_address(placeholder_of(spec_.mac));
        return {};
    }

    std::string move_bridge(DataPath to, Instant now) {
        bridge_->move(to, now);
        return bridge_->state().path == to ? "" : bridge_->state().problem;
    }

    State read() {
        State seen = bridge_->state();
        VirtualFunction vf;
        try {
            vf = must_find();
        } catch (const Error &error) {
            if (seen.path == DataPath::primary) seen.path = DataPath::unknown;
            if (seen.problem.empty()) seen.problem = error.what();
            return seen;
        }
        const bool its_own = vf.mac == spec_.mac;
        if (its_own && kind() == VfKind::late) {
            // From the network frames go to the VF, whatever the bridge says. It may say so still
            // after a give that was cut short.
            if (seen.path == DataPath::standby) return {.path = DataPath::primary};
            seen.elsewhere = false;
        }
        if (its_own || seen.path != DataPath::primary) return seen;
        if (seen.held)
            return {.problem =
                        fmt::format("the bridge sends {} to {}, and its VF {} has the "
                                    "address {}",
                                    spec_.mac.text(), spec_.primary, *spec_.vf, vf.mac.text())};
        return {.problem =
                    fmt::format("the bridge hears {} by {}", spec_.mac.text(), spec_.primary),
                .elsewhere = true};
    }

    /// Whether the PF gets what other VFs send to the guest, to lead it to the tap: they reach
    /// nobody whom the NIC does not filter for.
    void let_through(bool on) {
        std::optional<Link> pf = rtnl_.link(spec_.primary);
        if (!pf) return;
        if (!let_through_) let_through_ = std::ranges::count(rtnl_.filter(pf->index), spec_.mac);
        if (*let_through_ == on) return;
        try {
            rtnl_.change_filter(pf->index, pf->name, spec_.mac, on);
            left_behind_.clear();
        } catch (const Error &error) { // its filter is full, say
            if (!on) throw;
            left_behind_ =
                fmt::format("other VFs do not reach it by its standby: {}", error.what());
        }
        let_through_ = on; // asked for once
    }

    template <typename Step>
    void withdraw(Step step) {
        try {
            if (!find()) return;
            let_through(false);
            step();
        } catch (const Error &error) {
            state_.problem = error.what();
        }
    }

    Rtnl &rtnl_;
    GuestSpec spec_;
    std::unique_ptr<Delivery> bridge_; ///< between the tap and the PF's port
    std::unique_ptr<PhysicalFunction> pf_;
    VfKind kind_ = VfKind::unknown; ///< as far as its driver has told
    std::string driver_;
    size_t count_ = 0;                ///< of VFs
    std::optional<bool> let_through_; ///< as it was last seen or set
};

} // namespace

std::unique_ptr<Delivery> deliver_by_vf(Rtnl &rtnl, const GuestSpec &spec,
                                        std::unique_ptr<PhysicalFunction> pf) {
    if (!pf) pf = kernel_function(rtnl, spec.primary);
    return std::make_unique<VfDelivery>(rtnl, spec, std::move(pf));
}

} // namespace hitless
