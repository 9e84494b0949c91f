// SPDX-License-Identifier: BSD-2-Clause
//
// The structs that callers fill, as C++ types. They carry their size: a caller may be older than
// this library, or newer.
#pragma once

#include "loader/api.hpp"
#include "loader/include/hitless.h"

namespace hitless {

/// Throw Error(EINVAL) for what cannot be meant, Error(E2BIG) for what only a newer library knows.
AttachRequest request_of(const hitless_attach_options &);
Controller::Options control_of(const hitless_control_options *);

} // namespace hitless
