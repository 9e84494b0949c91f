// SPDX-License-Identifier: BSD-2-Clause
//
// The record of a pair that an older version made. What is really in its pins upgrade_test shows.
#include "loader/core/former_abi.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace hitless {
namespace {

/// Every byte another, but for the version.
hl_pair former() {
    hl_pair out;
    auto *bytes = reinterpret_cast<unsigned char *>(&out);
    for (size_t i = 0; i < sizeof(out); i++)
        bytes[i] = static_cast<unsigned char>(i * 31 + i / 256);
    out.abi_version = HL_ABI_FORMER;
    return out;
}

TEST(FormerAbi, EveryFieldGoesOn) {
    hl_pair before = former(), after = from_former(before, Instant{4711});
    EXPECT_EQ(after.abi_version, HL_ABI_VERSION);
    EXPECT_EQ(after.former_abi, HL_ABI_FORMER);
    EXPECT_EQ(after.taken_over_ns, 4711U);
    EXPECT_EQ(after.former_veto, static_cast<uint32_t>(before.veto));
    // Nothing else may differ.
    after.abi_version = before.abi_version;
    after.former_abi = before.former_abi;
    after.taken_over_ns = before.taken_over_ns;
    after.former_veto = before.former_veto;
    EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
}

TEST(FormerAbi, WhatBecameOfTheReasons) {
    VetoChange change = change_of(0b0110, 0b1010);
    EXPECT_EQ(change.set, 0b1000U);
    EXPECT_EQ(change.cleared, 0b0100U);
    EXPECT_EQ(change_of(5, 5).set | change_of(5, 5).cleared, 0U);
}

} // namespace
} // namespace hitless
