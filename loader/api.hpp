// SPDX-License-Identifier: BSD-2-Clause
//
// libhitless: make pairs of NICs, read their state, choose their path and keep them working. All
// calls act in the caller's network namespace, start no thread and throw hitless::Error. They need
// CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, and CAP_SYS_ADMIN to mount a bpffs. A pair stays in force
// when the process ends. Each Instant and duration says its unit in its type; a point in time is of
// CLOCK_BOOTTIME. Objects returned by value are the caller's.
//
//   hitless::attach({.standby = "eth0"});
//   hitless::Controller controller({});
//   // poll(controller.fd()) ... controller.process();
//
// When not to use it: two NICs with two identities need routing; ports to one switch that must add
// up their bandwidth need LACP (bonding).
#pragma once

#include "loader/core/channel_message.hpp"
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

/// Is called with one line of text for people; may be empty.
using Note = std::function<void(const std::string &)>;

struct AttachRequest {
    std::string standby; ///< interface name
    Selector primary;
    Policy policy;
    std::optional<hl_liveness> liveness; ///< none: the best that the kernel accepts
    hl_model model = HL_MODEL_TWO;       ///< docs/models.md
    /// XDP is for guests that forward, in the model three only.
    hl_datapath datapath = HL_DATAPATH_TC;
    std::string failover{}; ///< name of the failover device; empty: "fo-" and the standby's
    /// For XDP on veth or tap: the other ends send only frames with complete checksums.
    bool checksums_complete = false;
    /// For tc: an XDP program keeps the second copies of frames from packet sockets on the standby.
    bool gate = false;
    std::vector<std::string> other_standbys{}; ///< for a controller: tried in this order when
                                               ///< `standby` is not there
    std::string origin{}; ///< file:line:column where the pair was asked for; for messages
    Note note{};          ///< is told what does not go on by itself after the attach
};

/// Makes a pair, which lasts until it is detached or the machine stops. After an Error the machine
/// is as it was. Returns the primary's name, empty when there is no primary yet.
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
    bool gap = false;       ///< convert although frames are lost on the way
    Note note{};            ///< is told what does not follow to the other device
};

/// Gives a pair another model. Without `gap` it refuses what would lose frames (EBUSY, with the
/// reason). When the new pair cannot be made, the old one is made again. With `gap` and the model
/// that the pair has already, the pair is made again as it is. Returns how long it took.
Instant convert(const ConvertRequest &);

/// What became of a pair that another version of hitless had made.
struct Upgraded {
    std::string standby{}; ///< the pair's own name where its record cannot be read
    std::string pair{};    ///< its own name
    uint32_t from = 0;     ///< HL_ABI_VERSION of the one that made it; 0: it cannot be read
    std::string refused{}; ///< why it is not taken over, and stays in force as it was; empty: it is
    int error = 0;         ///< the errno of that
    std::string remark{};  ///< what is to be known though it is; empty: nothing
};

/// Takes over the namespace's pairs of the version before (HL_ABI_FORMER): our programs run in the
/// place of the older ones, and no frame passes neither. Counts, settings and reasons go on. A
/// controller that starts does it by itself. Takeovers that a crash has interrupted are ended
/// first. With `check_only` nothing changes, and what would refuse is said. Returns those pairs
/// that are not of our version, or became it now.
std::vector<Upgraded> upgrade(bool check_only = false);

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
    bool known = true;   ///< the datapath has it; false after it was away, until a controller or
                         ///< an attach gives it to the datapath again
    bool native = false; ///< an XDP program of ours is in front of it

    bool works() const { return present && up && carrier; }
};

/// A reason that stands against the primary.
struct Veto {
    VetoReason reason;
    Instant since; ///< CLOCK_BOOTTIME
    hl_actor actor;
};

/// Something that is broken in a pair, or is not as its owner believes.
struct Problem {
    std::string what;
    std::string remedy; ///< the command or change that mends it; empty when the guest has none
    std::string text() const { return remedy.empty() ? what : what + "; " + remedy; }
};

/// What the hypervisor says of a pair (`hitless host run`), and what a controller told it.
struct HostStatus {
    bool speaks = false; ///< its word holds now; false: it fell silent, or no controller listens
    DataPath want = DataPath::unknown;      ///< by which the guest shall send
    DataPath downlink = DataPath::unknown;  ///< where it delivers frames for the guest
    Instant since{};                        ///< it says the same; CLOCK_BOOTTIME
    Instant lease_end{};                    ///< until when its word holds
    Instant last_heard{};                   ///< its last message that counted; 0: not known
    bool able = false;                      ///< told: the guest would use a primary
    GuestPrimary told = GuestPrimary::none; ///< what the primary is to the guest
    uint32_t slot = 0;                      ///< told: the primary's PCI slot; 0: unknown
    uint64_t heard = 0;                     ///< its messages
    uint64_t ignored = 0; ///< messages that were malformed, or nobody's whom the guest obeys
    uint64_t sent = 0;
};

