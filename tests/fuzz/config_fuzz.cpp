// SPDX-License-Identifier: BSD-2-Clause
//
// Any bytes as a configuration of a guest or of a host: taken, or refused with file:line:column;
// never anything else.
#include "cli/config/config.hpp"
#include "cli/config/host_config.hpp"
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
    auto must_be_refused_with_its_place = [](auto read) {
        try {
            read(path, true);
        } catch (const hitless::Error &error) {
            if (!std::string(error.what()).starts_with("read " + path + ":")) abort();
        }
    };
    must_be_refused_with_its_place(hitless::cli::read_config);
    must_be_refused_with_its_place(hitless::cli::read_host_config);
    return 0;
}
