// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/capability.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless {

bool has_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, data) < 0) return false;
    auto has = [&](unsigned cap) { return (data[cap / 32].effective >> cap % 32 & 1) != 0; };
    bool included = capability == CAP_BPF || capability == CAP_PERFMON;
    return has(capability) || (included && has(CAP_SYS_ADMIN));
}

} // namespace hitless
