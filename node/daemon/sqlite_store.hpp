// node::Store in one SQLite file: write-ahead log, one transaction per commit(), none when nothing changed.
//
// A committed turn survives kill -9 of the process at any moment. A power cut loses no turn that wrote to a table of
// store_tables::durable: its commit waits for the disk. Of the others the newest may be missing, never the order of
// them: what is there is a whole prefix of turns. Moving the log into the file waits for the disk too; that is done on
// a thread of its own, so that no turn waits for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "node/store.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

enum class Checkpoints : std::uint8_t { by_thread, by_hand };

class SqliteStore final : public node::Store {
  public:
    /// Opens or makes the file, readable by its owner alone, and takes it for this process. unavailable (in use by
    /// another process, or cannot be opened), malformed (not a database, or damaged), unsupported_version (a newer
    /// presmesh's).
    static proto::Result<std::unique_ptr<SqliteStore>> open(const std::string& path,
                                                            Checkpoints checkpoints = Checkpoints::by_thread);
    ~SqliteStore() override;

    void put(std::string_view table, std::string_view key, proto::BytesView value) override;
    void erase(std::string_view table, std::string_view key) override;
    void each(std::string_view table, std::string_view key_prefix,
              const std::function<void(std::string_view, proto::BytesView)>& visit) const override;
    /// A turn that cannot be saved must not be confirmed: throws std::runtime_error (disk full, file gone), and the
    /// daemon ends.
    void commit() override;
    bool must_last() const override;
    /// Moves what the log holds into the file, here and now; for those who opened it with Checkpoints::by_hand.
    void checkpoint();

  private:
    class Impl;
    explicit SqliteStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::daemon
