// SPDX-License-Identifier: BSD-2-Clause
//
// The controller's one loop: something happened -> which pairs does it concern -> look at them as
// they are now -> policy. Events only say "look"; what they carry may be a second old.
#include "loader/api.hpp"
#include "loader/engine/controller/controller_lock.hpp"
#include "loader/engine/controller/managed_pair.hpp"
#include "loader/engine/controller/rules.hpp"
#include "loader/engine/pair/carrier.hpp"
#include "loader/engine/pair/create.hpp"
#include "loader/engine/pair/detached.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/engine/pair/takeover.hpp"
#include "loader/engine/path/apply_policy.hpp"
#include "loader/kernel/events.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <malloc.h>
#include <map>
#include <set>

namespace hitless {
namespace {

constexpr auto retry_after_error = std::chrono::seconds(1);
constexpr auto longest_takeover_pause = std::chrono::seconds(60); // each loads programs
constexpr auto patience_with_lost = std::chrono::seconds(1);
constexpr auto retry_when_locked = std::chrono::milliseconds(20); // somebody else has the lock

enum Wake : uint64_t {
    wake_links,
    wake_hidden,
    wake_timer,
    wake_directory,
    wake_bells,
    wake_answers,
    wake_hosts,
    wake_notice
};

} // namespace

class Controller::Engine {
  public:
    explicit Engine(Options options) : options_(std::move(options)) {
        {
            StateDir::Lock lock = dir_.lock();
            dir_.ensure_mounted();
            // Under the lock: a detach that finds it empty would unmount it, and the directory
            // below would be watched, where nothing ever happens.
            directory_.emplace(dir_.bpffs());
            clear_stage(dir_, rtnl_, options_.log);
        }
        lock_.emplace(dir_);
        take_over_former_pairs(*take_lock());
        poller_.add(monitor_.fd(), wake_links);
        poller_.add(timer_.fd(), wake_timer);
        poller_.add(directory_->fd(), wake_directory);
        poller_.add(bells_.fd(), wake_bells);
        poller_.add(answers_.fd(), wake_answers);
        poller_.add(hosts_.fd(), wake_hosts);
        if (notice_.fd() >= 0) poller_.add(notice_.fd(), wake_notice);
        poller_.add(hidden_.fd(), wake_hidden);
        flips_.read(); // what happened before us is history
        update_all();
        may_wait_ = false;
        malloc_trim(0); // loading parsed the kernel's type information; give it back
    }

    ~Engine() {
        for (auto &[name, managed] : pairs_)
            logging_errors(
                [&, &managed = managed] { restore_carrier(managed.pair, managed.namespaces); });
    }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    int fd() const { return poller_.fd(); }

    void process() {
        bool rescan = false;
        std::set<std::string> touched;
        std::set<uint64_t> heard; // path monitors and host links, by their fds
        poller_.ready([&](uint64_t what) {
            switch (what) {
            case wake_links: rescan |= !drain_links(touched); break;
            case wake_hidden: drain_hidden(touched); break;
            case wake_timer: timer_.acknowledge(); break;
            case wake_directory: rescan |= directory_->changed(StateDir::stage_name); break;
            case wake_bells: drain_bells(touched); break;
            case wake_answers:
                answers_.ready([&](uint64_t path_monitor) { heard.insert(path_monitor); });
                break;
            case wake_hosts:
                hosts_.ready([&](uint64_t host_link) { heard.insert(host_link); });
                break;
            case wake_notice: hear_notices(touched); break;
            default: break;
            }
        });
        if (rescan || is_due(rescan_) || is_due(takeover_)) return update_all();
        for (const std::string &name : touched)
            update_pair(name);
        std::vector<std::string> due; // what is looked at may be buried
        for (auto &[name, managed] : pairs_)
            if (is_due(managed.due) || (managed.is_path_due(heard) && tick(managed)) ||
                (managed.is_host_due(heard) && follow_host(managed)) || is_disturbed(managed))
                due.push_back(name);
        for (const std::string &name : due)
            update_pair(name);
        finish();
    }

    void reconfigure(Options options) {
        options.log = options_.log;
        options.on_flip = options_.on_flip;
        options_ = std::move(options);
        for (const std::string &line : idle_rules(options_))
            log(line);
        forget_detached(dir_);
        for (auto &[name, managed] : pairs_)
            log_unapplied(managed, options_);
        takeover_ = now(); // what was in the way may have been mended
        update_all();
    }

