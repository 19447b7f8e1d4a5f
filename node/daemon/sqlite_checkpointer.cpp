#include "node/daemon/sqlite_checkpointer.hpp"

#include <algorithm>
#include <utility>

#include "proto/limits.hpp"

namespace presmesh::daemon {

namespace {
/// 4 MiB: often enough for a small log, seldom enough to move a page that changes often once.
constexpr int pages_at_once = 1024;
/// Soon the writer has to begin the log anew: then next to nothing may be left that it would have to move.
constexpr int log_pages_many = proto::limits::sqlite_log_pages * 3 / 4;
constexpr int pages_in_haste = 16;
}  // namespace

SqliteCheckpointer::SqliteCheckpointer(Db db, bool with_thread) : db_(std::move(db)) {
    if (with_thread) thread_ = std::thread([this] { work(); });
}

SqliteCheckpointer::~SqliteCheckpointer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void SqliteCheckpointer::log_has(int pages) {
    const std::lock_guard lock(mutex_);
    moved_ = pages < moved_ ? 0 : moved_;  // the log was begun anew
    const int enough = pages < log_pages_many ? pages_at_once : pages_in_haste;
    if (pages - moved_ < enough || std::exchange(due_, true)) return;
    changed_.notify_one();
}

/// Passive: moves what it can without making the writer wait. What fails is tried again with the next pages; a disk
/// that takes nothing any more is found out by the writer.
void SqliteCheckpointer::run() {
    int in_log = 0;
    int moved = 0;
    sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    const std::lock_guard lock(mutex_);
    moved_ = std::max(moved, 0);
}

void SqliteCheckpointer::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return due_ || stopping_; });
        if (stopping_) return;
        lock.unlock();
        run();
        lock.lock();
        due_ = false;
    }
}

}  // namespace presmesh::daemon
