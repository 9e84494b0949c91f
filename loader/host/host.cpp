// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/host.hpp"
#include "loader/host/heard_address.hpp"
#include "loader/host/managed_guest.hpp"
#include "loader/host/physical_function.hpp"
#include "loader/kernel/bpf/capability.hpp"
#include "loader/kernel/bpf/hook.hpp"
#include "loader/kernel/bpf/live_namespaces.hpp"
#include "loader/kernel/events.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <linux/capability.h>
#include <map>
#include <set>
#include <unistd.h>

namespace hitless {
namespace {

constexpr uint32_t loopback = 1; // every network namespace has it
constexpr auto no_tcx = "this kernel has no tcx", newer_kernel = "boot Linux 6.6 or later";

enum Wake : uint64_t { wake_messages, wake_links, wake_timer, wake_commands };

/// Our pins, on the bpffs that pairs have, too. What is left of namespaces that are gone is
/// removed.
std::string pins(StateDir &state) {
    StateDir::Lock lock = state.lock();
    state.ensure_mounted();
    std::set<uint64_t> cookies;
    const std::vector<std::string> hosts = state.hosts(), files = state.host_files();
    for (const auto *names : {&hosts, &files})
        for (const std::string &name : *names)
            cookies.insert(StateDir::cookie_in(name));
    const std::set<uint64_t> gone = gone_namespaces(cookies);
    for (const std::string &name : hosts)
        if (gone.contains(StateDir::cookie_in(name))) StateDir::remove(state.path(name));
    for (const std::string &name : files)
        if (gone.contains(StateDir::cookie_in(name))) unlink((state.root() + "/" + name).c_str());
    return state.path(StateDir::host_name(netns_cookie()));
}

std::string lock_path(const StateDir &state) {
    return fmt::format("{}/{}", state.root(), StateDir::host_name(netns_cookie()));
}

} // namespace

AnotherHost::AnotherHost(int pid)
    : Error(EBUSY, "keep the guests of this network namespace", fmt::format("process {} does", pid),
            "end it first, or leave it to that") {}

NoSuchGuest::NoSuchGuest(const std::string &guest)
    : Error(ENOENT, fmt::format("find the guest {}", guest),
            "the configuration names no such guest", "`hitless host status` lists them") {}

struct Host::Impl {
    StateDir state;
    std::string pin_dir;
    std::unique_ptr<OwnerLock> owner;
    ManagedGuest::Shared shared;
    LinkMonitor links;
    Timer timer;
    Poller poller;
    std::map<std::string, std::unique_ptr<ManagedGuest>> guests;
    std::map<std::string, int> commands; ///< fds in the poller
    std::map<uint32_t, ManagedGuest *> by_tap;

    explicit Impl(Options options)
        : pin_dir(pins(state)),
          owner(own()), shared{Rtnl(), TapChannel(pin_dir), std::move(options.log),
                               std::move(options.on_event)} {
        poller.add(shared.channel.fd(), wake_messages);
        poller.add(links.fd(), wake_links);
        poller.add(timer.fd(), wake_timer);
        configure(std::move(options.guests));
    }

    std::unique_ptr<OwnerLock> own() const {
        auto lock = std::make_unique<OwnerLock>(lock_path(state));
        if (!lock->held()) throw AnotherHost(OwnerLock::holder(lock_path(state)).value_or(0));
        return lock;
    }

    using Guests = std::map<std::string, std::unique_ptr<ManagedGuest>>;

    /// What is described otherwise than so far, or is new. Made aside: it may fail.
    Guests make_changed(const std::vector<GuestSpec> &specs) {
        Guests out;
        for (const GuestSpec &spec : specs) {
            auto found = guests.find(spec.name);
            if (found == guests.end() || !(found->second->spec() == spec))
                out[spec.name] = std::make_unique<ManagedGuest>(shared, spec);
        }
        return out;
    }

    void configure(std::vector<GuestSpec> specs) {
        Instant now = hitless::now();
        Guests next = make_changed(specs);
        std::vector<ManagedGuest *> fresh;
        for (auto &[name, guest] : next)
            fresh.push_back(guest.get());
        by_tap.clear();
        Guests former; // whose commands are in the poller still
        for (const GuestSpec &spec : specs) {
            auto found = guests.find(spec.name);
            if (found == guests.end()) continue;
            std::unique_ptr<ManagedGuest> &guest = next[spec.name];
            if (guest) {
                found->second->hand_over(*guest);
                former[spec.name] = std::move(found->second);
            } else {
                guest = std::move(found->second);
                guest->described_at(spec.origin);
            }
            guests.erase(found);
        }
        for (auto &[name, guest] : guests) // what is named no more
            guest->let_go();
        for (auto &[name, fd] : commands)
            poller.remove(fd);
        commands.clear();
        guests = std::move(next);
        for (ManagedGuest *guest : fresh) { // what changed begins anew from what the kernel has
            if (guest->plug_fd() >= 0)
                poller.add(guest->plug_fd(), reinterpret_cast<uint64_t>(guest));
            guest->find_tap(now);
        }
        index();
        forget_gone_taps();
        step_due(now);
    }

    /// Taps that somebody had, nobody names now, and that are gone. One that is still there keeps
    /// the programs: its guest goes on speaking for a while, and a bridge might carry that to
    /// others. What was requested of it stays as well: a hook may take a guest's file away and
    /// bring it back.
    void forget_gone_taps() {
        TapPrograms &programs = shared.channel.programs();
        for (const std::vector<Ifindex> &taps : {programs.pinned(), programs.kept()})
            for (Ifindex tap : taps)
                if (!by_tap.contains(number(tap)) && !shared.rtnl.link(tap)) programs.detach(tap);
    }

