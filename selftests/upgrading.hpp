// SPDX-License-Identifier: BSD-2-Clause
//
// The older side and the newer: a pair that the frozen release (older/) makes under numbered
// traffic, and what the present version does with it. Broadcasts are among the frames, and unicast
// that the network floods where a test asks for it: with an old program on one NIC and a new one on
// the other, two tables of twins or of strays would let every copy through.
#pragma once

#include "selftests/pair_test.hpp"
#include "selftests/pins.hpp"
#include "testbed/process.hpp"

#include <map>

namespace hitless::selftest {

enum class Place { tcx, clsact, dispatcher, alone };

/// How the pair is made.
struct Way {
    const char *name;
    Setting with;
    std::vector<std::string> attach;
    Place place = Place::tcx;
};
inline std::string name_of_way(const testing::TestParamInfo<Way> &way) {
    return way.param.name;
}
/// Every model and datapath.
std::vector<Way> upgrade_ways();
std::vector<Way> upgrade_ways_by_xdp();
std::vector<Way> upgrade_ways_named(const std::set<std::string> &names);

/// Longer than programs remember a stray.
void forget_strays();

/// Numbered frames of every kind, both ways.
class Flows {
  public:
    Flows(Testbed &bed, NicKind kind);
    void mark();
    bool pass(unsigned frames) { return traffic_.pass(frames); }
    /// The switch forgets where the guest is: unicast to it comes by both NICs from now on.
    void flood();
    /// After an attach: flooded frames are not told from those that move (the first 100 ms), and
    /// the first of them has come.
    void settle();
    /// The control: what comes twice, and late, while nothing happens to the pair.
    void measure_alone(unsigned frames);
    Tally broadcasts_down() const; ///< since the mark
    Tally unicast_down() const;    ///< the same
    void expect_exactly_once(const std::string &event);

  private:
    std::map<std::string, std::uint64_t> drops() const;
    std::string dropped() const;
    void expect_copies();

    Testbed &bed_;
    Traffic traffic_;
    Flow up_, down_;
    Marks from_;
    std::uint64_t up_from_ = 0, down_from_ = 0;
    std::map<std::string, std::uint64_t> drops_from_;
    bool excuses_late_; ///< taps
    std::string alone_ = "nothing is known";
};

class Upgrading : public testing::TestWithParam<Way> {
  protected:
    void SetUp() override;
    void TearDown() override;
    const Way &way() const { return GetParam(); }
    bool is_xdp() const { return way().place == Place::dispatcher || way().place == Place::alone; }
    bool has_datapath_xdp() const { return has_word("xdp"); }
    Pair &pair() { return *pair_; }
    Testbed &bed() { return pair_->bed(); }

    std::vector<std::string> older_command(std::vector<std::string> arguments);
    std::vector<std::string> newer_command(std::vector<std::string> arguments);
    Outcome older(const std::vector<std::string> &arguments);
    void attach_older();
    Json older_status();
    /// A pair by XDP does not move addresses.
    void move_addresses();
    /// What a user of the guest could have set.
    std::string snapshot();
    /// Before an attach: what a pair changes on its NICs is set to something else than it makes of
    /// it, so that only what was saved can give it back.
    void set_settings();
    std::string private_netns(); ///< of the pair, whose version ever it is; "" when it has none
    /// And that the older pair has changed it, so that there is something to carry.
    void expect_settings_saved();
    bool upgrade_is_left();
    /// By each link, where a version of the product has links.
    bool runs_what_is_pinned();
    void expect_ours();
    /// The older pair is in force as `before` was, and nothing else is left.
    void expect_older(const Ids &before);
    /// What libxdp has pinned; nothing where the kernel refuses its dispatcher: then each program
    /// is alone on its NIC.
    std::set<std::string> dispatchers();
    const std::string &libxdp() const { return libxdp_; }

  private:
    bool has_word(const char *word) const;
    bool has_filters() const; ///< a move to another namespace would drop them
    void add_filter();        ///< for which ours goes to clsact
    void mount_libxdp();
    void lengthen_queues();

    std::string libxdp_; ///< a bpffs

    std::unique_ptr<Pair> pair_;
};

} // namespace hitless::selftest
