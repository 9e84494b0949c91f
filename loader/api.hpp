// SPDX-License-Identifier: BSD-2-Clause
//
// libhitless: make, read, steer and keep pairs of NICs. All calls act in the caller's network
// namespace, need CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN (to mount a bpffs), keep no
// thread and throw hitless::Error. What is attached stays in force when the process ends.
//
//   hitless::attach({.standby = "eth0"});
//   hitless::Controller controller({});
//   // poll(controller.fd()) ... controller.process();
//
// When not to use it: two NICs with two identities want routing; ports to one switch that must
// aggregate bandwidth want LACP (bonding).
#pragma once

#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "loader/core/policy.hpp"
#include "loader/core/types.hpp"
#include "maps/pair_view.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hitless {

/// Takes a line for people.
using Note = std::function<void(const std::string &)>;

struct AttachRequest {
    std::string standby; ///< interface name
    Selector primary;
    Policy policy;
    std::optional<hl_liveness> liveness; ///< none: the best rung that the kernel takes
    hl_model model = HL_MODEL_TWO;       ///< docs/models.md
    /// XDP: for guests that forward; of the model three alone.
    hl_datapath datapath = HL_DATAPATH_TC;
    std::string failover{}; ///< name of the failover device; empty: "fo-" and the standby's
    bool checksums_complete = false; ///< XDP on veth or tap: the other ends finish every frame
    bool gate = false; ///< tc only: an XDP program keeps twins from taps on the standby
    std::vector<std::string> other_standbys{}; ///< a controller's choice, in this order, when
                                               ///< `standby` is not there
    std::string origin{}; ///< file:line:column where it was asked for; for messages
    Note note{};          ///< hears what does not go on by itself afterwards; may be empty
};

/// Makes a pair, at once and for good. Refuses rather than half-attaches: after an Error the
/// machine is as it was. Returns the primary's name, empty when none is there yet.
std::string attach(const AttachRequest &);

/// Ends a pair and gives every setting back. Under a controller that lasts until the next attach(),
/// Controller::reconfigure() or boot, whatever its rules. `standby`: interface name; pairs whose
/// standby has vanished are named by what status() shows. `note` hears what could not be given
/// back, because the pair was incomplete or of another version, and what does not go on by itself.
void detach(const std::string &standby, const Note &note = {});

/// Ends all pairs of the namespace; returns how many there were.
unsigned detach_all(const Note &note = {});

struct ConvertRequest {
    std::string standby; ///< or the failover device
    hl_model model;
    std::string failover{}; ///< as for attach
    bool gap = false;       ///< though frames are lost on the way
};

/// Makes the pair one of another model; refuses (EBUSY, with the reason) what would lose frames,
/// unless `gap`. When the new one cannot be made the old one is made again. With `gap` and the
/// model that the pair has, the pair is made again as it is. Returns how long it
/// took.
Instant convert(const ConvertRequest &);

struct NicStatus {
    std::string ifname;
    Ifindex index = Ifindex::none;
    Mac mac;
    std::string bus;
    uint32_t mtu = 0;
    uint64_t tx_dropped = 0; ///< frames that it was given and did not send, as the kernel counts
    bool present = false;
    bool up = false;
    bool carrier = false;
    bool known = true;   ///< the datapath has it: false after it was away, until it is taken back
    bool native = false; ///< an XDP program of ours is in front of it

    bool works() const { return present && up && carrier; }
};

/// A reason that stands against the primary.
struct Veto {
    VetoReason reason;
    Instant since; ///< CLOCK_BOOTTIME
    hl_actor actor;
};

/// What is broken in a pair, or not as its owner believes.
struct Problem {
    std::string what;
    std::string remedy; ///< the command or change that mends it; empty when it is not the guest's
    std::string text() const { return remedy.empty() ? what : what + "; " + remedy; }
};

struct PairStatus {
    std::string name;     ///< the standby's present name
    std::string failover; ///< the device that the guest uses; empty: the standby
    std::string netns;    ///< the private namespace of a failover device's inner end, if any
    hl_model model = HL_MODEL_TWO;
    hl_datapath datapath = HL_DATAPATH_TC;
    hl_liveness liveness = HL_LIVENESS_CAST;
    bool primary_active = false;
    uint64_t veto = 0;
    std::vector<Veto> vetoes; ///< the same, with since when and by whom
    uint64_t flips = 0;
    bool proved = false; ///< a neighbour has answered by the primary since it came up
    Selector selector;
    Policy policy;
    NicStatus primary, standby;
    hl_counters counters{};
    std::vector<Problem> problems; ///< empty when nothing is broken

