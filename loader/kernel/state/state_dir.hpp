// SPDX-License-Identifier: BSD-2-Clause
//
// Where pairs live when no process does: a bpffs of our own at /run/hitless/bpf, one directory a
// pair. It stands in the machine's own mounts even when the caller does not (`ip netns exec` gives
// it a fresh /sys), so every caller sees the same pairs (docs/adr/0002).
//
// On-disk protocol (docs/architecture.md): under the lock, everything is pinned in `stage`, then
// renamed to its final name; removal renames back to `stage` first. A reader without the lock sees
// a whole pair or none. A `stage` found under the lock is the remains of a crash; one of another
// network namespace, which alone can give its settings back, is set aside as `stage-COOKIE-N`.
#pragma once

#include "loader/kernel/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hitless {

class StateDir {
  public:
    /// Taken for every change; released by the destructor.
    class Lock {
      public:
        explicit Lock(Fd dir) : dir_(std::move(dir)) {}

      private:
        Fd dir_;
    };

    /// Uses $HITLESS_STATE_DIR if set (tests, containers), else /run/hitless. Changes nothing.
    StateDir();

    Lock lock();
    /// Nothing while somebody else has it: for who may not wait.
    std::optional<Lock> try_lock();
    /// Makes the directory and mounts the bpffs where they are missing. Under the lock.
    void ensure_mounted();
    /// Unmounts a bpffs with nothing in it. Under the lock; quiet when it is in use.
    void unmount_if_empty();

    bool mounted() const;
    /// Somebody changes pairs at this moment.
    bool is_locked() const;
    /// Names of the published pairs; empty when nothing is mounted.
    std::vector<std::string> pairs() const;

    /// Names of the directories that hypervisors' daemons pin into; likewise.
    std::vector<std::string> hosts() const;
    /// Names of such a daemon's lock and control socket, where they name their namespace.
    std::vector<std::string> host_files() const;

    /// The directory to pin into before publish(). Under the lock.
    std::string stage() const { return path(std::string(stage_name)); }
    static constexpr std::string_view stage_name = "stage";
    bool has_stage() const;
    /// Makes room for another stage, and keeps this one for its own namespace. Under the lock.
    void set_stage_aside(uint64_t netns_cookie);
    /// What was set aside, of all namespaces.
    std::vector<std::string> stages_aside() const;
    std::string make_stage();
    void publish(const std::string &name);
    /// Takes a pair out of sight; its pins are then below the returned directory. Under the lock.
    std::string unpublish(const std::string &name);
    /// The directory in which a pair is taken over from the version before; it stands beside the
    /// pair. Under the lock.
    std::string upgrade_of(const std::string &name) const { return path(upgrade_name(name)); }
    static std::string upgrade_name(const std::string &pair);
    std::string make_upgrade(const std::string &name) const;
    /// The two directories take each other's place in one step: a reader sees the one pair or the
    /// other.
    void exchange(const std::string &name) const;
    /// The pairs that have such a directory, of all namespaces; under the lock: since a crash.
    std::vector<std::string> upgrades() const;
    bool has_upgrade(const std::string &pair) const;
    /// Removes a directory of pins and all in it. What is not pinned elsewhere is freed.
    static void remove(const std::string &dir);

    std::string path(const std::string &name) const { return bpffs_ + "/" + name; }
    const std::string &bpffs() const { return bpffs_; }
    const std::string &root() const { return root_; }

    /// The name of a pair: unique on the machine, stable while it exists.
    static std::string pair_name(uint64_t netns_cookie, uint32_t standby_ifindex);
    /// The name of such a daemon's directory and lock.
    static std::string host_name(uint64_t netns_cookie);
    /// The cookie in the name of a pair, of a stage that was set aside, or of anything else that is
    /// PREFIX-COOKIE-...; 0 when there is none.
    static uint64_t cookie_in(std::string_view name);

  private:
    void make_directories() const;
    Fd open_root() const;

    std::string root_, bpffs_;
    bool given_;         ///< by the environment, not the machine's own
    std::string mounts_; ///< the process in whose mounts that is; empty: in ours
    size_t below_;       ///< how much of the paths leads there
};

} // namespace hitless
