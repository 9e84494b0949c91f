// SPDX-License-Identifier: BSD-2-Clause
//
// Any interleaving of copies on two NICs against the rule in one line: a copy is delivered exactly
// when its NIC has now seen its content more often than the other has.
#include "tests/bpf/datapath.hpp"

#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>

namespace hitless::test {
namespace {

struct Arrival {
    uint8_t content;
    bool standby;
};

void showValue(const Arrival &a, std::ostream &os) {
    os << int(a.content) << (a.standby ? 'S' : 'P');
}

rc::Gen<std::vector<Arrival>> arrivals() {
    auto one =
        rc::gen::construct<Arrival>(rc::gen::inRange<uint8_t>(0, 4), rc::gen::arbitrary<bool>());
    return rc::gen::container<std::vector<Arrival>>(one);
}

TEST(TwinsProperty, EachContentIsDeliveredAsOftenAsTheBetterNicSawIt) {
    Pair pair{untouched()};
    uint64_t run = 0;

    EXPECT_TRUE(rc::check([&] {
        std::map<int, std::array<int, 2>> seen;
        run++; // contents of one run have nothing to do with those of the next
        for (const Arrival &a : *arrivals()) {
            auto &mine = seen[a.content][a.standby];
            auto &others = seen[a.content][!a.standby];
            Frame bytes = frame(multicast_mac, peer_mac, 64, run << 8 | a.content);
            bool delivered = pair.delivered(a.standby ? HL_ROLE_STANDBY : HL_ROLE_PRIMARY, bytes);
            RC_ASSERT(delivered == (++mine > others));
        }
    }));
}

} // namespace
} // namespace hitless::test