  private:
    /// A pair that is refused stays in force as it is, and nobody keeps it. It is tried again: what
    /// was lacking (memory, descriptors) soon, else when the configuration is read again.
    void take_over_former_pairs(const StateDir::Lock &) {
        bool lacking = false;
        std::map<std::string, std::string> refused;
        for (const Upgraded &pair : upgrade_pairs(dir_, rtnl_)) {
            if (pair.refused.empty()) {
                log(fmt::format("{}: taken over from ABI {}", pair.standby, pair.from));
            } else {
                refused[pair.pair] = fmt::format("{}: {}", pair.standby, pair.refused);
                if (not_taken_over_[pair.pair] != refused[pair.pair]) log(refused[pair.pair]);
            }
            if (!pair.remark.empty()) log(fmt::format("{}: {}", pair.standby, pair.remark));
            lacking |= !way_out_of_shortage(pair.error).empty();
        }
        not_taken_over_ = std::move(refused);
        takeover_ = lacking ? std::optional(now() + takeover_pause_) : std::nullopt;
        takeover_pause_ = lacking ? std::min<Instant>(2 * takeover_pause_, longest_takeover_pause)
                                  : retry_after_error;
    }

    /// False when somebody else is about to change pairs.
    bool take_over_if_due() {
        if (!is_due(takeover_)) return true;
        std::optional<StateDir::Lock> lock = take_lock();
        if (lock)
            take_over_former_pairs(*lock);
        else
            takeover_ = now() + retry_when_locked;
        return lock.has_value();
    }

    /// Marks the pairs that an event concerns. False: look at everything.
    bool drain_links(std::set<std::string> &touched) {
        bool known = true;
        auto touch = [&](Ifindex index) {
            bool found = false;
            for (auto &[name, managed] : pairs_)
                if (managed.owns(index)) {
                    touched.insert(name);
                    found = true;
                }
            return found;
        };
        bool complete = monitor_.drain({
            .changed = [&](const Link &link) { known &= touch(link.index); },
            .gone = [&](Ifindex index) { known &= touch(index); },
            .tc =
                [&](Ifindex index) {
                    for (auto &[name, managed] : pairs_)
                        if (index == Ifindex::none || managed.owns(index)) {
                            managed.hooks_changed = true;
                            touched.insert(name);
                        }
                },
            .forwarding = [&](Ifindex index) { touch(index); },
        });
        if (!complete) log("link events were lost; looking at every device again");
        return complete && known;
    }

    /// What happens in a private namespace concerns its pair, whatever it is.
    void drain_hidden(std::set<std::string> &touched) {
        hidden_.ready([&](uint64_t key) {
            for (auto &[name, managed] : pairs_)
                if (managed.private_links &&
                    static_cast<uint64_t>(managed.private_links->fd()) == key) {
                    managed.private_links->drain(
                        {[](const Link &) {}, [](Ifindex) {},
                         [&managed = managed](Ifindex) { managed.hooks_changed = true; }});
                    touched.insert(name);
                }
        });
    }

    /// The short way of update_pair(), for the path alone. True when the long one must follow.
    bool tick(ManagedPair &managed) {
        bool news = false;
        logging_errors([&] { news = managed.path_monitor.tick(managed.pair, managed.namespaces); });
        return news;
    }

    /// Or not any more: the configuration may have changed.
    void listen_to_host(ManagedPair &managed) {
        if (!options_.host) {
            managed.host_link.reset();
            return forget_host(managed.pair);
        }
        if (managed.host_link) return;
        auto before = host_words_.extract(managed.pair.state().standby_id.ifindex);
        managed.host_link.emplace(managed.pair, managed.namespaces,
                                  before ? std::optional(before.mapped()) : std::nullopt);
        int fd = managed.host_link->fd();
        hosts_.add(fd, static_cast<uint64_t>(fd));
    }

    /// A machine has one port; the first of its pairs has it, as long as it lasts.
    void listen_to_port() {
        bool taken = std::ranges::any_of(pairs_, [](const auto &managed) {
            return managed.second.host_link && managed.second.host_link->has_port();
        });
        if (taken || pairs_.empty() || !options_.host) return;
        ManagedPair &first = pairs_.begin()->second;
        if (!first.host_link) return;
        logging_errors(
            [&](const std::string &line) {
                if (std::exchange(port_error_, line) != line) log(line);
            },
            [&] { first.host_link->open_port(channel_port_path()); });
    }

