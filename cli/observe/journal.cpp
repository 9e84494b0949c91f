// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/journal.hpp"
#include "cli/output/flip_line.hpp"
#include "loader/core/names.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

namespace hitless::cli {

bool under_journal() {
    const char *stream = getenv("JOURNAL_STREAM"); // "device:inode" of what it is connected to
    struct stat is {};
    return stream && fstat(STDOUT_FILENO, &is) == 0 &&
           fmt::format("{}:{}", is.st_dev, is.st_ino) == stream;
}

void journal(const Flip &flip) {
    std::vector<std::string> fields = {
        fmt::format("MESSAGE={}", flip_line(flip)),
        "MESSAGE_ID=5d1c9b3b0f0f4d0f8f5f3a6f4b7e21c9",
        fmt::format("PRIORITY={}", flip.to_primary ? LOG_INFO : LOG_NOTICE),
        "SYSLOG_IDENTIFIER=hitless",
        fmt::format("HITLESS_PAIR={}", flip.pair),
        fmt::format("HITLESS_FROM={}", path_name(!flip.to_primary)),
        fmt::format("HITLESS_TO={}", path_name(flip.to_primary)),
        fmt::format("HITLESS_ACTOR={}", actor_names[flip.actor]),
        fmt::format("HITLESS_BOOTTIME_USEC={}", flip.time.count() / 1000),
    };
    for (std::string_view reason : reason_names(flip.reasons))
        fields.push_back(fmt::format("HITLESS_REASON={}", reason));
    if (flip.lasted)
        fields.push_back(fmt::format("HITLESS_LASTED_USEC={}", flip.lasted->count() / 1000));
    std::vector<iovec> parts;
    for (std::string &field : fields)
        parts.push_back({field.data(), field.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

} // namespace hitless::cli
