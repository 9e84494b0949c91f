// SPDX-License-Identifier: BSD-2-Clause
//
// Where the host delivers frames for one guest, and the moving of it. What was written is read
// back: state() is what is, never what was asked for.
//
//   delivery.move(DataPath::primary, now);   // begins; some mechanisms take a while
//   poll(delivery.fd()) until delivery.deadline(); delivery.process(now);
//   delivery.state();                        // once not busy()
#pragma once

#include "loader/core/channel_message.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <memory>
#include <string>
#include <vector>

namespace hitless {

/// Who plugs a guest's primary, and what.
struct PlugSpec {
    std::string monitor;                     ///< QEMU's monitor socket; empty: somebody else plugs
    std::string device;                      ///< the arguments of device_add, JSON
    std::chrono::milliseconds limit{10'000}; ///< for the guest to let go of it
    bool reset_when_kept = false;            ///< it is reset then; else it has its primary back
    bool operator==(const PlugSpec &) const = default;
};

/// A guest as the administrator described it.
struct GuestSpec {
    std::string name;
    Mac mac;
    std::string standby; ///< the tap's name
    std::string primary; ///< the port's name, or the PF's; may be empty where commands deliver
    std::optional<uint32_t> vf;          ///< of that PF, if it is one
    std::vector<std::string> move, read; ///< commands (exec); empty: the bridge delivers
    std::chrono::milliseconds command_limit{2000};
    bool give = true;        ///< what is requested until somebody says otherwise
    bool may_bypass = false; ///< its primary may bypass filters, limits and rules of its tap
    std::chrono::milliseconds deadline{250};
    PlugSpec plug;
    std::string origin; ///< where it was described, "file:line:column"
    /// Where it was described makes no difference.
    bool operator==(const GuestSpec &other) const {
        return same_paths(other) && name == other.name && command_limit == other.command_limit &&
               give == other.give && may_bypass == other.may_bypass && deadline == other.deadline &&
               plug == other.plug;
    }
    /// Frames for it go by the same ports, by the same means.
    bool same_paths(const GuestSpec &other) const {
        return mac == other.mac && standby == other.standby && same_primary(other) &&
               move == other.move && read == other.read;
    }
    bool same_primary(const GuestSpec &other) const {
        return primary == other.primary && vf == other.vf;
    }
};

class Delivery {
  public:
    struct State {
        DataPath path = DataPath::unknown;
        bool held = false;        ///< frames go there whatever is heard elsewhere
        std::string problem = {}; ///< why the path is unknown, or the last move failed; else empty
        bool elsewhere = false; ///< they go where the guest was heard last, by neither of its ports
        bool dead = false;      ///< the primary's port is there, and down or without a carrier
        bool operator==(const State &) const = default;
    };
    virtual ~Delivery() = default;

    /// Begins to read where frames go now.
    virtual void look(Instant now) = 0;
    /// Begins to move and hold the downlink; what is then is read back.
    virtual void move(DataPath to, Instant now) = 0;
    /// Frames may go where the guest is heard again, as before it was held.
    virtual void release() = 0;
    /// The guest is not behind either port, as far as is known: what leads to them goes.
    virtual void forget() { release(); }
    /// The guest is nobody's to keep any more. Frames go where they went.
    virtual void let_go() { release(); }
    /// The guest has no primary; `wanted`: it is to get one. For mechanisms that must know before
    /// it is plugged. Quiet when all is as it should be.
    virtual void prepare(bool /*wanted*/) {}

    /// What would keep a move to the primary from succeeding, with its way out; empty: nothing is
    /// known to. Changes nothing. For no loop: it may wait for a command.
    virtual std::string obstacle() { return {}; }

    /// What did not go along with the last move, in words: a guest may have too much of it, or the
    /// mechanism no room.
    const std::string &left_behind() const { return left_behind_; }

    /// Frames follow the guest to where it is heard, unless they are held.
    virtual bool learns() const { return false; }

    /// A move or a look is under way: neither may be asked for.
    virtual bool busy() const { return false; }
    /// Readable when process() has something to do; -1: never.
    virtual int fd() const { return -1; }
    virtual std::optional<Instant> deadline() const { return {}; }
    virtual void process(Instant) {}

    const State &state() const { return state_; }

  protected:
    State state_;
    std::string left_behind_;
};

/// By the forwarding database of the bridge that both ports are in: one sticky entry a VLAN. That
/// to the primary is not static, so that the kernel removes it when the primary's port loses its
/// carrier, also while no daemon runs: frames go to all ports then. What else the bridge has learnt
/// of the guest, its other addresses and its groups, goes along. `rtnl` must outlive it.
std::unique_ptr<Delivery> deliver_by_bridge(Rtnl &rtnl, const GuestSpec &);

class PhysicalFunction;
/// By the filter of a legacy SR-IOV NIC, and that of the bridge of its PF and the tap. `pf`: the
/// kernel's, if none is given. `rtnl` must outlive it.
std::unique_ptr<Delivery> deliver_by_vf(Rtnl &rtnl, const GuestSpec &,
                                        std::unique_ptr<PhysicalFunction> pf = {});

/// As a guest's description says.
std::unique_ptr<Delivery> deliver_as_described(Rtnl &rtnl, const GuestSpec &);

/// By the administrator's commands, with HITLESS_GUEST, HITLESS_MAC, HITLESS_STANDBY,
/// HITLESS_PRIMARY and, to move, HITLESS_PATH in their environment. `read` prints `standby` or
/// `primary`. One that does not end in time is killed with all that it started.
std::unique_ptr<Delivery> deliver_by_commands(const GuestSpec &);

} // namespace hitless
