// SPDX-License-Identifier: BSD-2-Clause
#include "cli/watch/terminal.hpp"

#include <cerrno>
#include <sys/ioctl.h>
#include <unistd.h>

namespace hitless::cli {
namespace {

// ECMA-48; the alternate screen and the cursor are xterm's, which everybody took over.
constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l", leave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view home = "\x1b[H", end_of_line = "\x1b[K", below = "\x1b[J";
constexpr std::string_view styles[] = {"", "\x1b[1m", "\x1b[1;31m"}, unstyle = "\x1b[0m";

void put(std::string_view text) {
    while (!text.empty()) {
        ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
        if (size < 0 && errno != EINTR) return; // it hung up; key() will tell
        if (size > 0) text.remove_prefix(static_cast<size_t>(size));
    }
}

} // namespace

Terminal::Terminal() : keys_(isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (keys_) {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        raw.c_cc[VSUSP] = _POSIX_VDISABLE; // stopped, we could not give the screen back
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    put(enter);
}

Terminal::~Terminal() {
    put(leave);
    if (keys_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Terminal::Size Terminal::size() {
    winsize is{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &is) < 0 || !is.ws_col || !is.ws_row) return {80, 24};
    return {is.ws_col, is.ws_row};
}

void Terminal::draw(const std::vector<Line> &lines) {
    std::string frame(home);
    for (size_t i = 0; i < lines.size(); i++) {
        frame += i ? "\r\n" : "";
        frame += styles[lines[i].style];
        frame += lines[i].text;
        frame += lines[i].style ? unstyle : "";
        frame += end_of_line;
    }
    put(frame.append(below));
}

std::optional<char> Terminal::key() {
    char key = 0;
    ssize_t size = read(STDIN_FILENO, &key, 1);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
    return size > 0 ? key : '\0';
}

} // namespace hitless::cli
