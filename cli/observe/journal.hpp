// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/api.hpp"

namespace hitless::cli {

/// True when what is printed goes to the journal anyway (systemd sets $JOURNAL_STREAM).
bool under_journal();

/// A flip with fields to search for (docs/observing.md); the message is flip_line().
void journal(const Flip &);

} // namespace hitless::cli
