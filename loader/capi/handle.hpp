// SPDX-License-Identifier: BSD-2-Clause
//
// What stands behind a handle of the C ABI, and the one place where an exception becomes -errno.
#pragma once

#include "loader/api.hpp"
#include "loader/capi/records.hpp"
#include "loader/include/hitless.h"
#include "loader/kernel/events.hpp"

#include <cerrno>
#include <list>
#include <new>
#include <optional>
#include <string>
#include <vector>

struct hitless_handle {
    std::string error;
    hitless_log_fn log = nullptr;
    void *log_user = nullptr;
    std::list<hitless::StatusRecord> pairs;
    std::list<hitless::FlipRecord> flips;
    std::list<hitless::FindingRecord> findings;
    std::list<hitless::UnpairedRecord> unpaired;
    std::vector<std::string> idle; ///< what hitless_check() hands out, and the pointers to it
    std::vector<const char *> idle_lines;
    std::string state_directory;
    std::optional<hitless::FlipReader> reader;
    std::optional<hitless::Poller> poller; ///< there from hitless_open() on
    std::optional<hitless::Controller> controller;

    /// Hands lines to whoever listens at that moment.
    hitless::Note note() {
        return [this](const std::string &line) {
            if (log) log(line.c_str(), log_user);
        };
    }
};

namespace hitless {

/// Runs a call: 0, or -errno with the sentence left in the handle.
template <typename Call>
int guarded(hitless_handle *handle, Call call) noexcept {
    if (!handle) return -EINVAL;
    try {
        call(*handle);
        return 0;
    } catch (const Error &error) {
        handle->error = error.what();
        return error.code() > 0 ? -error.code() : -EIO;
    } catch (const std::bad_alloc &) {
        handle->error.clear(); // a sentence would need memory
        return -ENOMEM;
    } catch (const std::exception &error) {
        handle->error = error.what();
        return -EIO;
    }
}

} // namespace hitless
