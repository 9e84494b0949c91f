// SPDX-License-Identifier: BSD-2-Clause
#include "cli/report/tar.hpp"

#include <cstring>
#include <fmt/format.h>
#include <numeric>

namespace hitless::cli {
namespace {

constexpr size_t block = 512;

struct Header { // POSIX.1-1988, "ustar"
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[6], version[2], owner[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
static_assert(sizeof(Header) == block);

/// Octal digits that fill the field but for its terminating zero.
template <size_t size>
void octal(char (&field)[size], unsigned long long value) {
    fmt::format_to_n(field, size - 1, "{:0{}o}", value, size - 1);
}

} // namespace

void Tar::add(const std::string &path, const std::string &contents, std::time_t changed) {
    Header header{};
    path.copy(header.name, sizeof(header.name));
    octal(header.mode, 0600);
    octal(header.uid, 0);
    octal(header.gid, 0);
    octal(header.size, contents.size());
    octal(header.mtime, static_cast<unsigned long long>(changed));
    header.type = '0';
    std::memcpy(header.magic, "ustar", sizeof(header.magic));
    std::memcpy(header.version, "00", sizeof(header.version));
    std::memset(header.checksum, ' ', sizeof(header.checksum)); // as the sum is defined
    const auto *bytes = reinterpret_cast<const unsigned char *>(&header);
    unsigned sum = std::accumulate(bytes, bytes + sizeof(header), 0u);
    fmt::format_to_n(header.checksum, sizeof(header.checksum), "{:06o}{}", sum, '\0');
    bytes_.append(reinterpret_cast<const char *>(&header), sizeof(header));
    bytes_ += contents;
    bytes_.append((block - contents.size() % block) % block, '\0');
}

std::string Tar::finish() && {
    bytes_.append(2 * block, '\0');
    return std::move(bytes_);
}

} // namespace hitless::cli
