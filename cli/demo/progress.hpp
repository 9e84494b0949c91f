// SPDX-License-Identifier: BSD-2-Clause
//
// What a waiting person sees on stderr: one line that is redrawn on a terminal, else one line an
// event, and one a second within those that take long.
#pragma once

#include "cli/demo/event.hpp"

#include <chrono>
#include <iosfwd>
#include <string>

namespace hitless::cli::demo {

class Progress {
  public:
    Progress(std::ostream &err, bool terminal, unsigned events)
        : err_(err), terminal_(terminal), events_(events) {}
    ~Progress() { clear(); }
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;

    void begin(std::string name);
    void step(unsigned done, unsigned of); ///< as often as one likes
    void end(const Row &);
    void say(const std::string &line); ///< something that must stay to be read
    void clear();

  private:
    void show(const std::string &line);

    std::ostream &err_;
    bool terminal_;
    unsigned events_;
    unsigned ended_ = 0;
    std::string name_;
    std::chrono::steady_clock::time_point shown_{};
};

} // namespace hitless::cli::demo