struct PairStatus {
    std::string name;     ///< the standby's present name
    std::string failover; ///< the device that the guest uses; empty: the standby
    std::string netns;    ///< the private namespace of a failover device's inner end, if any
    hl_model model = HL_MODEL_TWO;
    hl_datapath datapath = HL_DATAPATH_TC;
    hl_liveness liveness = HL_LIVENESS_CAST;
    bool primary_active = false;
    bool master_down =
        false;         ///< the device that the guest uses is: no frame gets as far as the pair
    uint64_t veto = 0; ///< the veto word: HL_VETO bits of what stands against the primary
    std::vector<Veto> vetoes; ///< the same reasons, with since when they stand and by whom
    uint64_t flips = 0;       ///< changes of the path since the pair was made
    bool proved = false;      ///< a neighbour has answered by the primary since it came up
    Selector selector;
    Policy policy;
    NicStatus primary, standby;
    std::string candidate; ///< while there is no primary: a NIC that a controller adopts as such
    hl_counters counters{};
    std::optional<HostStatus> host; ///< nothing: no host has ever spoken
    std::vector<Problem> problems;  ///< empty when nothing is broken

    /// The primary is in use, or an operator or the host chose otherwise; and nothing is broken.
    bool healthy() const;
};

/// A pair of which nothing can be told, and why.
struct UnreadablePair {
    std::string pair;    ///< its own name
    std::string standby; ///< its own name where not even its record can be read
    Error why;
};

/// The pairs of this namespace. No controller is needed. A pair that is incomplete or of another
/// version is left out, and added to `unreadable` with the reason. Where that is null, the first
/// such reason is thrown if there is no other pair to return.
std::vector<PairStatus> status(std::vector<UnreadablePair> *unreadable = nullptr);
/// The pair of one standby, or of its failover device. Throws ENODEV when there is
/// no such interface, ENOENT when it is in no pair.
PairStatus status(const std::string &standby);

/// A paravirtual NIC that is in no pair, and why.
struct Unpaired {
    std::string ifname;
    std::string why; ///< "" when it could be paired at once
};
std::vector<Unpaired> unpaired();

/// `standby` sets the operator's veto, `automatic` withdraws it. `primary` also withdraws every
/// doubt and every decision of others (host, black-hole, tx-hang). It does not withdraw what the
/// primary cannot do: a dead primary is not used, nor one that does not take the master's MTU, MAC
/// or settings.
enum class Target { automatic, primary, standby };
void switch_path(const std::string &standby, Target);

/// A change of a pair's path.
struct Flip {
    std::string pair;
    Instant time; ///< CLOCK_BOOTTIME
    bool to_primary;
    uint64_t reasons; ///< veto bits that caused it, or that were withdrawn last
    hl_actor actor;
    std::optional<uint64_t> lost;  ///< frames that were lost in the primary, by its own counters
                                   ///< since a controller last read them; none: nobody read them
    std::optional<Instant> lasted; ///< how long the state before had lasted, where the log knows
};

/// Reads the flips of all pairs, each once and the oldest first.
class FlipReader {
  public:
    enum class Unreadable { refused, passed_over };
    /// What to do about a pair that is incomplete or of another version, and has no log to read.
    explicit FlipReader(Unreadable = Unreadable::refused);
    ~FlipReader();
    FlipReader(FlipReader &&) noexcept;
    FlipReader &operator=(FlipReader &&) noexcept;
    /// Flips since the last call. Reads mapped memory, so it may be called often. Pairs that are
    /// new are found by rescan().
    std::vector<Flip> read();
    void rescan();
    /// Those that the last look found, and whose flips nobody can tell.
    const std::vector<UnreadablePair> &unreadable() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Keeps pairs working: gives them their primaries back, proves their paths, and notices what the
/// datapath cannot. It starts no thread and does nothing outside process(). A network namespace has
/// one controller at most.
class Controller {
  public:
    struct Options {
        bool auto_pair = true;            ///< pair every standby with its same-MAC PCI primary
        bool host = true;                 ///< listen for the hypervisor, and do what it wants
        std::vector<AttachRequest> pairs; ///< rules: pairs to make as soon as their NICs are there
        Policy policy;                    ///< for pairs that auto_pair makes
        std::function<void(const std::string &)> log; ///< is told one line an event; may be empty
        std::function<void(const Flip &)> on_flip;    ///< may be empty
    };

    /// Adopts what is attached and makes what is missing. Throws AlreadyRunning when the namespace
    /// has a controller.
    explicit Controller(Options);
    ~Controller();

    /// The descriptor to wait on, for reading: process() has something to do.
    int fd() const;
    /// Does what is due and never waits. An error that concerns one pair goes to the log.
    void process();

    /// Follows another configuration. Pairs keep their datapath and lose no frame; they get their
    /// new policy and rule. A pair that no rule names any more is not detached. The callbacks stay
    /// as they are.
    void reconfigure(Options);

  private:
    class Engine;
    std::unique_ptr<Engine> engine_;
};

/// One line for each rule that has no standby or no primary on this machine now.
std::vector<std::string> idle_rules(const Controller::Options &);

/// Thrown where the namespace has another controller.
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

/// The same when it is of another version, and so keeps none of the pairs of ours.
std::optional<int> foreign_controller_pid();

/// Whether the namespace has a controller that keeps pairs of this version.
bool is_controlled();

/// One thing that examine_machine() looked at.
struct Finding {
    enum class Grade { ok, degraded, missing } grade;
    std::string what;   ///< "bpf_rdonly_cast"
    std::string detail; ///< what was found
    std::string remedy; ///< the command or change that mends it; empty when nothing is needed
};
inline constexpr std::string_view grade_names[] = {"ok", "degraded", "missing"};
/// What this machine can do, and what prevents the rest. Everything is really tried, in child
/// processes; nothing of it remains.
std::vector<Finding> examine_machine();

} // namespace hitless
