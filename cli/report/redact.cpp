// SPDX-License-Identifier: BSD-2-Clause
#include "cli/report/redact.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <fmt/format.h>
#include <string_view>

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

bool is_hex(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c); });
}

constexpr size_t mac_digits = 12;

/// "525400000001" as "52:54:00:00:00:01".
std::string with_colons(std::string_view digits) {
    std::string out(digits.substr(0, 2));
    for (size_t at = 2; at < digits.size(); at += 2)
        out.append(":").append(digits.substr(at, 2));
    return out;
}

/// How much of a word is before the MAC that udev names NICs after. A name of 15 letters may have
/// lost the end of it.
size_t before_mac(const std::string &word) {
    constexpr std::string_view kinds[] = {"enx", "ibx", "slx", "wlx", "wwx", "mcx"};
    constexpr size_t prefix = 3, least = 4;
    bool fits = word.size() >= prefix + least && word.size() <= prefix + mac_digits;
    bool named = fits && std::ranges::count(kinds, std::string_view(word).substr(0, prefix));
    return named && is_hex(std::string_view(word).substr(prefix)) ? prefix : 0;
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

/// A MAC without separators; any other word stays.
std::string Redactor::replace_word(const std::string &word) {
    const size_t prefix = before_mac(word);
    const std::string digits = word.substr(prefix);
    const bool bare = digits.size() == mac_digits && is_hex(digits);
    if (prefix && !bare) return word.substr(0, prefix) + name("part", digits);
    if (!bare) return word;
    // Twelve decimal digits may be any number.
    const bool decimal =
        std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c); });
    const std::string mac = with_colons(digits);
    return prefix || !decimal || names_.contains(mac) ? word.substr(0, prefix) + name("mac", mac)
                                                      : word;
}

std::string Redactor::operator()(const std::string &text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && of_word(text[end]))
            end++;
        // No part of an address with separators has twelve digits.
        std::string word = text.substr(at, end - at);
        const bool starts = at == 0 || !of_word(text[at - 1]);
        if (std::string named = starts ? replace_word(word) : word; named != word) {
            out += named;
            at = end;
            continue;
        }
        end = at;
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

std::string without_command_line(const std::string &log) {
    constexpr std::string_view private_words[] = {"ommand line", "ostname", "ost name"};
    // Each stands alone on its line, and what belongs to it on lines that are further in.
    constexpr std::string_view lists[] = {"with arguments:", "with environment:"};
    constexpr std::string_view further_in = "    ";
    std::string out;
    bool listed = false;
    for (size_t at = 0; at < log.size();) {
        size_t end = std::min(log.find('\n', at), log.size());
        std::string_view line(log.data() + at, end - at);
        at = end + 1;
        auto has = [&](std::string_view words) { return line.find(words) != line.npos; };
        size_t tag = line.find(": ");
        listed = listed && tag != line.npos && line.substr(tag + 2).starts_with(further_in);
        if (listed) continue;
        listed = std::ranges::any_of(lists, has);
        if (std::ranges::any_of(private_words, has))
            out += "(a line about the command line or the host's name is left out)";
        else
            out += line;
        out += '\n';
    }
    return out;
}

} // namespace hitless::cli
