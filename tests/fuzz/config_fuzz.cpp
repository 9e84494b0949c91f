// SPDX-License-Identifier: BSD-2-Clause
//
// Any bytes as a configuration: taken, or refused with file:line:column; never anything else.
#include "cli/config/config.hpp"
#include "loader/core/error.hpp"

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int file = memfd_create("hitless.toml", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
        abort();
    try {
        hitless::cli::read_config(path, true);
    } catch (const hitless::Error &error) {
        if (!std::string(error.what()).starts_with("read " + path + ":")) abort();
    }
    return 0;
}
