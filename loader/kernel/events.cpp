// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/events.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

namespace hitless {
namespace {

void swallow(int fd) {
    char buffer[4096];
    while (read(fd, buffer, sizeof(buffer)) > 0)
        continue;
}

/// True while `path` leads to the file that is open as `fd`.
bool is_at(int fd, const std::string &path) {
    struct stat open_file {
    }, named{};
    return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

struct flock exclusive() {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    return whole;
}

/// What is written in a lock file; nothing while nobody holds it.
std::optional<std::string> text_of_holder(const std::string &path) {
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct flock whole = exclusive();
    if (!fd || fcntl(fd.get(), F_OFD_GETLK, &whole) < 0 || whole.l_type == F_UNLCK)
        return std::nullopt;
    char text[64];
    ssize_t size = pread(fd.get(), text, sizeof(text), 0);
    return std::string(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
}

} // namespace

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw Error(errno, "create an epoll set");
}

void Poller::add(int fd, uint64_t key) {
    add(fd, key, EPOLLIN);
}

void Poller::add_for_edges(int fd, uint64_t key) {
    add(fd, key, EPOLLIN | EPOLLET);
}

void Poller::add_for_writing(int fd, uint64_t key) {
    add(fd, key, EPOLLOUT);
}

void Poller::add(int fd, uint64_t key, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw Error(errno, "wait for events");
}

void Poller::remove(int fd) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

int Poller::take(uint64_t *keys, int max) {
    epoll_event events[16];
    int n = epoll_wait(epoll_.get(), events, std::min(max, 16), 0);
    for (int i = 0; i < n; i++)
        keys[i] = events[i].data.u64;
    return n;
}

Timer::Timer() : fd_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!fd_) throw Error(errno, "create a timer");
}

void Timer::arm(std::optional<Instant> at) {
    itimerspec spec{};
    if (at) {
        spec.it_value.tv_sec = at->count() / 1'000'000'000;
        spec.it_value.tv_nsec = at->count() % 1'000'000'000;
    }
    timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Timer::acknowledge() {
    swallow(fd_.get());
}

bool Timer::due() {
    uint64_t times = 0;
    return read(fd_.get(), &times, sizeof(times)) == sizeof(times);
}

DirectoryWatch::DirectoryWatch(const std::string &dir)
    : fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      dir_(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    constexpr uint32_t changes = IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
    if (!fd_ || !dir_ || inotify_add_watch(fd_.get(), dir.c_str(), changes) < 0)
        throw Error(errno, fmt::format("watch {}", dir));
}

bool DirectoryWatch::changed(std::string_view but) {
    alignas(inotify_event) char buffer[4096];
    bool other = false;
    for (ssize_t size = 0; (size = read(fd_.get(), buffer, sizeof(buffer))) > 0;)
        for (ssize_t at = 0; at < size;) {
            const auto *event = reinterpret_cast<const inotify_event *>(buffer + at);
            other |= event->len == 0 || event->name != but;
            at += static_cast<ssize_t>(sizeof(*event) + event->len);
        }
    return other;
}

OwnerLock::OwnerLock(const std::string &path, std::string_view remark) : path_(path) {
    do {
        fd_ = Fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd_) throw Error(errno, fmt::format("open {}", path), "run as root");
        struct flock whole = exclusive();
        if (fcntl(fd_.get(), F_OFD_SETLK, &whole) < 0) {
            fd_ = Fd();
            return;
        }
    } while (!is_at(fd_.get(), path)); // its last holder removed it between our two steps
    std::string text = fmt::format("{}\n{}\n", getpid(), remark);
    if (ftruncate(fd_.get(), 0) < 0 || pwrite(fd_.get(), text.data(), text.size(), 0) < 0)
        throw Error(errno, fmt::format("write {}", path));
}

OwnerLock::~OwnerLock() {
    if (fd_) unlink(path_.c_str());
}

std::optional<int> OwnerLock::holder(const std::string &path) {
    std::optional<std::string> text = text_of_holder(path);
    if (!text) return std::nullopt;
    return atoi(text->c_str()); // 0: nothing yet
}

std::string OwnerLock::remark(const std::string &path) {
    std::string text = text_of_holder(path).value_or("");
    text.erase(0, text.find('\n') + 1);
    return text.substr(0, text.find('\n'));
}

bool is_stopped(int pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    size_t name_ends = line.rfind(')'); // the name may hold anything
    char state = name_ends + 2 < line.size() ? line[name_ends + 2] : ' ';
    return name_ends != std::string::npos && (state == 'T' || state == 't');
}

} // namespace hitless