    /// What the host says, alone. True when the whole pair must be looked at.
    bool follow_host(ManagedPair &managed) {
        bool news = false;
        logging_errors([&] { news = managed.host_link->step(managed.pair, managed.namespaces); });
        std::string said = managed.host_link->take_news();
        if (!said.empty()) log(fmt::format("{}: {}", managed.pair.state().standby_id.ifname, said));
        return news;
    }

    /// A program of ours was taken off, or others came to stand behind it.
    bool is_disturbed(ManagedPair &managed) {
        logging_errors([&] {
            managed.hooks_changed |=
                managed.hook_order.is_disturbed(managed.pair, managed.namespaces);
        });
        return managed.hooks_changed;
    }

    void drain_bells(std::set<std::string> &touched) {
        bells_.ready([&](uint64_t key) {
            for (auto &[name, managed] : pairs_)
                if (static_cast<uint64_t>(managed.pair.bell_fd()) == key) {
                    managed.bell.drain();
                    managed.flip_announcer.announce_now(managed.pair);
                    touched.insert(name);
                }
        });
    }

    void hear_notices(std::set<std::string> &touched) {
        notice_.read([&](const hl_notice &notice) {
            for (auto &[name, managed] : pairs_) {
                if (!managed.flip_announcer.is_about(notice)) continue;
                managed.flip_announcer.announce_now(managed.pair);
                if (notice.hung) managed.path_monitor.report_hang();
                touched.insert(name);
            }
        });
    }

    void update_all() {
        bool unlocked = true;
        logging_errors([&] { unlocked = take_over_if_due(); });
        adopt();
        rescan_ = now() + retry_after_error;
        logging_errors([&] {
            bool complete = end_lost_pairs() && make_missing_pairs() && unlocked;
            const std::vector<Link> links = rtnl_.links();
            for (auto &[name, managed] : pairs_)
                managed.flip_announcer.update_stations(managed.pair, links);
            if (complete && refused_.empty()) rescan_.reset();
            if (!complete || !lost_.empty()) rescan_ = now() + retry_when_locked;
        });
        std::vector<std::string> names;
        for (auto &[name, managed] : pairs_) {
            apply_rule(managed, options_);
            logging_errors([&, &managed = managed] { listen_to_host(managed); });
            logging_errors([&, &managed = managed] {
                follow_filters(managed.pair, managed.namespaces,
                               read_members(managed.namespaces, managed.pair));
            });
            names.push_back(name);
        }
        listen_to_port();
        for (const std::string &name : names)
            update_pair(name);
        finish();
    }

    /// Follows what attach and detach did behind our back.
    void adopt() {
        std::vector<std::string> names = own_pairs(dir_);
        for (auto at = pairs_.begin(); at != pairs_.end();) {
            auto &[name, managed] = *at;
            const bool there = std::ranges::find(names, name) != names.end();
            if (there && is_current(name, managed)) {
                at++;
                continue;
            }
            remember_host(managed);
            if (!there) remember_lost(name, managed);
            at = pairs_.erase(at);
        }
        std::erase_if(unreadable_, [&](const auto &said) {
            return std::ranges::find(names, said.first) == names.end();
        });
        for (const std::string &name : names) {
            if (pairs_.contains(name)) continue;
            auto once = [&](const std::string &line) {
                if (std::exchange(unreadable_[name], line) != line) log(line);
            };
            logging_errors(once, [&] {
                auto [at, fresh] = pairs_.try_emplace(name, Pair::open(dir_.path(name)), rtnl_);
                ManagedPair &managed = at->second;
                auto wait = [](Poller &for_it, int fd) {
                    for_it.add(fd, static_cast<uint64_t>(fd));
                };
                wait(bells_, managed.pair.bell_fd());
                wait(answers_, managed.path_monitor.fd());
                if (managed.private_links) wait(hidden_, managed.private_links->fd());
                log(fmt::format("{}: managed", managed.pair.state().standby_id.ifname));
                unreadable_.erase(name);
            });
        }
        flips_.rescan();
    }

