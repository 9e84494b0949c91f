// SPDX-License-Identifier: BSD-2-Clause
//
// Takes addresses out of a text and puts names in their place: mac-1, ip-2. One address has one
// name throughout, so that "both NICs have mac-1" can still be read.
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

    std::map<std::string, std::string> names_;
    std::map<std::string, unsigned> counts_;
};

} // namespace hitless::cli
