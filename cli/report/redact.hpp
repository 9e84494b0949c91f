// SPDX-License-Identifier: BSD-2-Clause
//
// Takes addresses out of a text and puts names in their place: mac-1, ip-2. One address has one
// name throughout, so that "both NICs have mac-1" can still be read. A MAC is one in any form: in
// udev's names of NICs too, which may be cut off (enx525400000001, fo-enx525400000).
#pragma once

#include <map>
#include <string>

namespace hitless::cli {

class Redactor {
  public:
    /// Addresses that say nothing about anybody stay: loopback, unspecified, all zeros, broadcast.
    std::string operator()(const std::string &text);

  private:
    const std::string &name(const char *kind, const std::string &address);
    std::string replace(std::string token);
    std::string replace_word(const std::string &word);

    std::map<std::string, std::string> names_;
    std::map<std::string, unsigned> counts_;
};

/// The kernel's log without what may be secret or names the machine: its command line, what it
/// hands on of that to the first process, and the host's name.
std::string without_command_line(const std::string &log);

} // namespace hitless::cli
