// SPDX-License-Identifier: BSD-2-Clause
//
// The product as a user has it: a command with an exit code, and what it printed. Nothing here
// throws because of what the command did; that is for the test to judge.
//
//   Outcome o = hitless_cli(bed.guest(), {"attach", "standby", "--primary", "mac"});
//   Process run({hitless_binary(), "-n", ns, "run"});  ...  run.signal(SIGKILL);
#pragma once

#include "testbed/netns.hpp"
#include "testbed/process.hpp"

#include <string>
#include <vector>

namespace hitless::selftest {

/// $HITLESS, else the one beside this program, else the one in $PATH.
std::string hitless_binary();

/// `hitless -n NETNS ...`
testbed::Outcome hitless_cli(const testbed::Netns &ns, std::vector<std::string> arguments);

/// A private HITLESS_STATE_DIR for this process, gone with the object.
class PrivateState {
  public:
    PrivateState();
    ~PrivateState();
    PrivateState(const PrivateState &) = delete;
    PrivateState &operator=(const PrivateState &) = delete;
    static std::string dir(); ///< of this process
};

} // namespace hitless::selftest