    /// It may be made again, and its host still wants what it wanted.
    void remember_host(const ManagedPair &managed) {
        if (managed.host_link)
            host_words_.insert_or_assign(managed.pair.state().standby_id.ifindex,
                                         managed.host_link->channel());
    }

    /// Most have been detached, and have nothing to give back. Of others nobody else knows what.
    void remember_lost(const std::string &name, ManagedPair &managed) {
        bells_.remove(managed.pair.bell_fd());
        lost_.push_back({name, std::move(managed.pair), now() + patience_with_lost});
    }

    /// False when somebody else is about to change pairs, or what was removed has not yet gone.
    bool end_lost_pairs() {
        if (lost_.empty()) return true;
        std::optional<StateDir::Lock> lock = take_lock();
        return lock && end_lost_pairs(*lock);
    }
    bool end_lost_pairs(const StateDir::Lock &) {
        std::erase_if(lost_, [&](Lost &lost) {
            bool over = true; // also what fails: that is said once
            logging_errors([&] {
                over = end_lost_pair(dir_, rtnl_, lost.name, lost.pair, options_.log) ||
                       now() >= lost.until; // its pins are elsewhere, and it goes on
            });
            return over;
        });
        return lost_.empty();
    }

    /// What the pairs in a directory are may have changed under their names.
    bool is_current(const std::string &name, const ManagedPair &managed) const {
        return pinned_id(dir_.path(name)) == managed.pair.id();
    }

    /// The rules that have no pair though their standby is free.
    std::vector<AttachRequest> missing_pairs() {
        std::vector<Link> links = rtnl_.links();
        learn_hardware(links);
        std::vector<AttachRequest> out = wanted_pairs(options_, links);
        for (AttachRequest &request : out)
            request.note = options_.log;
        std::erase_if(out, [&](const AttachRequest &request) {
            auto link = std::ranges::find(links, request.standby, &Link::name);
            return pairs_.contains(pair_name(link->index)) || is_detached(dir_, *link) ||
                   is_failover(*link);
        });
        return out;
    }

    bool is_failover(const Link &link) const {
        return std::ranges::any_of(pairs_, [&](const auto &managed) {
            return managed.second.pair.state().failover.outer == number(link.index);
        });
    }

    /// A controller that runs waits for nobody.
    std::optional<StateDir::Lock> take_lock() {
        return may_wait_ ? std::optional(dir_.lock()) : dir_.try_lock();
    }

    /// False when somebody else is about to change pairs.
    bool make_missing_pairs() {
        if (missing_pairs().empty()) {
            refused_.clear();
            return true;
        }
        std::optional<StateDir::Lock> lock = take_lock();
        if (!lock) return false;
        adopt(); // what was done and decided until now
        if (!end_lost_pairs(*lock)) return false;
        bool made = false;
        std::map<std::string, std::string> refused;
        for (const AttachRequest &request : missing_pairs())
            try {
                std::string primary = create_pair(dir_, request, rtnl_).primary;
                log(fmt::format("{}: paired with {}", request.standby,
                                primary.empty() ? "no primary yet" : primary));
                made = true;
            } catch (const Error &error) { // said once, and tried again
                refused[request.standby] = error.what();
                if (refused_[request.standby] != error.what()) log(error.what());
            }
        refused_ = std::move(refused);
        if (made) adopt();
        return true;
    }

    void update_pair(const std::string &name) {
        auto at = pairs_.find(name);
        if (at == pairs_.end()) return;
        ManagedPair &managed = at->second;
        logging_errors(
            [&managed, this](const std::string &line) {
                if (std::exchange(managed.last_error, line) != line) log(line);
            },
            [&] {
                managed.due = now() + retry_after_error; // unless apply_policy() comes to say when
                bool busy = false;
                if (!keep(name, managed, busy)) return;
                Instant later = *managed.due;
                managed.due = apply_policy(managed.pair, managed.namespaces, managed.path_monitor,
                                           managed.host(), HL_ACTOR_CONTROLLER);
                if (managed.host_link && follow_host(managed)) managed.due = now();
                if (!managed.refusal.empty())
                    managed.due = std::min(managed.due.value_or(later), later);
                if (busy)
                    managed.due = now() + retry_when_locked;
                else
                    managed.last_error.clear();
            });
    }

