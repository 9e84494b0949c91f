// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/state/state_dir.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <linux/magic.h>
#include <memory>
#include <sstream>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace hitless {
namespace {

constexpr auto override_variable = "HITLESS_STATE_DIR";
constexpr auto default_root = "/run/hitless";
constexpr auto mount_source = "hitless";
constexpr std::string_view host_prefix = "host-";
constexpr std::string_view upgrade_prefix = "upgrade-";

int mount_bpffs(const char *target) {
    return mount(mount_source, target, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ? errno
                                                                                             : 0;
}

/// What is mounted on a path: the field after the file system's type in mountinfo.
std::string source_of(const std::string &target) {
    std::ifstream mounts("/proc/self/mountinfo");
    std::string source;
    for (std::string line; std::getline(mounts, line);) {
        size_t tail = line.find(" - ");
        std::istringstream head(line), rest(line.substr(tail == std::string::npos ? 0 : tail + 3));
        std::string field, path, type, from;
        head >> field >> field >> field >> field >> path;
        rest >> type >> from;
        if (path == target) source = from;
    }
    return source;
}

/// Who mounted it unmounts it: one that systemd mounted (run-hitless-bpf.mount) stays, for a
/// controller that may not mount.
int unmount_bpffs(const char *target) {
    std::error_code ignored;
    if (source_of(std::filesystem::weakly_canonical(target, ignored)) != mount_source) return 0;
    return umount(target) && errno != EBUSY ? errno : 0;
}

std::string absolute(const std::string &path) {
    return std::filesystem::absolute(path).lexically_normal();
}

/// Names in a directory, without those that have a dot: bpffs itself puts iterators (maps.debug,
/// progs.debug) into its root, and refuses dots in names of ours.
std::vector<std::string> entries(const std::string &dir) {
    std::unique_ptr<DIR, int (*)(DIR *)> handle(opendir(dir.c_str()), closedir);
    std::vector<std::string> out;
    if (!handle) return out;
    while (const dirent *entry = readdir(handle.get())) {
        std::string name = entry->d_name;
        if (name.find('.') == std::string::npos) out.push_back(std::move(name));
    }
    return out;
}

const char *mount_way_out(int error) {
    if (error == EPERM) return "run as root, or with CAP_SYS_ADMIN";
    return error == ENOTDIR ? "remove what stands there" : "the kernel needs CONFIG_BPF_SYSCALL";
}

void rename_or_throw(const std::string &from, const std::string &to) {
    if (rename(from.c_str(), to.c_str()) < 0)
        throw Error(errno, fmt::format("rename {} to {}", from, to));
}

} // namespace

StateDir::StateDir() {
    const char *given = secure_getenv(override_variable);
    if (given) mounts_ = lasting_mounts();
    std::string there = given ? (mounts_.empty() ? "" : mounts_ + "/root") : initial_root();
    std::string path = given ? given : default_root;
    root_ = there.empty() ? path : there + absolute(path);
    given_ = given;
    below_ = there.size();
    bpffs_ = root_ + "/bpf";
}

void StateDir::make_directories() const {
    for (const std::string &dir : {root_, bpffs_})
        if (mkdir(dir.c_str(), 0700) < 0 && errno != EEXIST)
            throw Error(errno, fmt::format("create {}", dir),
                        fmt::format("run as root, or set {} to a directory you may write to",
                                    override_variable));
}

Fd StateDir::open_root() const {
    Fd dir(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir) throw Error(errno, fmt::format("open {}", root_), "run as root");
    return dir;
}

StateDir::Lock StateDir::lock() {
    make_directories();
    Fd dir = open_root();
    while (flock(dir.get(), LOCK_EX) < 0)
        if (errno != EINTR) throw Error(errno, fmt::format("lock {}", root_));
    return Lock(std::move(dir));
}

std::optional<StateDir::Lock> StateDir::try_lock() {
    make_directories();
    Fd dir = open_root();
    if (flock(dir.get(), LOCK_EX | LOCK_NB) == 0) return Lock(std::move(dir));
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw Error(errno, fmt::format("lock {}", root_));
}

bool StateDir::is_locked() const {
    Fd dir = open_root();
    return flock(dir.get(), LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

bool StateDir::mounted() const {
    struct statfs fs {};
    if (statfs(bpffs_.c_str(), &fs) == 0) return fs.f_type == BPF_FS_MAGIC;
    // Not to be allowed to look is not to find nothing.
    if (errno == EACCES) throw Error(errno, fmt::format("look into {}", root_), "run as root");
    return false;
}

void StateDir::ensure_mounted() {
    if (mounted()) return;
    std::string action = fmt::format("mount a bpffs on {}", bpffs_);
    if (!given_) return in_initial_mounts(action, mount_bpffs, bpffs_.substr(below_));
    if (!mounts_.empty()) return in_mounts_of(mounts_, action, mount_bpffs, bpffs_.substr(below_));
    if (int error = mount_bpffs(bpffs_.c_str())) throw Error(error, action, mount_way_out(error));
}

void StateDir::unmount_if_empty() {
    if (!mounted() || !entries(bpffs_).empty()) return;
    std::string action = fmt::format("unmount {}", bpffs_);
    if (!given_) return in_initial_mounts(action, unmount_bpffs, bpffs_.substr(below_));
    if (!mounts_.empty())
        return in_mounts_of(mounts_, action, unmount_bpffs, bpffs_.substr(below_));
    if (int error = unmount_bpffs(bpffs_.c_str())) throw Error(error, action);
}

std::vector<std::string> StateDir::pairs() const {
    if (!mounted()) return {};
    std::vector<std::string> out = entries(bpffs_);
    std::erase_if(out, [](const std::string &name) {
        return name.starts_with(stage_name) || name.starts_with(host_prefix) ||
               name.starts_with(upgrade_prefix);
    });
    std::ranges::sort(out);
    return out;
}

std::vector<std::string> StateDir::hosts() const {
    std::vector<std::string> out = mounted() ? entries(bpffs_) : std::vector<std::string>();
    std::erase_if(out, [](const std::string &name) { return !name.starts_with(host_prefix); });
    return out;
}

std::vector<std::string> StateDir::host_files() const {
    std::vector<std::string> out = entries(root_);
    std::erase_if(out, [](const std::string &name) {
        return !name.starts_with(host_prefix) || !cookie_in(name);
    });
    return out;
}

bool StateDir::has_stage() const {
    return access(stage().c_str(), F_OK) == 0;
}

void StateDir::set_stage_aside(uint64_t netns_cookie) {
    for (unsigned i = 0;; i++) {
        std::string to = path(fmt::format("{}-{}-{}", stage_name, netns_cookie, i));
        if (access(to.c_str(), F_OK) < 0) return rename_or_throw(stage(), to);
    }
}

std::vector<std::string> StateDir::stages_aside() const {
    std::vector<std::string> out = mounted() ? entries(bpffs_) : std::vector<std::string>();
    std::erase_if(out, [](const std::string &name) {
        return !name.starts_with(stage_name) || name == stage_name;
    });
    return out;
}

std::string StateDir::make_stage() {
    if (mkdir(stage().c_str(), 0700) < 0) throw Error(errno, fmt::format("create {}", stage()));
    return stage();
}

void StateDir::publish(const std::string &name) {
    rename_or_throw(stage(), path(name));
}

std::string StateDir::unpublish(const std::string &name) {
    rename_or_throw(path(name), stage());
    return stage();
}

std::string StateDir::upgrade_name(const std::string &pair) {
    return fmt::format("{}{}", upgrade_prefix, pair);
}

std::string StateDir::make_upgrade(const std::string &name) const {
    std::string dir = upgrade_of(name);
    if (mkdir(dir.c_str(), 0700) < 0) throw Error(errno, fmt::format("create {}", dir));
    return dir;
}

void StateDir::exchange(const std::string &name) const {
    if (renameat2(AT_FDCWD, upgrade_of(name).c_str(), AT_FDCWD, path(name).c_str(),
                  RENAME_EXCHANGE) < 0)
        throw Error(errno, fmt::format("exchange {} and {}", upgrade_of(name), path(name)),
                    errno == EINVAL ? "the kernel must be 5.17 or later" : "");
}

std::vector<std::string> StateDir::upgrades() const {
    std::vector<std::string> out;
    for (const std::string &name : mounted() ? entries(bpffs_) : std::vector<std::string>())
        if (name.starts_with(upgrade_prefix)) out.push_back(name.substr(upgrade_prefix.size()));
    return out;
}

bool StateDir::has_upgrade(const std::string &pair) const {
    return access(upgrade_of(pair).c_str(), F_OK) == 0;
}

void StateDir::remove(const std::string &dir) {
    for (const std::string &name : entries(dir))
        if (unlink((dir + "/" + name).c_str()) < 0 && errno != ENOENT)
            throw Error(errno, fmt::format("remove {}/{}", dir, name));
    if (rmdir(dir.c_str()) < 0 && errno != ENOENT)
        throw Error(errno, fmt::format("remove {}", dir));
}

uint64_t StateDir::cookie_in(std::string_view name) {
    size_t digits = name.find_first_of("0123456789");
    if (digits == name.npos) return 0;
    uint64_t cookie = 0;
    std::from_chars(name.data() + digits, name.data() + name.size(), cookie);
    return cookie;
}

std::string StateDir::host_name(uint64_t netns_cookie) {
    return fmt::format("{}{}", host_prefix, netns_cookie);
}

std::string StateDir::pair_name(uint64_t netns_cookie, uint32_t standby_ifindex) {
    return fmt::format("{}-{}", netns_cookie, standby_ifindex);
}

} // namespace hitless
