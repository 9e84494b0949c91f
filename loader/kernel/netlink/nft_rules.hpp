// SPDX-License-Identifier: BSD-2-Clause
//
// The packet filter of the kernel, nftables, as far as it concerns a device. What ebtables,
// iptables and libvirt's nwfilter set up through it is seen too.
#pragma once

#include <string>
#include <vector>

namespace hitless {

/// Whether a rule or a chain of any family names the device. Not seen: a set of names, and a name
/// with a wildcard. False where the kernel has no nftables or they may not be read. Throws Error.
bool nftables_name(const std::string &device);

/// The chains that see what comes in or leaves by a device ("netdev filter input", quoted for a
/// shell), as its link layer has it. Not seen: a name with a wildcard. None where the kernel has no
/// nftables or they may not be read. Throws Error.
std::vector<std::string> nftables_chains(const std::string &device);

} // namespace hitless