    /// What changes a pair, under the lock, or another's detach could come between. False when the
    /// pair has ended.
    bool keep(const std::string &name, ManagedPair &managed, bool &busy) {
        std::optional<StateDir::Lock> lock = take_lock();
        busy = !lock;
        if (busy) return true;
        if (!is_current(name, managed)) {
            rescan_ = now();
            return false;
        }
        Members members = read_members(managed.namespaces, managed.pair);
        if (!members.standby || !members.master) {
            if (members.standby) tell_host_that_it_ends(managed);
            end_pair(name, members.standby ? "the failover device" : "the standby");
            return false;
        }
        update_primary(managed, members, options_.log);
        if (std::exchange(managed.hooks_changed, false))
            repair_hooks(managed.pair, managed.namespaces,
                         read_members(managed.namespaces, managed.pair), options_.log);
        follow_carrier(managed.pair, managed.namespaces, members);
        return true;
    }

    /// Its standby stays, by which the host is to deliver from now on.
    void tell_host_that_it_ends(ManagedPair &managed) {
        managed.pair.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_CONTROLLER,
                                     static_cast<uint64_t>(now().count()));
        if (managed.host_link) follow_host(managed);
    }

    /// A device that the pair cannot be without is gone for good, and the pair with it.
    void end_pair(const std::string &name, std::string_view device) {
        log(fmt::format("{}: {} is gone; the pair ends", name, device));
        detach_pair(dir_, rtnl_, name, options_.log);
        pairs_.erase(name);
    }

    template <typename Step>
    void logging_errors(Step step) {
        hitless::logging_errors(options_.log, step);
    }
    template <typename Step>
    void logging_errors(const Note &note, Step step) {
        hitless::logging_errors(note, step);
    }

    void finish() {
        for (auto &[name, managed] : pairs_) {
            logging_errors([&, &managed = managed] {
                record_losses(managed);
                managed.flip_announcer.announce(managed.pair, rtnl_);
                managed.flip_announcer.refresh(managed.pair, rtnl_, notice_);
            });
        }
        std::optional<Instant> next = rescan_;
        if (takeover_ && (!next || *takeover_ < *next)) next = takeover_;
        for (auto &[name, managed] : pairs_)
            for (const auto &at : {managed.due, managed.path_monitor.again(),
                                   managed.host_link ? managed.host_link->again() : std::nullopt})
                if (at && (!next || *at < *next)) next = at;
        timer_.arm(next);
        for (const Flip &flip : flips_.read())
            if (options_.on_flip) options_.on_flip(flip);
    }

    void log(const std::string &line) const {
        if (options_.log) options_.log(line);
    }

    /// A pair that is out of sight, and has perhaps not ended as it should.
    struct Lost {
        std::string name;
        Pair pair;
        Instant until; ///< then it is left alone
    };

    Options options_;
    StateDir dir_;
    Rtnl rtnl_;
    LinkMonitor monitor_;
    Timer timer_;
    Poller poller_, bells_, answers_, hosts_, hidden_;
    std::optional<ControllerLock> lock_;
    std::optional<DirectoryWatch> directory_;
    bool may_wait_ = true;            ///< while it starts
    std::optional<Instant> rescan_;   ///< not every device could be looked at
    std::optional<Instant> takeover_; ///< when the refused pairs of the version before are due
    Instant takeover_pause_ = retry_after_error;
    std::map<std::string, std::string> not_taken_over_;     ///< by pairs: said, and not to be again
    std::map<std::string, std::string> unreadable_;         ///< likewise
    std::string port_error_;                                ///< said, and not to be said again
    std::map<uint32_t, GuestChannel> host_words_;           ///< by standbys whose pair has ended
    std::map<std::string, std::string> refused_;            ///< standby: why no pair was made of it
    FlipReader flips_{FlipReader::Unreadable::passed_over}; // it mends or says so itself
    EarlyNotice notice_;                                    // outlives those who watch with it
    std::map<std::string, ManagedPair> pairs_;
    std::vector<Lost> lost_;
};

Controller::Controller(Options options) : engine_(std::make_unique<Engine>(std::move(options))) {}
Controller::~Controller() = default;
int Controller::fd() const {
    return engine_->fd();
}
void Controller::process() {
    engine_->process();
}
void Controller::reconfigure(Options options) {
    engine_->reconfigure(std::move(options));
}

} // namespace hitless
