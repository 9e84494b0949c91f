// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/file_writer.hpp"
#include "cli/observe/metrics.hpp"
#include "loader/core/error.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace hitless::cli {

struct FileWriter::Shared {
    const std::string file;
    std::mutex mutex;
    std::condition_variable news;
    std::optional<std::string> text, failure;
    bool over = false;

    explicit Shared(std::string name) : file(std::move(name)) {}

    /// The next text; none: there is no more.
    std::optional<std::string> next() {
        std::unique_lock lock(mutex);
        news.wait(lock, [this] { return text || over; });
        return over ? std::nullopt : std::exchange(text, std::nullopt);
    }

    void write(const std::string &what) {
        std::optional<std::string> failed;
        try {
            write_atomically(file, what);
        } catch (const Error &error) {
            failed = error.what();
        }
        std::lock_guard lock(mutex);
        failure = failed;
    }
};

FileWriter::FileWriter(const std::string &file) : shared_(std::make_shared<Shared>(file)) {
    std::thread([shared = shared_] {
        while (std::optional<std::string> text = shared->next())
            shared->write(*text);
    }).detach();
}

FileWriter::~FileWriter() {
    std::lock_guard lock(shared_->mutex);
    shared_->over = true;
    shared_->news.notify_one();
}

void FileWriter::write(std::string text) {
    std::lock_guard lock(shared_->mutex);
    shared_->text = std::move(text);
    shared_->news.notify_one();
}

std::optional<std::string> FileWriter::failure() const {
    std::lock_guard lock(shared_->mutex);
    return shared_->failure;
}

} // namespace hitless::cli
