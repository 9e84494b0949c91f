// SPDX-License-Identifier: BSD-2-Clause
//
// libhitless for C++17: hitless.h with errors as exceptions, lists as ranges, and an owner. Header
// only; hitless.h says what the calls do.
//
//   hitless::Handle h;
//   h.attach("eth0");
//   for (const hitless_pair &pair : h.status())
//       std::cout << pair.name << ' ' << pair.active << '\n';
#pragma once

#include <hitless.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hitless {
inline namespace v1 {

class Error : public std::runtime_error {
  public:
    Error(int code, const std::string &text) : std::runtime_error(text), code_(code) {}
    int code() const { return code_; } ///< a positive errno

  private:
    int code_;
};

/// What a call handed out; valid as long as the header says.
template <typename T>
class List {
  public:
    class iterator {
      public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = const T *;
        using reference = const T &;
        iterator() = default;
        explicit iterator(const T *at) : at_(at) {}
        reference operator*() const { return *at_; }
        pointer operator->() const { return at_; }
        iterator &operator++() {
            at_ = at_->next;
            return *this;
        }
        iterator operator++(int) {
            iterator before = *this;
            ++*this;
            return before;
        }
        bool operator==(const iterator &other) const { return at_ == other.at_; }
        bool operator!=(const iterator &other) const { return at_ != other.at_; }

      private:
        const T *at_ = nullptr;
    };

    explicit List(const T *first) : first_(first) {}
    iterator begin() const { return iterator(first_); }
    iterator end() const { return iterator(); }
    bool empty() const { return !first_; }
    const T &front() const { return *first_; }

  private:
    const T *first_;
};

class Handle {
  public:
    /// Takes a line for people. Must not throw.
    using Log = std::function<void(const char *)>;

    Handle() {
        hitless_handle *made = nullptr;
        int result = hitless_open(&made);
        if (result < 0) throw Error(-result, hitless_error(nullptr));
        handle_.reset(made);
    }

    hitless_handle *get() const { return handle_.get(); }

    void set_log(Log log) {
        log_ = log ? std::make_unique<Log>(std::move(log)) : nullptr;
        hitless_set_log(get(), log_ ? &tell : nullptr, log_.get());
    }

    void attach(const hitless_attach_options &options) { check(hitless_attach(get(), &options)); }
    void attach(const char *standby, const char *primary = nullptr) {
        hitless_attach_options options{};
        options.size = sizeof(options);
        options.standby = standby;
        options.primary = primary;
        attach(options);
    }
    void detach(const char *standby) { check(hitless_detach(get(), standby)); }
    void detach_all() { check(hitless_detach(get(), nullptr)); }
    void switch_path(const char *standby, hitless_path path) {
        check(hitless_switch(get(), standby, path));
    }

    List<hitless_pair> status(const char *standby = nullptr) {
        const hitless_pair *first = nullptr;
        check(hitless_status(get(), standby, &first));
        return List<hitless_pair>(first);
    }
    List<hitless_unpaired> unpaired() {
        const hitless_unpaired *first = nullptr;
        check(hitless_unpaired_nics(get(), &first));
        return List<hitless_unpaired>(first);
    }
    List<hitless_flip> flips() {
        const hitless_flip *first = nullptr;
        check(hitless_flips(get(), &first));
        return List<hitless_flip>(first);
    }
    List<hitless_finding> examine() {
        const hitless_finding *first = nullptr;
        check(hitless_examine(get(), &first));
        return List<hitless_finding>(first);
    }

    void control() { check(hitless_control(get(), nullptr)); }
    void control(const hitless_control_options &options) {
        check(hitless_control(get(), &options));
    }
    void reconfigure(const hitless_control_options &options) {
        check(hitless_reconfigure(get(), &options));
    }
    /// One line for each rule that matches nothing on this machine now.
    std::vector<std::string> idle_rules(const hitless_control_options &options) {
        const char *const *lines = nullptr;
        check(hitless_check(get(), &options, &lines));
        std::vector<std::string> out;
        while (*lines)
            out.emplace_back(*lines++);
        return out;
    }
    int fd() const { return hitless_fd(get()); }
    void process() { check(hitless_process(get())); }
    int controller_pid() {
        int pid = 0;
        check(hitless_controller_pid(get(), &pid));
        return pid;
    }
    std::string state_directory() {
        const char *path = hitless_state_directory(get());
        if (!path) throw Error(ENOMEM, hitless_error(get()));
        return path;
    }

  private:
    struct Close {
        void operator()(hitless_handle *handle) const { hitless_close(handle); }
    };

    void check(int result) const {
        if (result < 0) throw Error(-result, hitless_error(get()));
    }

    static void tell(const char *line, void *log) noexcept { (*static_cast<Log *>(log))(line); }

    std::unique_ptr<Log> log_; // outlives the handle that calls it
    std::unique_ptr<hitless_handle, Close> handle_;
};

} // namespace v1
} // namespace hitless
