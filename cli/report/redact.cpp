// SPDX-License-Identifier: BSD-2-Clause
#include "cli/report/redact.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <fmt/format.h>

namespace hitless::cli {
namespace {

bool of_address(char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
}

bool of_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

bool is_mac(const std::string &token) {
    if (token.size() != 17) return false;
    for (size_t i = 0; i < token.size(); i++)
        if ((token[i] == ':') != (i % 3 == 2) || token[i] == '.') return false;
    return true;
}

/// The kernel's own parser tells an address from a time of day, a PCI address or a version.
bool is_ip(const std::string &token) {
    in6_addr ignored;
    return inet_pton(AF_INET, token.c_str(), &ignored) == 1 ||
           inet_pton(AF_INET6, token.c_str(), &ignored) == 1;
}

bool says_nothing(const std::string &token) {
    constexpr const char *plain[] = {
        "0.0.0.0",           "127.0.0.1",       "::",       "::1", "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff", "255.255.255.255", "127.0.0.0"};
    return std::ranges::count(plain, token) != 0;
}

} // namespace

const std::string &Redactor::name(const char *kind, const std::string &address) {
    std::string lower = address;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    auto [at, fresh] = names_.try_emplace(lower);
    if (fresh) at->second = fmt::format("{}-{}", kind, ++counts_[kind]);
    return at->second;
}

std::string Redactor::replace(std::string token) {
    // The full stop or colon of a sentence is no part of the address before it.
    std::string tail;
    while (!token.empty() && (token.back() == '.' || token.back() == ':') && !is_ip(token)) {
        tail.insert(tail.begin(), token.back());
        token.pop_back();
    }
    if (says_nothing(token)) return token + tail;
    if (is_mac(token)) return name("mac", token) + tail;
    if (is_ip(token)) return name("ip", token) + tail;
    return token + tail;
}

std::string Redactor::operator()(const std::string &text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && of_address(text[end]))
            end++;
        bool whole =
            (at == 0 || !of_word(text[at - 1])) && (end == text.size() || !of_word(text[end]));
        if (end > at) {
            std::string token = text.substr(at, end - at);
            out += whole ? replace(token) : token;
            at = end;
        } else {
            out += text[at++];
        }
    }
    return out;
}

} // namespace hitless::cli
