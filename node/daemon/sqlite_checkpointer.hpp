// Moves what SQLite's write-ahead log holds into the database file: a connection of its own, and a thread, so that
// nobody else waits for the disk.
#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

namespace presmesh::daemon {

using Db = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;

class SqliteCheckpointer {
  public:
    /// Takes a connection that nobody else uses. No thread: only run() moves anything.
    SqliteCheckpointer(Db db, bool with_thread);
    /// Waits for a checkpoint under way.
    ~SqliteCheckpointer();
    SqliteCheckpointer(const SqliteCheckpointer&) = delete;
    SqliteCheckpointer& operator=(const SqliteCheckpointer&) = delete;

    /// After each commit: so many pages are in the log now. Wakes the thread when enough are new.
    void log_has(int pages);
    /// A checkpoint in the calling thread. With a thread, not while that may run.
    void run();

  private:
    void work();

    Db db_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool due_ = false;
    bool stopping_ = false;
    int moved_ = 0;  ///< pages of the log that are in the file already
    std::thread thread_;
};

}  // namespace presmesh::daemon
