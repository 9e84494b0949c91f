// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "testbed/traffic/commands.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <iostream>
#include <sstream>

namespace hitless::testbed::traffic {
namespace {

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            (result += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            result += c;
    }
    return result + '"';
}

std::string answer(const std::map<std::string, Answer> &commands, const Words &words) {
    const auto known = commands.find(words.front());
    try {
        if (known == commands.end()) throw Error(EINVAL, "obey '" + words.front() + "'");
        return known->second(words);
    } catch (const std::exception &error) {
        return fmt::format(R"({{"error":{}}})", quoted(error.what()));
    }
}

} // namespace

void converse(const std::map<std::string, Answer> &commands) {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream stream(line);
        Words words;
        for (std::string word; stream >> word;)
            words.push_back(word);
        if (words.empty()) continue;
        if (words.front() == "quit") return say(R"({"ok":true})");
        say(answer(commands, words));
    }
}

void say(std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

std::uint64_t number(const Words &words, std::size_t index) {
    std::uint64_t value = 0;
    if (index < words.size()) {
        const std::string &word = words[index];
        const char *end = word.data() + word.size();
        const auto [rest, error] = std::from_chars(word.data(), end, value);
        if (error == std::errc{} && rest == end) return value;
    }
    throw Error(EINVAL, fmt::format("read number {} of '{}'", index, words.front()));
}

} // namespace hitless::testbed::traffic
