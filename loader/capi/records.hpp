// SPDX-License-Identifier: BSD-2-Clause
//
// C++ types as the C structs of hitless.h, each with the memory that its pointers lead to.
#pragma once

#include "loader/api.hpp"
#include "loader/include/hitless.h"

#include <list>
#include <string>
#include <vector>

namespace hitless {

class NicRecord {
  public:
    explicit NicRecord(const NicStatus &);
    NicRecord(const NicRecord &) = delete;
    NicRecord &operator=(const NicRecord &) = delete;
    hitless_nic c{};

  private:
    std::string ifname_, mac_, bus_;
};

class StatusRecord {
  public:
    explicit StatusRecord(const PairStatus &);
    StatusRecord(const StatusRecord &) = delete;
    StatusRecord &operator=(const StatusRecord &) = delete;
    hitless_pair c{};

  private:
    PairStatus status_;
    NicRecord primary_, standby_;
    std::string selector_;
    hitless_policy policy_;
    std::vector<hitless_reason> veto_;
    hitless_host host_;
    std::vector<hitless_counter> counters_;
    std::vector<std::string> problem_texts_;
    std::vector<const char *> problems_;
};

class FlipRecord {
  public:
    explicit FlipRecord(const Flip &);
    FlipRecord(const FlipRecord &) = delete;
    FlipRecord &operator=(const FlipRecord &) = delete;
    hitless_flip c{};

  private:
    std::string pair_;
    std::vector<hitless_reason> reasons_;
};

class UnpairedRecord {
  public:
    explicit UnpairedRecord(const Unpaired &);
    UnpairedRecord(const UnpairedRecord &) = delete;
    UnpairedRecord &operator=(const UnpairedRecord &) = delete;
    hitless_unpaired c{};

  private:
    Unpaired nic_;
};

class FindingRecord {
  public:
    explicit FindingRecord(const Finding &);
    FindingRecord(const FindingRecord &) = delete;
    FindingRecord &operator=(const FindingRecord &) = delete;
    hitless_finding c{};

  private:
    Finding finding_;
};

/// Fills `records` anew from `values`, each pointing to the next; the first, or null.
template <typename Record, typename Values>
auto refill(std::list<Record> &records, const Values &values) {
    records.clear();
    for (const auto &value : values)
        records.emplace_back(value);
    decltype(records.front().c.next) next = nullptr;
    for (auto at = records.rbegin(); at != records.rend(); ++at) {
        at->c.next = next;
        next = &at->c;
    }
    return next;
}

} // namespace hitless
