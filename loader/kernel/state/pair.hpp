// SPDX-License-Identifier: BSD-2-Clause
//
// One pair in the kernel: its objects, its mapped state and its hooks. The C++ object may come and
// go; the pair lives in its directory of pins.
//
//   Pair pair = Pair::open(state_dir.path(name));
//   pair.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, now().count());
#pragma once

#include "loader/core/models.hpp"
#include "loader/core/types.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/bpf/load.hpp"
#include "loader/kernel/bpf/mapping.hpp"
#include "loader/kernel/bpf/objects.hpp"
#include "loader/kernel/bpf/xdp_object.hpp"
#include "maps/pair_view.hpp"

#include <functional>
#include <memory>
#include <vector>

struct ring_buffer;

namespace hitless {

/// Whose records a reader can make sense of: our own version's; the version's before, which may be
/// taken over; either, which is enough to give settings back.
enum class Versions { ours, former, known };

class Pair {
  public:
    /// Loads programs and maps for the master and pins them below `dir`. Attaches nothing.
    static Pair create(const LoadOptions &, const std::string &dir);
    /// Adopts what is pinned. Throws EPROTO for pins of another ABI version, whatever else they
    /// lack, and leaves them alone.
    static Pair open(const std::string &dir);
    /// The same of a pair that lost pins, but not its state, or of the version before: fit to be
    /// taken apart.
    static Pair open_remains(const std::string &dir);
    /// A whole pair of the version before.
    static Pair open_former(const std::string &dir);
    /// Loads our programs over the maps of such a pair, makes its record one of ours, and pins all
    /// of it below `dir`. Attaches nothing.
    static Pair follow(const Pair &former, const std::string &dir);
    /// Throws where beside this one there are no descriptors for its follower, and to undo that.
    void check_room() const;
    /// What would refuse that: throws it, and changes nothing.
    static void try_to_follow(const Pair &former);

    PairView view() const { return PairView(mapping_.get()); }
    /// The fields that the loader owns.
    hl_pair &state() const { return *mapping_.get(); }

    /// Tells the datapath which device of the caller's namespace plays a role; `Ifindex::none`
    /// forgets it. The kernel forgets a device that is unregistered or moved away by itself.
    void resolve(hl_role, Ifindex) const;
    /// False once the kernel forgot it: a device that came back, even under its old number, must be
    /// resolved anew.
    bool resolved(hl_role) const;
    /// The same of an end of the failover device.
    void resolve(hl_port, Ifindex) const;
    bool resolved(hl_port) const;
    /// Wakes the controller after a change of the veto word from userspace.
    void ring_bell() const;
    /// Pollable: readable when the bell rang.
    int bell_fd() const { return objects_.bell.get(); }
    /// The map of hl_pair.
    int state_fd() const { return objects_.pair.get(); }
    /// The kernel's number of that map, which is the pair's identity: its name in the state
    /// directory is used again.
    uint32_t id() const;

    hl_counters counters() const;

    const ModelRow &model() const { return model_row(state()); }

    void set_failover(const hl_failover &ends) { state().failover = ends; }

    /// Hooks: the caller is in the namespace of the device.
    void attach(hl_hook_id, const Link &);
    void detach(hl_hook_id);
    bool attached(hl_hook_id) const;
    /// Whether our program still runs there though its pin is out of sight.
    bool runs(hl_hook_id) const;
    /// Unicast may come by both NICs from now on, as after a stray, for a second; or until the next
    /// call, so that two versions' programs, which do not see each other's strays, take no frame
    /// twice.
    void doubt_unicast(bool lastingly) const;
    /// Our program runs in the place of the former one, whose link we have as well. A frame passes
    /// the one or the other.
    void take_over(hl_hook_id, const Pair &former);
    /// Throws what would refuse that at an XDP hook, or at one whose link is pinned nowhere, and
    /// changes nothing.
    void try_to_follow(hl_hook_id) const;
    /// The former pair's program runs again, however far the one in `follower` had come.
    void give_back(hl_hook_id, const std::string &follower);
    /// Programs of others stand behind ours, where redirected frames do not come by.
    bool hides_from_others(hl_hook_id) const;
    /// Moves ours behind them; no frame passes it meanwhile.
    void move_behind_others(hl_hook_id, const std::string &shown);
    /// Programs of others that see frames before ours does.
    std::vector<OtherProgram> ahead(hl_hook_id) const;

    /// The directory was renamed.
    void moved_to(const std::string &dir) { dir_ = dir; }

  private:
    Pair(Objects objects, std::string dir);
    void expect_whole() const; ///< throws where something that its model and hooks need is gone
    void put(uint32_t key, Ifindex) const;
    bool taken(uint32_t key) const;
    int program(hl_hook_id) const;
    Fd lost_link(hl_hook_id) const;
    void recover_pin(hl_hook_id) const; ///< of a link that others hold
    bool goes_last(hl_hook_id) const;
    std::string pin(hl_hook_id) const;
    XdpObject xdp_object(hl_hook_id, std::string_view shown) const;

    Objects objects_;
    Mapping mapping_;
    std::string dir_;
};

/// What a pair says of itself, and no more of it: cheap, where every pair is looked through.
class PairRecord {
  public:
    /// Throws as Pair::open() does.
    explicit PairRecord(const std::string &dir, Versions = Versions::ours);
    const hl_pair &state() const { return *mapping_.get(); }
    const ModelRow &model() const { return model_row(state()); }
    /// Has nobody write into it any more but the pair's programs. False while a process still can.
    bool seal() const;
    /// Other processes that have it open, as far as /proc shows them.
    std::vector<int> holders() const;

  private:
    Fd map_;
    Mapping mapping_; ///< to read, so that it is no reason why it cannot be sealed
};

/// What a former pair, pinned in this directory, still has beside its follower at a hook goes. The
/// caller is in the namespace of the device.
void retire_hook(const PairRecord &former, const std::string &dir, const std::string &follower,
                 hl_hook_id);

/// Pair::id() of what is pinned in a directory now; 0 when nothing is.
uint32_t pinned_id(const std::string &dir);
/// Whether a link that is pinned there holds a program on this device; of any version. clsact keeps
/// no links.
bool has_pinned_hook(const std::string &dir, Ifindex);

/// Empties a bell, so that it can be waited for again.
class BellReader {
  public:
    explicit BellReader(int bell_fd);
    void drain();

  private:
    struct Free {
        void operator()(ring_buffer *) const;
    };
    std::unique_ptr<ring_buffer, Free> ring_;
};

} // namespace hitless
