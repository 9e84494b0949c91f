// SPDX-License-Identifier: BSD-2-Clause
//
// A dump comes in parts, and what changes between two of them interrupts it (NLM_F_DUMP_INTR).
// One that is left in the middle must not be the next one's answer.
#include "tests/kernel/room.hpp"

#include "loader/kernel/netlink/message.hpp"

#include <endian.h>
#include <linux/if_addr.h>
#include <stdexcept>

namespace hitless::test {
namespace {

constexpr uint32_t many = 2500; // some 200 kB: parts have 32 kB at most

class Dump : public Room {
  protected:
    void SetUp() override {
        Room::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        for (uint32_t i = 0; i < many; i++)
            change(rtnl(), i, true);
    }

    /// An address of lo comes or goes.
    static void change(Rtnl &rtnl, uint32_t which, bool come) {
        char buffer[128];
        nlmsghdr *request = mnl_nlmsg_put_header(buffer);
        request->nlmsg_type = come ? RTM_NEWADDR : RTM_DELADDR;
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (come ? NLM_F_CREATE | NLM_F_EXCL : 0);
        auto *info =
            static_cast<ifaddrmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg)));
        info->ifa_family = AF_INET;
        info->ifa_prefixlen = 32;
        info->ifa_index = 1;
        mnl_attr_put_u32(request, IFA_LOCAL, htobe32(0x0a000000 + which));
        ASSERT_EQ(rtnl.transact(request, [](const nlmsghdr *) {}), 0);
    }

    nlmsghdr *all_addresses() {
        nlmsghdr *request = mnl_nlmsg_put_header(buffer_);
        request->nlmsg_type = RTM_GETADDR;
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg));
        return request;
    }

  private:
    char buffer_[128];
};

TEST_F(Dump, AnInterruptedOneIsNotTheNextOnesAnswer) {
    Rtnl other;
    uint32_t seen = 0;
    EXPECT_EQ(rtnl().transact(all_addresses(),
                              [&](const nlmsghdr *) {
                                  if (seen++ == 0) change(other, many, true);
                              }),
              EINTR);
    EXPECT_LT(seen, many);
    EXPECT_EQ(rtnl().links().size(), 1u);
    EXPECT_EQ(rtnl().addresses(Ifindex{1}).size(), many + 1);
}

TEST_F(Dump, NeitherIsOneWhoseReaderThrew) {
    EXPECT_THROW(rtnl().transact(all_addresses(),
                                 [](const nlmsghdr *) { throw std::runtime_error("enough"); }),
                 std::runtime_error);
    EXPECT_EQ(rtnl().addresses(Ifindex{1}).size(), many);
    EXPECT_TRUE(rtnl().link("lo"));
}

TEST_F(Dump, AnInterruptedOneIsAskedForAgain) {
    Rtnl other;
    std::vector<uint32_t> out;
    uint32_t seen = 0;
    EXPECT_EQ(rtnl().dump(all_addresses(), out,
                          [&](const nlmsghdr *) {
                              if (seen++ == 0) change(other, many, true);
                              return std::optional(seen);
                          }),
              0);
    EXPECT_EQ(out.size(), many + 1);
    EXPECT_GT(seen, many + 1) << "it was interrupted";
}

} // namespace
} // namespace hitless::test