    void index() {
        by_tap.clear();
        for (auto &[name, guest] : guests)
            if (number(guest->tap())) by_tap[number(guest->tap())] = guest.get();
    }

    void process() {
        bool messages = false, changes = false;
        std::set<uint64_t> monitors; // guests whose monitor has something to say
        poller.ready([&](uint64_t key) {
            messages |= key == wake_messages;
            changes |= key == wake_links;
            if (key > wake_commands) monitors.insert(key);
        });
        Instant now = hitless::now();
        timer.acknowledge();
        if (changes) read_links(now);
        if (messages)
            shared.channel.read([&](Ifindex tap, const Mac &source, const DecodedMessage &message) {
                auto found = by_tap.find(number(tap));
                if (found != by_tap.end()) found->second->hear(source, message, now);
            });
        step_due(now, monitors);
    }

    /// Also when somebody sets up or takes away what a guest would bypass.
    void read_links(Instant now) {
        std::set<std::string> names;
        std::set<Ifindex> indexes, gone, policies;
        bool all = !links.drain({.changed =
                                     [&](const Link &link) {
                                         names.insert(link.name);
                                         indexes.insert(link.index);
                                     },
                                 .gone = [&](Ifindex one) { gone.insert(one); },
                                 .tc = [&](Ifindex one) { policies.insert(one); }});
        for (Ifindex one : policies)
            if (std::optional<Link> link = shared.rtnl.link(one)) names.insert(link->name);
        all |= policies.contains(Ifindex::none);
        for (auto &[name, guest] : guests) {
            const GuestSpec &spec = guest->spec();
            bool tap = names.contains(spec.standby) || indexes.contains(guest->tap()) ||
                       gone.contains(guest->tap());
            if (!all && !tap && !names.contains(spec.primary)) continue;
            guest->find_tap(now);
            guest->retry();
        }
        index();
        for (Ifindex one : gone) // of a guest that was described once
            if (!by_tap.contains(number(one))) shared.channel.programs().detach(one);
    }

    void step_due(Instant now, const std::set<uint64_t> &monitors = {}) {
        std::optional<Instant> next;
        for (auto &[name, guest] : guests) {
            bool runs =
                guest->fd() >= 0 || monitors.contains(reinterpret_cast<uint64_t>(guest.get()));
            if (runs || (guest->again() && *guest->again() <= now)) guest->step(now);
            follow_command(name, *guest);
            if (std::optional<Instant> again = guest->again())
                next = next ? std::min(*next, *again) : again;
        }
        timer.arm(next);
    }

    /// Each command is a new descriptor, and closing the old one took it out.
    void follow_command(const std::string &name, ManagedGuest &guest) {
        int fd = guest.fd();
        auto [at, fresh] = commands.try_emplace(name, -1);
        if (fd >= 0) {
            if (at->second >= 0) poller.remove(at->second);
            poller.add(fd, wake_commands);
        }
        at->second = fd;
    }
};

Host::Host(Options options) {
    if (!has_tcx(loopback)) // before anything is made
        throw Error(EOPNOTSUPP, "keep the guests of this network namespace", no_tcx, newer_kernel);
    impl_ = std::make_unique<Impl>(std::move(options));
}
Host::~Host() = default;

int Host::fd() const {
    return impl_->poller.fd();
}

void Host::process() {
    impl_->process();
}

void Host::reconfigure(std::vector<GuestSpec> guests) {
    impl_->configure(std::move(guests));
}

void Host::request(const std::string &guest, bool give) {
    auto found = impl_->guests.find(guest);
    if (found == impl_->guests.end()) throw NoSuchGuest(guest);
    found->second->request(give, now());
    impl_->step_due(now());
}

std::vector<GuestStatus> Host::status() const {
    std::vector<GuestStatus> out;
    for (const auto &[name, guest] : impl_->guests)
        out.push_back(guest->status());
    return out;
}

std::string what_host_lacks() {
    if (!has_capability(CAP_NET_ADMIN) || !has_capability(CAP_BPF) || !has_capability(CAP_NET_RAW))
        throw Error(EPERM, "look at this host",
                    "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW");
    return has_tcx(loopback) ? "" : fmt::format("{}; {}", no_tcx, newer_kernel);
}

bool host_runs_here() {
    return access(lock_path(StateDir()).c_str(), F_OK) == 0;
}

std::vector<PhysicalFunctionReport> physical_functions() {
    Rtnl rtnl;
    std::vector<PhysicalFunctionReport> out;
    for (const Link &link : rtnl.links()) {
        if (!link.on_pci()) continue;
        std::unique_ptr<PhysicalFunction> pf = kernel_function(rtnl, link.name);
        const size_t functions = pf->functions().size();
        if (!functions) continue;
        const std::string driver = pf->driver();
        const VfKind kind = vf_kind(driver);
        out.push_back({link.name, driver, functions, kind, why(kind, driver)});
    }
    return out;
}

std::string what_bars(const GuestSpec &guest) {
    Rtnl rtnl;
    if (!rtnl.link(guest.standby))
        return fmt::format("there is no device {}; start the guest, or mend `standby` of the guest "
                           "at {}",
                           guest.standby, guest.origin);
    return deliver_as_described(rtnl, guest)->obstacle();
}

std::string what_is_heard_instead(const GuestSpec &guest) {
    Rtnl rtnl;
    const std::optional<Mac> other = heard_instead(rtnl, guest);
    if (!other) return "";
    return fmt::format("the bridge hears {} on {}, and not {}; mend `mac` or `standby` of the "
                       "guest at {}",
                       other->text(), guest.standby, guest.mac.text(), guest.origin);
}

} // namespace hitless
