// SPDX-License-Identifier: BSD-2-Clause
//
// The models as a table: what must hold of any of them for frames to find their way.
#include "loader/core/layout.hpp"
#include "loader/core/names.hpp"

#include <gtest/gtest.h>

namespace hitless {
namespace {

class Models : public testing::TestWithParam<hl_model> {
  protected:
    const Layout &layout = layout_of(GetParam());
};

TEST_P(Models, AreFoundByNumberAndName) {
    EXPECT_EQ(layout.model, GetParam());
    EXPECT_EQ(model_named(model_name(GetParam())), GetParam());
}

TEST_P(Models, HideNothingWithoutADeviceToShow) {
    EXPECT_TRUE(layout.nics == PairNetns::guest || layout.has_failover);
    EXPECT_TRUE(!layout.takes_name || layout.nics == PairNetns::hidden) << "the name must be free";
}

TEST_P(Models, BounceWhereThePeerIsInTheNicsNamespace) {
    EXPECT_EQ(layout.bounces, layout.has_failover && layout.nics == PairNetns::guest)
        << "bpf_redirect_peer() must leave the namespace";
    EXPECT_EQ(layout.may_be_netkit, layout.nics == PairNetns::hidden)
        << "a netkit's program runs at its inner end";
}

INSTANTIATE_TEST_SUITE_P(All, Models,
                         testing::Values(HL_MODEL_TWO, HL_MODEL_THREE, HL_MODEL_HIDDEN,
                                         HL_MODEL_ONE),
                         [](const auto &m) { return std::string(model_name(m.param)); });

TEST(ModelNames, OtherWordsAreNone) {
    EXPECT_FALSE(model_named("four"));
    EXPECT_FALSE(model_named(""));
}

} // namespace
} // namespace hitless
