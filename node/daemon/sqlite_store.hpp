// node::Store in one SQLite file: write-ahead log, one transaction per commit(), none when nothing changed.
//
// A committed turn survives kill -9 of the process at any moment. After a power cut the newest turns may be missing
// (synchronous=NORMAL does not sync each one), never the order of them: what is there is a whole prefix of turns.
#pragma once

#include <memory>
#include <string>

#include "node/store.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

class SqliteStore final : public node::Store {
  public:
    /// Opens or makes the file, readable by its owner alone, and takes it for this process. unavailable (in use by
    /// another process, or cannot be opened), malformed (not a database, or damaged), unsupported_version (a newer
    /// presmesh's).
    static proto::Result<std::unique_ptr<SqliteStore>> open(const std::string& path);
    ~SqliteStore() override;

    void put(std::string_view table, std::string_view key, proto::BytesView value) override;
    void erase(std::string_view table, std::string_view key) override;
    void each(std::string_view table, std::string_view key_prefix,
              const std::function<void(std::string_view, proto::BytesView)>& visit) const override;
    /// A turn that cannot be saved must not be confirmed: throws std::runtime_error (disk full, file gone), and the
    /// daemon ends.
    void commit() override;

  private:
    class Impl;
    explicit SqliteStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::daemon
