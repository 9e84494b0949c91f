// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "loader/host/bypass.hpp"
#include "loader/host/delivery.hpp"
#include "loader/host/physical_function.hpp"
#include "loader/kernel/netlink/bridge.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>

namespace hitless {
namespace {

/// What a guest has besides its own address: each costs a message in a move, and the daemon serves
/// others.
constexpr size_t most_addresses = 256, most_groups = 256;

class BridgeDelivery : public Delivery {
  public:
    BridgeDelivery(Rtnl &rtnl, const GuestSpec &spec) : rtnl_(rtnl), spec_(spec) {}

    void look(Instant) override {
        try {
            Places at = places();
            Found found = find(at);
            if (renew(at, found)) found = find(at);
            state_ = read(at, found);
        } catch (const Error &error) {
            state_ = {.problem = error.what()};
        }
    }

    void move(DataPath to, Instant now) override {
        std::string failure;
        try {
            Places at = places();
            if (to == DataPath::primary) check(at);
            led_ = to == DataPath::primary;
            move(at, to);
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

    /// As if the bridge had learnt them: they age, and move to where the guest is heard; or static
    /// ones, as somebody else had made them. Asks each port for itself: either may be gone.
    void release() override {
        led_ = false;
        try {
            for (const std::string &port : {spec_.standby, spec_.primary})
                if (std::optional<Link> link = rtnl_.link(port)) release(link->index);
            state_.held = false;
        } catch (const Error &error) {
            state_.problem = error.what();
        }
    }

    void forget() override {
        led_ = false;
        try {
            for (const std::string &port : {spec_.standby, spec_.primary})
                if (std::optional<Link> link = rtnl_.link(port)) forget(link->index);
            look(Instant{0});
        } catch (const Error &error) {
            state_.problem = error.what();
        }
    }

    bool learns() const override { return true; }

    std::string obstacle() override {
        try {
            check(places());
            return {};
        } catch (const Error &error) {
            return error.what();
        }
    }

  private:
    struct Places {
        Ifindex bridge, standby, primary; ///< primary: none where it is not there
        std::vector<uint16_t> vlans;
        bool dead = false; ///< the primary's port
    };

    Places places() {
        std::optional<Link> standby = rtnl_.link(spec_.standby);
        if (!standby)
            throw Error(ENODEV, fmt::format("find the tap {} of {}", spec_.standby, spec_.name),
                        "start the guest, or mend `standby` in the configuration");
        if (standby->master_kind != "bridge")
            throw Error(EINVAL, fmt::format("deliver to {}", spec_.name),
                        fmt::format("{} is no port of a bridge", spec_.standby),
                        way_into_bridge(*standby));
        std::optional<Link> primary = rtnl_.link(spec_.primary);
        Places out{standby->master,
                   standby->index,
                   primary && primary->master == standby->master ? primary->index : Ifindex::none,
                   {},
                   false};
        // A PF's port may be without a carrier while its VFs reach each other.
        out.dead = number(out.primary) && !spec_.vf && !primary->usable();
        out.vlans = vlan_filtering(rtnl_, out.bridge) ? port_vlans(rtnl_, out.standby)
                                                      : std::vector<uint16_t>{0};
        if (out.vlans.empty())
            throw Error(EINVAL, fmt::format("deliver to {}", spec_.name),
                        fmt::format("{} is in no VLAN of its bridge", spec_.standby),
                        fmt::format("`bridge vlan add dev {} vid VLAN`", spec_.standby));
        return out;
    }

    /// A port of Open vSwitch stays one. What a host sends on a macvtap leaves by its lower device
    /// and never reaches the guest, so commands that deliver are of no use there.
    std::string way_into_bridge(const Link &standby) const {
        const std::string &what = standby.kind, &of = standby.master_kind;
        if (what == "macvtap" || what == "macvlan")
            return fmt::format("give the guest a tap in a bridge: nobody on the host can speak to "
                               "it by a {}",
                               what);
        if (of == "openvswitch") return "deliver by commands (delivery = \"exec\")";
        return fmt::format("`ip link set {} master BRIDGE`, mend `standby`, or deliver by commands "
                           "(delivery = \"exec\")",
                           spec_.standby);
    }

    /// Before anything is changed, so that half a move is rare.
    void check(const Places &at) {
        std::string action = fmt::format("deliver to the primary of {}", spec_.name);
        if (!rtnl_.link(spec_.primary))
            throw Error(ENODEV, action, fmt::format("there is no device {}", spec_.primary),
                        "make it, or mend `primary` in the configuration");
        std::optional<Link> bridge = rtnl_.link(at.bridge);
        if (!number(at.primary))
            throw Error(ENODEV, action,
                        fmt::format("{} is not in the bridge of {}", spec_.primary, spec_.standby),
                        fmt::format("`ip link set {} master {} up`, or mend `primary`",
                                    spec_.primary, bridge ? bridge->name : "BRIDGE"));
        check_vlans(at, action);
        if (!spec_.may_bypass && !spec_.vf) check_bypass(action); // a VF's delivery compares more
    }

    void check_vlans(const Places &at, const std::string &action) {
        if (at.vlans == std::vector<uint16_t>{0}) return;
        std::vector<uint16_t> there = port_vlans(rtnl_, at.primary);
        for (uint16_t vlan : at.vlans)
            if (std::ranges::find(there, vlan) == there.end())
                throw Error(
                    EINVAL, action,
                    fmt::format("VLAN {} of {} is not on {}", vlan, spec_.standby, spec_.primary),
                    fmt::format("`bridge vlan add dev {} vid {}`", spec_.primary, vlan));
    }

    /// A guest does not get out of what holds for it by being given its primary.
    void check_bypass(const std::string &action) {
        std::optional<Link> tap = rtnl_.link(spec_.standby), primary = rtnl_.link(spec_.primary);
        if (!tap || !primary) return;
        std::vector<std::string> what = bypassed_by(rtnl_, *tap, *primary);
        if (what.empty()) return;
        throw Error(
            EPERM, action,
            fmt::format("it would bypass what {} has: {}", tap->name, fmt::join(what, ", ")),
            fmt::format("set the same up for {}, or say bypass = \"allow\" for this guest",
                        primary->name));
    }

    /// By VLAN; none in those in which frames for the guest go to all ports.
    using Found = std::map<uint16_t, FdbEntry>;
    Found find(const Places &at) {
        const Ifindex ports[] = {at.standby, at.primary};
        return fdb_entries(rtnl_, at.bridge, spec_.mac, at.vlans, ports);
    }

    void release(Ifindex port) {
        std::optional<Link> tap = rtnl_.link(spec_.standby);
        // What its bridge does not learn would be gone when it has aged: libvirt's
        // macTableManager='libvirt' writes it instead, and turns learning and floods off.
        bool unlearnt = tap && !port_flags(rtnl_, tap->index).learning;
        std::vector<uint16_t> fixed, others;
        for (const FdbEntry &entry : fdb_entries(rtnl_, port))
            if (entry.mac == spec_.mac && entry.sticky)
                (unlearnt || others_.contains(entry.vlan) ? fixed : others).push_back(entry.vlan);
        release(port, fixed, true);
        release(port, others, false);
    }

    /// Where VLANs are told apart, the entry without one says nothing, and came with the rest.
    void release(Ifindex port, std::vector<uint16_t> &vlans, bool fixed) {
        std::optional<Link> link = rtnl_.link(port);
        if (std::ranges::count(vlans, 0) && link && vlan_filtering(rtnl_, link->master))
            std::erase(vlans, 0);
        std::ranges::sort(vlans); // as a port's are listed
        int error = put_fdb_entries(rtnl_, {spec_.mac, 0, port, fixed, false}, vlans);
        // A port that is down takes none that ages (EPERM), and carries no frames either.
        if (error == EPERM) error = remove_fdb_entries(rtnl_, spec_.mac, port);
        if (error) throw Error(error, "release " + spec_.mac.text());
    }

    /// A static entry that is not sticky is none of ours.
    void remember_others(const Places &at) {
        const Found found = find(at);
        for (uint16_t vlan : at.vlans) {
            auto entry = found.find(vlan);
            const bool there = entry != found.end();
            if (there && entry->second.sticky) continue; // what it was is known, or was never
            if (there && entry->second.fixed)
                others_.insert(vlan);
            else
                others_.erase(vlan);
        }
    }

    void forget(Ifindex port) { remove_fdb_entries(rtnl_, spec_.mac, port); }

    template <typename Entry>
    void cap(std::vector<Entry> &entries, size_t most, const char *what) {
        if (entries.size() <= most) return;
        left_behind_ += fmt::format(
            "{}{} of its {} {} stay behind in a move, until the bridge learns "
            "them anew",
            left_behind_.empty() ? "" : "; ", entries.size() - most, entries.size(), what);
        entries.resize(most);
    }

    /// 0, or the kernel's errno.
    int put_in(const Places &at, const std::vector<uint16_t> &vlans, Ifindex target) {
        const bool may_end = target == at.primary && may_flood(at);
        std::vector<uint16_t> fixed, others;
        for (uint16_t vlan : vlans)
            (!may_end || others_.contains(vlan) ? fixed : others).push_back(vlan);
        int error = put_fdb_entries(rtnl_, {spec_.mac, 0, target, true, true}, fixed);
        return error ? error : put_fdb_entries(rtnl_, {spec_.mac, 0, target, false, true}, others);
    }

    void put_all(const Places &at, Ifindex target) {
        if (int error = put_in(at, at.vlans, target))
            throw Error(error, fmt::format("have the bridge send {} to device {}", spec_.mac.text(),
                                           number(target)));
    }

    /// Frames that no entry leads reach the guest by its tap. Then the entry to the primary need
    /// not be static: the kernel removes it when the primary's port loses its carrier, whether or
    /// not a daemon runs.
    bool may_flood(const Places &at) {
        const PortFlags tap = port_flags(rtnl_, at.standby);
        return !spec_.vf && tap.learning && tap.flood;
    }

    /// What is not static ages while the guest is quiet, and goes with a flush: it is made again,
    /// as long as its port carries frames. What cannot be made is seen by who reads. True when
    /// there was something to make.
    bool renew(const Places &at, const Found &found) {
        if (!led_ || at.dead || !number(at.primary)) return false;
        std::vector<uint16_t> gone;
        for (uint16_t vlan : at.vlans)
            if (!found.contains(vlan)) gone.push_back(vlan);
        if (!gone.empty()) put_in(at, gone, at.primary);
        return !gone.empty();
    }

    void move(const Places &at, DataPath to) {
        Ifindex target = to == DataPath::primary ? at.primary : at.standby,
                source = to == DataPath::primary ? at.standby : at.primary;
        left_behind_.clear();
        remember_others(at);
        if (spec_.vf) return put_all(at, target); // the PF's port leads to others, too
        // Groups first and away last: for a moment both ports get them, and the guest drops twins.
        std::vector<MdbEntry> groups =
            number(source) ? mdb_entries(rtnl_, at.bridge, source) : std::vector<MdbEntry>{};
        cap(groups, most_groups, "groups");
        for (const MdbEntry &group : groups)
            change_mdb_entry(rtnl_, at.bridge, group.at(target), true);
        put_all(at, target);
        // What the guest has besides may live elsewhere tomorrow: as it was, never sticky by us.
        std::vector<FdbEntry> others =
            number(source) ? fdb_entries(rtnl_, source) : std::vector<FdbEntry>{};
        std::erase_if(others, [&](const FdbEntry &e) { return e.mac == spec_.mac; });
        cap(others, most_addresses, "addresses");
        for (FdbEntry &other : others) {
            other.port = target;
            put_fdb_entry(rtnl_, other); // a VLAN that the other port is not in stays behind
        }
        for (const MdbEntry &group : groups)
            change_mdb_entry(rtnl_, at.bridge, group, false);
    }

    State read(const Places &at, const Found &found) {
        size_t primary = 0, held = 0;
        State elsewhere{.elsewhere = true, .dead = at.dead};
        for (uint16_t vlan : at.vlans) {
            auto at_vlan = found.find(vlan);
            if (at_vlan == found.end()) continue; // to all ports, so to the standby too
            const FdbEntry &entry = at_vlan->second;
            held += entry.sticky;
            bool there = number(at.primary) && entry.port == at.primary;
            primary += there;
            if (there || entry.port == at.standby) continue;
            std::optional<Link> port = rtnl_.link(entry.port);
            elsewhere.elsewhere &= !entry.fixed && !entry.sticky;
            elsewhere.problem = fmt::format("the bridge sends {} to {}", spec_.mac.text(),
                                            port ? port->name : "a device that is gone");
        }
        bool all = primary == at.vlans.size();
        if (primary && !all)
            return {.problem = "some VLANs are delivered to the primary and some are not",
                    .dead = at.dead};
        if (!elsewhere.problem.empty()) return elsewhere;
        return {.path = all ? DataPath::primary : DataPath::standby,
                .held = held == at.vlans.size(),
                .dead = at.dead};
    }

    Rtnl &rtnl_;
    GuestSpec spec_;
    bool led_ = false;          ///< to the primary, by the last move
    std::set<uint16_t> others_; ///< VLANs of which somebody else had written a static entry
};

} // namespace

std::unique_ptr<Delivery> deliver_by_bridge(Rtnl &rtnl, const GuestSpec &spec) {
    return std::make_unique<BridgeDelivery>(rtnl, spec);
}

std::unique_ptr<Delivery> deliver_as_described(Rtnl &rtnl, const GuestSpec &spec) {
    if (!spec.move.empty()) return deliver_by_commands(spec);
    return spec.vf ? deliver_by_vf(rtnl, spec) : deliver_by_bridge(rtnl, spec);
}

} // namespace hitless
