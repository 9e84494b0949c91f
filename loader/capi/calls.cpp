// SPDX-License-Identifier: BSD-2-Clause
//
// The C ABI: each call is one of loader/api.hpp, with C types at its edges.
#include "loader/capi/handle.hpp"
#include "loader/capi/options.hpp"

#include <memory>
#include <unistd.h>

using namespace hitless;

namespace {

/// Refuses null where a call needs a value.
template <typename T>
T &needed(T *pointer, const char *what) {
    if (!pointer) throw Error(EINVAL, "read the arguments", std::string(what) + " is NULL", "");
    return *pointer;
}

Target target_of(hitless_path path) {
    switch (path) {
    case HITLESS_AUTO: return Target::automatic;
    case HITLESS_PRIMARY: return Target::primary;
    case HITLESS_STANDBY: return Target::standby;
    }
    throw Error(EINVAL, "read the arguments", "path is none of enum hitless_path", "");
}

} // namespace

int hitless_open(hitless_handle **handle) {
    if (!handle) return -EINVAL;
    *handle = new (std::nothrow) hitless_handle{};
    if (!*handle) return -ENOMEM;
    int result = guarded(*handle, [](hitless_handle &made) { made.poller.emplace(); });
    if (result < 0) {
        delete *handle;
        *handle = nullptr;
    }
    return result;
}

void hitless_close(hitless_handle *handle) {
    delete handle;
}

const char *hitless_error(const hitless_handle *handle) {
    return handle ? handle->error.c_str() : "no handle: out of memory or file descriptors";
}

const char *hitless_version(void) {
    return HITLESS_VERSION;
}

void hitless_set_log(hitless_handle *handle, hitless_log_fn log, void *user) {
    if (!handle) return;
    handle->log = log;
    handle->log_user = user;
}

int hitless_attach(hitless_handle *handle, const hitless_attach_options *options) {
    return guarded(handle,
                   [&](hitless_handle &) { attach(request_of(needed(options, "options"))); });
}

int hitless_detach(hitless_handle *handle, const char *standby) {
    return guarded(handle, [&](hitless_handle &h) {
        if (standby)
            detach(standby, h.note());
        else
            detach_all(h.note());
    });
}

int hitless_switch(hitless_handle *handle, const char *standby, hitless_path path) {
    return guarded(handle, [&](hitless_handle &) {
        switch_path(&needed(standby, "standby"), target_of(path));
    });
}

int hitless_status(hitless_handle *handle, const char *standby, const hitless_pair **first) {
    return guarded(handle, [&](hitless_handle &h) {
        needed(first, "first") = nullptr;
        std::vector<PairStatus> pairs =
            standby ? std::vector<PairStatus>{status(standby)} : status();
        *first = refill(h.pairs, pairs);
    });
}

int hitless_unpaired_nics(hitless_handle *handle, const hitless_unpaired **first) {
    return guarded(handle, [&](hitless_handle &h) {
        needed(first, "first") = nullptr;
        *first = refill(h.unpaired, unpaired());
    });
}

int hitless_flips(hitless_handle *handle, const hitless_flip **first) {
    return guarded(handle, [&](hitless_handle &h) {
        needed(first, "first") = nullptr;
        if (h.reader)
            h.reader->rescan();
        else
            h.reader.emplace();
        *first = refill(h.flips, h.reader->read());
    });
}

int hitless_examine(hitless_handle *handle, const hitless_finding **first) {
    return guarded(handle, [&](hitless_handle &h) {
        needed(first, "first") = nullptr;
        *first = refill(h.findings, examine_machine());
    });
}

int hitless_control(hitless_handle *handle, const hitless_control_options *options) {
    return guarded(handle, [&](hitless_handle &h) {
        if (h.controller) throw AlreadyRunning(getpid());
        Controller::Options with = control_of(options);
        with.log = h.note();
        h.controller.emplace(std::move(with));
        h.poller->add(h.controller->fd(), 0);
    });
}

int hitless_reconfigure(hitless_handle *handle, const hitless_control_options *options) {
    return guarded(handle, [&](hitless_handle &h) {
        if (!h.controller)
            throw Error(ESRCH, "reconfigure the controller", "this handle is none",
                        "hitless_control() makes it one");
        h.controller->reconfigure(control_of(options));
    });
}

int hitless_check(hitless_handle *handle, const hitless_control_options *options,
                  const char *const **lines) {
    return guarded(handle, [&](hitless_handle &h) {
        needed(lines, "lines") = nullptr;
        h.idle = idle_rules(control_of(options));
        h.idle_lines.clear();
        for (const std::string &line : h.idle)
            h.idle_lines.push_back(line.c_str());
        h.idle_lines.push_back(nullptr);
        *lines = h.idle_lines.data();
    });
}

int hitless_fd(const hitless_handle *handle) {
    return handle ? handle->poller->fd() : -EINVAL;
}

int hitless_process(hitless_handle *handle) {
    return guarded(handle, [](hitless_handle &h) {
        if (h.controller) h.controller->process();
    });
}

int hitless_controller_pid(hitless_handle *handle, int *pid) {
    return guarded(handle,
                   [&](hitless_handle &) { needed(pid, "pid") = controller_pid().value_or(0); });
}

const char *hitless_state_directory(hitless_handle *handle) {
    int result = guarded(handle, [](hitless_handle &h) { h.state_directory = state_directory(); });
    return result < 0 ? nullptr : handle->state_directory.c_str();
}
