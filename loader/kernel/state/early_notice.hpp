// SPDX-License-Identifier: BSD-2-Clause
//
// Early notice that the kernel takes a primary away (bpf/notice.bpf.c): optional programs on
// tracing hooks, loaded by whoever listens and gone with it. They latch the pair's veto word and
// ring.
//
//   EarlyNotice notice;               // loads what the kernel allows, perhaps nothing
//   auto watch = notice.watch(pair);  // while this object lives
//   // poll(notice.fd()) ... notice.read([&](const hl_notice &) { ... });
#pragma once

#include "loader/kernel/state/pair.hpp"

#include <functional>
#include <memory>

struct notice_bpf;

namespace hitless {

class EarlyNotice {
  public:
    /// Positive errno of what the kernel refuses, 0 of what is in force.
    struct Variants {
        int tracepoints = 0; ///< before a driver is stopped, and when its queue hangs
        int functions = 0;   ///< still before: carrier loss and removal as they begin
    };

    EarlyNotice();
    ~EarlyNotice();
    EarlyNotice(const EarlyNotice &) = delete;
    EarlyNotice &operator=(const EarlyNotice &) = delete;

    const Variants &variants() const { return variants_; }
    /// Readable when there is something to read; -1 when nothing will ever be.
    int fd() const;
    void read(const std::function<void(const hl_notice &)> &);

    /// A primary under watch; no longer when the object goes, which must be before EarlyNotice
    /// does.
    class Watch {
      public:
        Watch() = default;
        Watch(const EarlyNotice &, const Pair &);
        ~Watch();
        Watch(Watch &&other) noexcept { *this = std::move(other); }
        Watch &operator=(Watch &&) noexcept;
        /// The net_device, as hl_nic has it; 0: none.
        uint64_t netdev() const { return netdev_; }

      private:
        int map_ = -1;
        uint64_t netdev_ = 0;
    };

  private:
    struct Free {
        void operator()(notice_bpf *) const;
        void operator()(ring_buffer *) const;
    };
    bool load(bool functions);
    void attach(bool functions);

    Variants variants_;
    std::unique_ptr<notice_bpf, Free> programs_;
    std::vector<Fd> links_;
    std::unique_ptr<ring_buffer, Free> bell_;
    const std::function<void(const hl_notice &)> *reader_ = nullptr;
};

} // namespace hitless
