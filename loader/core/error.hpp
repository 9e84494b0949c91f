// SPDX-License-Identifier: BSD-2-Clause
//
// The one error of the project: what was being done, to which object, why it failed, and the way
// out. Thrown anywhere, turned into text and an exit code in one place (the CLI's main).
//
//   throw Error(EOPNOTSUPP, "attach tc egress to eth1", "load the sch_ingress module");
//   // attach tc egress to eth1: Operation not supported (95); load the sch_ingress module
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace hitless {

class Error : public std::runtime_error {
  public:
    /// `code` is a positive errno; `action` names the object too ("bring eth1 up").
    Error(int code, std::string_view action, std::string_view way_out = {});
    /// For failures that errno does not describe: `cause` stands in the place of its text.
    Error(int code, std::string_view action, std::string_view cause, std::string_view way_out);

    int code() const { return code_; }
    /// What to do about it, as what() ends with it; "" where nobody knows.
    const std::string &way_out() const { return way_out_; }
    /// The text without that.
    std::string problem() const;

  private:
    int code_;
    std::string way_out_;
};

/// What mends a lack of this moment (memory, descriptors), whatever was being done; "" where the
/// errno is another.
std::string_view way_out_of_shortage(int code);

/// Whether an errno says that the kernel does not have what it was asked for, so that something
/// lesser may do; not that it refused, or had no room this time.
bool is_lack(int code);

} // namespace hitless
