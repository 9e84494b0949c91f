// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace hitless::cli {

/// Writes one file anew, again and again, from a thread of its own: a file system that hangs holds
/// up nobody who has something to write.
class FileWriter {
  public:
    /// Starts the thread. Signals should be blocked by then; it takes none.
    explicit FileWriter(const std::string &file);
    ~FileWriter(); ///< does not wait for a write that hangs
    FileWriter(const FileWriter &) = delete;
    FileWriter &operator=(const FileWriter &) = delete;

    /// Returns at once. What is not yet being written when the next text comes is never written.
    void write(std::string text);
    /// Why the last write that came to an end failed; none: it did not.
    std::optional<std::string> failure() const;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_; ///< with the thread, which may outlive us
};

} // namespace hitless::cli
