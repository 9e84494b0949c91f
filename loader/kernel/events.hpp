// SPDX-License-Identifier: BSD-2-Clause
//
// What a controller waits on besides netlink: one epoll set that holds it all, one timer, the
// directory of pairs, and the lock that makes it the only one.
#pragma once

#include "loader/core/types.hpp"
#include "loader/kernel/fd.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hitless {

/// An epoll set of callbacks; itself pollable.
class Poller {
  public:
    Poller();
    int fd() const { return epoll_.get(); }
    void add(int fd, uint64_t key);
    /// The key comes once each time that something new happens, not as long as it is so.
    void add_for_edges(int fd, uint64_t key);
    /// The key comes while something can be written, or the other end is gone.
    void add_for_writing(int fd, uint64_t key);
    void remove(int fd);
    /// Keys of what is ready now, at most `max` at a time. Never blocks.
    template <typename Visit>
    void ready(Visit visit) {
        uint64_t keys[16];
        int n = take(keys, 16);
        for (int i = 0; i < n; i++)
            visit(keys[i]);
    }

  private:
    void add(int fd, uint64_t key, uint32_t events);
    int take(uint64_t *keys, int max);
    Fd epoll_;
};

/// One deadline on CLOCK_BOOTTIME.
class Timer {
  public:
    Timer();
    int fd() const { return fd_.get(); }
    void arm(std::optional<Instant> at);
    void acknowledge();
    /// Acknowledges; true when the deadline had passed.
    bool due();

  private:
    Fd fd_;
};

/// Wakes when an entry of a directory appears, disappears or is renamed.
class DirectoryWatch {
  public:
    explicit DirectoryWatch(const std::string &dir);
    int fd() const { return fd_.get(); }
    /// True when something else than `but` came or went: what is made and thrown away there while a
    /// pair is put together is nobody's news.
    bool changed(std::string_view but);

  private:
    Fd fd_;
    Fd dir_; ///< keeps the file system mounted
};

/// A lock file held while the object lives and freed by the kernel with the process. Its text is
/// the holder's pid, true while it is locked. A lock of the open file (F_OFD_SETLK): unlike those
/// of the process, not lost when some other part of it opens and closes the file; unlike flock(2),
/// it can be asked for without being taken, which would keep a controller that starts from having
/// it.
class OwnerLock {
  public:
    /// Returns an unheld lock when somebody else has it. `remark`: a line that others may read.
    explicit OwnerLock(const std::string &path, std::string_view remark = "");
    /// Removes the file: namespaces come and go, and each would leave one.
    ~OwnerLock();
    OwnerLock(const OwnerLock &) = delete;
    OwnerLock &operator=(const OwnerLock &) = delete;
    bool held() const { return static_cast<bool>(fd_); }

    /// The pid of whoever holds it; 0 when it has not yet written it.
    static std::optional<int> holder(const std::string &path);
    /// What it has remarked; "" when it has nothing to say, or nobody holds it.
    static std::string remark(const std::string &path);

  private:
    std::string path_;
    Fd fd_;
};

/// A process that exists and does not run: a signal or a debugger has stopped it. False where /proc
/// does not say.
bool is_stopped(int pid);

} // namespace hitless
