// SPDX-License-Identifier: BSD-2-Clause
//
// When a test may be skipped: only when the kernel is too old to have what it needs, which its
// version says. What a kernel should have and has not is a failure, in CI and elsewhere.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string_view>
#include <sys/utsname.h>
#include <utility>

namespace hitless::selftest {

inline bool kernel_is_at_least(unsigned major, unsigned minor) {
    utsname name{};
    uname(&name);
    unsigned has_major = 0, has_minor = 0;
    if (sscanf(name.release, "%u.%u", &has_major, &has_minor) != 2) return false;
    return std::pair(has_major, has_minor) >= std::pair(major, minor);
}

/// Continuous integration, where not being allowed to test is a failure too.
inline bool in_ci() {
    for (const char *name : {"HITLESS_CI", "CI"}) {
        const char *value = getenv(name);
        if (value && *value && std::string_view(value) != "0" && std::string_view(value) != "false")
            return true;
    }
    return false;
}

} // namespace hitless::selftest

#define HL_NEEDS_KERNEL(major, minor, what)                                                        \
    if (!::hitless::selftest::kernel_is_at_least(major, minor))                                    \
    GTEST_SKIP() << what << " came with kernel " << major << "." << minor
