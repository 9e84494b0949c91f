// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/remains.hpp"
#include "loader/engine/pair/detached.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/kernel/bpf/live_namespaces.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/netns/private_netns.hpp"

#include <set>
#include <unistd.h>

namespace hitless {

Remains find_remains(const StateDir &dir) {
    Remains found;
    found.pins = dir.pairs();
    for (const std::string &stage : dir.stages_aside())
        found.pins.push_back(stage);
    for (const std::string &name : dir.upgrades())
        found.pins.push_back(StateDir::upgrade_name(name));
    found.netns = PrivateNetns::named(private_netns_prefix);
    found.files = files_of_namespaces(dir);

    std::set<uint64_t> others;
    for (const auto *names : {&found.pins, &found.netns, &found.files})
        for (const std::string &name : *names)
            others.insert(StateDir::cookie_in(name));
    others.erase(netns_cookie());
    others.erase(0);
    std::set<uint64_t> gone = gone_namespaces(others);
    for (auto *names : {&found.pins, &found.netns, &found.files})
        std::erase_if(*names, [&](const std::string &name) {
            return !gone.contains(StateDir::cookie_in(name));
        });
    return found;
}

void remove_remains(const StateDir &dir) {
    Remains found = find_remains(dir);
    // Programs first: a NIC that falls back must not come with one.
    for (const std::string &name : found.pins)
        StateDir::remove(dir.path(name));
    for (const std::string &name : found.netns)
        PrivateNetns::remove(name);
    for (const std::string &name : found.files)
        unlink((dir.root() + "/" + name).c_str());
}

} // namespace hitless
