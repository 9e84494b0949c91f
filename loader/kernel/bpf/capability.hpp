// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace hitless {

/// A capability (CAP_*) that the caller has in effect, by itself or by one that includes it.
bool has_capability(unsigned capability);

} // namespace hitless
