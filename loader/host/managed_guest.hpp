// SPDX-License-Identifier: BSD-2-Clause
//
// One guest that a Host keeps: its conversation, its downlink, what is requested of it.
#pragma once

#include "loader/host/guest_status.hpp"
#include "loader/host/primary_device.hpp"
#include "loader/host/tap_channel.hpp"

namespace hitless {

class ManagedGuest {
  public:
    /// What all guests of a host share; outlives each of them.
    struct Shared {
        Rtnl rtnl;
        TapChannel channel;
        std::function<void(const std::string &)> log;
        std::function<void(const HostEvent &)> on_event;
    };
    ManagedGuest(Shared &, const GuestSpec &);

    const GuestSpec &spec() const { return spec_; }
    Ifindex tap() const { return tap_ ? tap_->index : Ifindex::none; }
    /// Looks for its tap, and brings the programs onto it.
    void find_tap(Instant now);
    void hear(const Mac &source, const DecodedMessage &, Instant now);
    void request(bool give, Instant now);
    /// Does what is due.
    void step(Instant now);
    /// Of step(), or of a command that runs.
    std::optional<Instant> again() const;
    /// Of a command that runs; -1: none does.
    int fd() const { return delivery_->fd(); }
    /// Of who plugs, as long as this lives; -1: somebody else does.
    int plug_fd() const { return device_.fd(); }
    /// It is nobody's to keep any more.
    void let_go();
    /// Another one, of the same guest as it is described now, comes in its place: it takes over
    /// what was requested, and nothing stays of what this one did by ports or an address that it
    /// had.
    void hand_over(ManagedGuest &next);
    /// Something changed that may have kept it from being given its primary.
    void retry();
    /// The same description has moved.
    void described_at(const std::string &origin) { spec_.origin = origin; }
    GuestStatus status() const;

  private:
    using Phase = HostChannel::Phase;

    void locate_tap(Instant now);
    void keep_tap(bool fresh, Instant now);
    void forget_former(Instant now);
    void look(Instant now);
    void look_at_programs(Instant now);
    void follow_device(Instant now);
    void has_kept_device(Instant now);
    bool step_once(Instant now);
    void deliver(DataPath, Instant now);
    void begin_event(DataPath to, Instant now);
    void move(DataPath, Instant now);
    void judge_move();
    void hold_or_release(Instant now);
    void hold(Instant now);
    bool learnt() const;
    void note_lost_entry(Instant now);
    void remember_given(bool moves_to_primary);
    void note(Instant now);
    void finish(HostEvent &, Instant now);
    bool gone() const;
    bool silent(Instant now) const;
    bool overdue() const;
    bool is_elses_tap() const;
    uint64_t dropped() const;
    std::vector<std::string> problems(Instant now) const;
    void complain(Instant now);

    Shared &shared_;
    GuestSpec spec_;
    std::unique_ptr<Delivery> delivery_;
    PrimaryDevice device_;
    HostChannel channel_;
    std::optional<Link> tap_;
    std::string tap_problem_;
    std::optional<Mac> other_speaker_; ///< who speaks on the tap, and is not the guest
    bool give_;
    std::optional<bool> request_handed_over_;    ///< for a tap of which none is known
    bool looked_ = false, request_read_ = false; ///< for a tap; the request of the present one
    bool inherited_ = true;     ///< nobody was heard since an earlier process kept this tap
    bool known_ = false;        ///< where frames go was read at least once
    bool given_before_ = false; ///< since it was requested
    bool take_ordered_ = false; ///< by somebody, while this runs
    bool given_ = false;        ///< it may send by its primary, as far as any daemon has heard
    bool given_kept_ = false;   ///< and that is kept with its tap
    bool kept_ = false; ///< the last take ended because the guest did not release the device
    std::optional<Instant> again_;
    Instant look_at_{0}, moved_at_{0};
    Instant programs_at_{0};           ///< when it is looked who stands before ours
    std::string ahead_;                ///< who does
    Instant hold_gap_{0}, hold_at_{0}; ///< of a hold that failed
    std::optional<DataPath> moving_;   ///< what became of it is not known yet
    struct NotMoved {
        DataPath to;
        std::string why;
    };
    std::optional<NotMoved> not_moved_; ///< the last move to there has failed
    std::optional<HostEvent> running_;  ///< what is under way
    uint64_t dropped_before_ = 0;
    uint64_t sent_ = 0;
    std::string complained_, left_behind_;
};

} // namespace hitless