    /// The primary is in use, or an operator or the host chose otherwise; and nothing is broken.
    bool healthy() const;
};

/// The pairs of this namespace. Works without a controller. One that is incomplete or of another
/// version is its own trouble: it is left out, and why goes to `unreadable`. Without that, it is
/// thrown when there is nothing else to tell.
std::vector<PairStatus> status(std::vector<Error> *unreadable = nullptr);
PairStatus status(const std::string &standby);

/// Why a paravirtual NIC is in no pair.
struct Unpaired {
    std::string ifname;
    std::string why; ///< "" when it could be paired at once
};
std::vector<Unpaired> unpaired();

/// auto withdraws the operator's veto; primary also every doubt and decision of others (host,
/// black-hole, tx-hang), not what the primary cannot do: a dead one is not used, nor one that does
/// not take the master's MTU, MAC or settings; standby sets the operator's.
enum class Target { automatic, primary, standby };
void switch_path(const std::string &standby, Target);

/// A flip as people read it.
struct Flip {
    std::string pair;
    Instant time; ///< CLOCK_BOOTTIME
    bool to_primary;
    uint64_t reasons; ///< veto bits that caused it, or that were withdrawn last
    hl_actor actor;
    std::optional<uint64_t> lost;  ///< frames that died in the primary, by its own counters since
                                   ///< the controller last looked; none: nobody looked
    std::optional<Instant> lasted; ///< how long the state before had lasted, where the log knows
};

/// Flips of all pairs since the numbers in `seen` (pair -> flips read), which it advances.
class FlipReader {
  public:
    enum class Unreadable { refused, passed_over };
    /// What to do about a pair that is incomplete or of another version, and has no log to read.
    explicit FlipReader(Unreadable = Unreadable::refused);
    ~FlipReader();
    FlipReader(FlipReader &&) noexcept;
    FlipReader &operator=(FlipReader &&) noexcept;
    /// Cheap enough to poll: reads mapped memory. New pairs are found by rescan().
    std::vector<Flip> read();
    void rescan();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Keeps pairs: gives them their primaries back, proves and trusts, notices what the datapath
/// cannot. Single-threaded; does nothing outside process(). One per network namespace.
class Controller {
  public:
    struct Options {
        bool auto_pair = true;            ///< pair every standby with its same-MAC PCI primary
        std::vector<AttachRequest> pairs; ///< asked for by name; made when both NICs are there
        Policy policy;                    ///< of pairs made by auto_pair
        std::function<void(const std::string &)> log; ///< one line an occurrence; may be empty
        std::function<void(const Flip &)> on_flip;    ///< may be empty
    };

    /// Adopts what is attached and makes what is missing. Throws AlreadyRunning when the namespace
    /// has a controller.
    explicit Controller(Options);
    ~Controller();

    int fd() const; ///< readable when process() has something to do
    void process();

    /// Follows another configuration, without a gap: pairs keep their datapath and take over their
    /// new policy and rule; none is detached because it is no longer named.
    /// The callbacks stay as they are.
    void reconfigure(Options);

  private:
    class Engine;
    std::unique_ptr<Engine> engine_;
};

/// One line for each rule that has no standby or no primary on this machine now.
std::vector<std::string> idle_rules(const Controller::Options &);

/// Another controller owns the namespace.
class AlreadyRunning : public Error {
  public:
    explicit AlreadyRunning(int owner_pid);
    int owner() const { return owner_; }

  private:
    int owner_;
};

/// Where pairs and controllers keep what outlives them: /run/hitless, or $HITLESS_STATE_DIR.
std::string state_directory();

/// The pid of the namespace's controller, if it has one.
std::optional<int> controller_pid();

/// One thing that doctor looked at.
struct Finding {
    enum class Grade { ok, degraded, missing } grade;
    std::string what;   ///< "bpf_rdonly_cast"
    std::string detail; ///< what was found
    std::string remedy; ///< the command or change that mends it; empty when nothing is needed
};
inline constexpr std::string_view grade_names[] = {"ok", "degraded", "missing"};
std::vector<Finding> examine_machine();

} // namespace hitless
