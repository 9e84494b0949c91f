// SPDX-License-Identifier: BSD-2-Clause
//
// The table of models: what must hold of any row for frames to find their way.
#include "loader/core/models.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace hitless {
namespace {

struct Key {
    hl_model model;
    hl_datapath datapath;
};

class Models : public testing::TestWithParam<Key> {
  protected:
    const ModelRow &row = *find_model(GetParam().model, GetParam().datapath);

    std::vector<HookRow> hooks_of(PairDevice device) const {
        std::vector<HookRow> out;
        std::ranges::copy_if(row.hooks, std::back_inserter(out),
                             [&](const HookRow &hook) { return hook.device == device; });
        return out;
    }
};

TEST_P(Models, AreFoundByNumberAndName) {
    EXPECT_EQ(row.model, GetParam().model);
    EXPECT_EQ(row.datapath, GetParam().datapath);
    EXPECT_EQ(model_named(model_name(row.model)), row.model);
}

TEST_P(Models, HideNothingWithoutADeviceToShow) {
    EXPECT_TRUE(row.nics == PairNetns::guest || row.has_failover);
    EXPECT_TRUE(!row.takes_name || row.nics == PairNetns::hidden) << "the name must be free";
}

TEST_P(Models, HaveEachHookOnceAndInTheNamespaceOfItsDevice) {
    std::set<hl_hook_id> seen;
    for (const HookRow &hook : row.hooks) {
        EXPECT_TRUE(seen.insert(hook.hook).second);
        EXPECT_EQ(row.hook(hook.hook), &hook);
        const PairNetns home = hook.device == PairDevice::master  ? PairNetns::guest
                               : hook.device == PairDevice::inner ? row.inner
                                                                  : row.nics;
        EXPECT_EQ(hook.where, home) << hook.program;
        EXPECT_EQ(hook.slot == ProgramSlot::xdp, hook.hook >= HL_HOOK_XDP_INNER) << hook.program;
    }
}

TEST_P(Models, SeeEveryFrameOfBothNics) {
    for (hl_hook_id hook : {HL_HOOK_INGRESS_STANDBY, HL_HOOK_INGRESS_PRIMARY})
        EXPECT_NE(row.hook(hook), nullptr);
    EXPECT_TRUE(row.hook(HL_HOOK_EGRESS) || row.hook(HL_HOOK_INNER)) << "and what the guest sends";
    EXPECT_EQ(hooks_of(PairDevice::inner).empty(), !row.has_failover);
}

TEST_P(Models, SendLast) {
    if (row.has_failover) GTEST_SKIP() << "frames go there once the addresses do";
    auto at = std::ranges::find(row.hooks, HL_HOOK_EGRESS, &HookRow::hook);
    EXPECT_TRUE(std::all_of(at + 1, row.hooks.end(), [](const HookRow &hook) {
        return hook.slot == ProgramSlot::xdp; // the gate, if asked for
    })) << "the standby has its own frames until the last program stands";
}

TEST_P(Models, BounceWhereThePeerIsInTheNicsNamespace) {
    const HookRow *inner = row.hook(HL_HOOK_INNER);
    const bool bounces = inner && inner->slot == ProgramSlot::bounce;
    EXPECT_EQ(bounces, row.has_failover && row.nics != row.inner)
        << "bpf_redirect_peer() must leave the namespace";
    EXPECT_EQ(row.may_be_netkit, row.nics == PairNetns::hidden)
        << "a netkit's program runs at its inner end";
}

INSTANTIATE_TEST_SUITE_P(All, Models,
                         testing::Values(Key{HL_MODEL_TWO, HL_DATAPATH_TC},
                                         Key{HL_MODEL_THREE, HL_DATAPATH_TC},
                                         Key{HL_MODEL_THREE, HL_DATAPATH_XDP},
                                         Key{HL_MODEL_HIDDEN, HL_DATAPATH_TC},
                                         Key{HL_MODEL_ONE, HL_DATAPATH_TC}),
                         [](const auto &m) {
                             return std::string(model_name(m.param.model)) +
                                    (m.param.datapath == HL_DATAPATH_XDP ? "Xdp" : "");
                         });

TEST(ModelTable, OtherWordsAndNumbersAreNone) {
    EXPECT_FALSE(model_named("four"));
    EXPECT_FALSE(model_named(""));
    EXPECT_EQ(find_model(HL_MODEL_ONE, HL_DATAPATH_XDP), nullptr);
    EXPECT_EQ(find_model(static_cast<hl_model>(9), HL_DATAPATH_TC), nullptr);
    EXPECT_EQ(model_row(static_cast<hl_model>(9)).model, HL_MODEL_TWO);
}

TEST(ModelTable, AProgramIsNamedByItsVariant) {
    const ModelRow &two = model_row(HL_MODEL_TWO);
    EXPECT_EQ(program_name(*two.hook(HL_HOOK_EGRESS), HL_LIVENESS_CAST), "hl_egress_cast");
    EXPECT_EQ(program_name(*two.hook(HL_HOOK_INGRESS_STANDBY), HL_LIVENESS_NETLINK),
              "hl_ingress_standby");
}

} // namespace
} // namespace hitless
