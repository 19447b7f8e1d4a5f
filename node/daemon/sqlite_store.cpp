#include "node/daemon/sqlite_store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>

#include "node/daemon/sqlite_checkpointer.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

constexpr int schema_version = 1;
constexpr int application_id = 0x70726d73;  // "prms": tells our file from any other database

constexpr const char* schema =
    "CREATE TABLE IF NOT EXISTS rows (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, "
    "key)) "
    "WITHOUT ROWID;";

using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

Reason reason_of(int code) {
    switch (code & 0xff) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_SCHEMA:
            return Reason::malformed;
        case SQLITE_PERM:
        case SQLITE_READONLY:
            return Reason::forbidden;
        default:
            return Reason::unavailable;
    }
}

std::string explain(const std::string& path, int code, const char* message) {
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) return path + " is in use by another process";
    if ((code & 0xff) == SQLITE_NOTADB) return path + " is not a presmesh state file (not an SQLite database)";
    if ((code & 0xff) == SQLITE_CORRUPT) return path + " is damaged: " + message;
    return path + ": " + message;
}

Result<void> run(sqlite3* db, const std::string& path, const char* sql) {
    const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return {};
    return refuse(reason_of(code), explain(path, code, sqlite3_errmsg(db)));
}

Result<std::int64_t> ask_number(sqlite3* db, const std::string& path, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    int code = sqlite3_prepare_v2(db, sql, -1, &raw, nullptr);
    const Statement statement(raw, sqlite3_finalize);
    if (code == SQLITE_OK) code = sqlite3_step(raw);
    if (code == SQLITE_ROW) return sqlite3_column_int64(raw, 0);
    return refuse(reason_of(code), explain(path, code, sqlite3_errmsg(db)));
}

/// The file, locked for this process as long as it is open: two daemons on one file would lower sequence numbers.
class OwnFile {
  public:
    explicit OwnFile(int fd) : fd_(fd) {}
    OwnFile(OwnFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OwnFile& operator=(OwnFile&&) = delete;
    ~OwnFile() {
        if (fd_ >= 0) ::close(fd_);
    }

    /// SQLite itself would make the file with the process's umask; secrets want 0600 from the first moment on.
    static Result<OwnFile> take(const std::string& path) {
        OwnFile file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (file.fd_ < 0) return refuse(Reason::unavailable, "cannot open " + path + ": " + std::strerror(errno));
        if (::fchmod(file.fd_, 0600) != 0)
            return refuse(Reason::forbidden, "cannot restrict " + path + " to its owner: " + std::strerror(errno));
        if (::flock(file.fd_, LOCK_EX | LOCK_NB) != 0)
            return refuse(Reason::unavailable, explain(path, SQLITE_BUSY, ""));
        return file;
    }

  private:
    int fd_;
};

Result<void> set_up(sqlite3* db, const std::string& path) {
    for (const char* sql :
         {"PRAGMA journal_mode=WAL;", "PRAGMA synchronous=NORMAL;", "PRAGMA journal_size_limit=67108864;",
          "PRAGMA wal_autocheckpoint=0;", "BEGIN EXCLUSIVE;"}) {
        if (auto done = run(db, path, sql); !done) return done;
    }
    const auto application = ask_number(db, path, "PRAGMA application_id;");
    if (!application) return tl::make_unexpected(application.error());
    const auto version = ask_number(db, path, "PRAGMA user_version;");
    if (!version) return tl::make_unexpected(version.error());
    const auto tables = ask_number(db, path, "SELECT count(*) FROM sqlite_master;");
    if (!tables) return tl::make_unexpected(tables.error());
    const bool fresh = *tables == 0 && *version == 0;
    if (!fresh && *application != application_id)
        return refuse(Reason::malformed, path + " is some other program's database");
    if (*version > schema_version) {
        return refuse(Reason::unsupported_version, path + " was written by a newer presmesh (form " +
                                                       std::to_string(*version) + ", this one knows " +
                                                       std::to_string(schema_version) + ")");
    }
    if (auto done = run(db, path, schema); !done) return done;
    const auto marks = "PRAGMA application_id=" + std::to_string(application_id) +
                       "; PRAGMA user_version=" + std::to_string(schema_version) + "; COMMIT;";
    return run(db, path, marks.c_str());
}

Result<Db> connect(const std::string& path) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Db db(raw, sqlite3_close_v2);
    if (code != SQLITE_OK)
        return refuse(reason_of(code), explain(path, code, raw != nullptr ? sqlite3_errmsg(raw) : "no memory"));
    sqlite3_busy_timeout(raw, 1000);  // somebody looks at it with SQLite's own tools
    return db;
}

}  // namespace

class SqliteStore::Impl {
  public:
    Impl(std::string path, OwnFile file, Db db, Db checkpoints, Checkpoints how)
        : path_(std::move(path)),
          file_(std::move(file)),
          db_(std::move(db)),
          checkpointer_(std::move(checkpoints), how == Checkpoints::by_thread) {
        sqlite3_wal_hook(db_.get(), committed, this);
    }

    std::string path_;
    OwnFile file_;
    Db db_;
    SqliteCheckpointer checkpointer_;
    Statement begin_{nullptr, sqlite3_finalize};
    Statement commit_{nullptr, sqlite3_finalize};
    Statement put_{nullptr, sqlite3_finalize};
    Statement erase_{nullptr, sqlite3_finalize};
    Statement each_{nullptr, sqlite3_finalize};
    /// What this turn wrote; nullopt erases. The database has everything before it.
    std::map<std::pair<std::string, std::string>, std::optional<proto::Bytes>, std::less<>> pending_;

    bool prepare() {
        return prepare(begin_, "BEGIN IMMEDIATE") && prepare(commit_, "COMMIT") &&
               prepare(put_,
                       "INSERT INTO rows (tbl, key, value) VALUES (?1, ?2, ?3) "
                       "ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value") &&
               prepare(erase_, "DELETE FROM rows WHERE tbl = ?1 AND key = ?2") &&
               prepare(each_, "SELECT key, value FROM rows WHERE tbl = ?1 AND key >= ?2 ORDER BY key");
    }

    /// SQLite's word after each commit.
    static int committed(void* self, sqlite3* db, const char*, int log_pages) {
        static_cast<Impl*>(self)->checkpointer_.log_has(log_pages);
        if (log_pages >= proto::limits::sqlite_log_pages)
            sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
        return SQLITE_OK;
    }

    void set_synchronous(const char* level) {
        const auto sql = std::string("PRAGMA synchronous=") + level + ";";
        if (auto done = run(db_.get(), path_, sql.c_str()); !done) throw std::runtime_error(done.error().detail);
    }
    void write_all() {
        step(begin_);
        for (const auto& [at, value] : pending_) write(at, value);
        step(commit_);
    }

    void step(const Statement& statement) {
        const int code = sqlite3_step(statement.get());
        const std::string message = sqlite3_errmsg(db_.get());
        sqlite3_reset(statement.get());
        if (code != SQLITE_DONE && code != SQLITE_ROW) throw std::runtime_error(path_ + ": cannot save: " + message);
    }

    void write(const std::pair<std::string, std::string>& at, const std::optional<proto::Bytes>& value) {
        const auto& statement = value ? put_ : erase_;
        bind_text(statement, 1, at.first);
        bind_blob(statement, 2, proto::as_bytes(at.second));
        if (value) bind_blob(statement, 3, *value);
        step(statement);
    }

    /// The rows as the last commit left them.
    std::map<std::string, proto::Bytes> saved(std::string_view table, std::string_view prefix) const {
        std::map<std::string, proto::Bytes> rows;
        bind_text(each_, 1, table);
        bind_blob(each_, 2, proto::as_bytes(prefix));
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(each_.get())) == SQLITE_ROW) {
            std::string key(proto::as_text(column(0)));
            if (!std::string_view(key).starts_with(prefix)) break;
            const auto value = column(1);
            rows.emplace(std::move(key), proto::Bytes(value.begin(), value.end()));
        }
        sqlite3_reset(each_.get());
        if (code != SQLITE_DONE && code != SQLITE_ROW)
            throw std::runtime_error(path_ + ": cannot read: " + sqlite3_errmsg(db_.get()));
        return rows;
    }

  private:
    bool prepare(Statement& into, const char* sql) {
        sqlite3_stmt* raw = nullptr;
        const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
        into.reset(raw);
        return code == SQLITE_OK;
    }
    static void bind_text(const Statement& statement, int at, std::string_view text) {
        sqlite3_bind_text(statement.get(), at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    static void bind_blob(const Statement& statement, int at, proto::BytesView bytes) {
        // A null pointer would bind NULL, and an empty value is a value.
        const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
        sqlite3_bind_blob64(statement.get(), at, data, bytes.size(), SQLITE_TRANSIENT);
    }
    proto::BytesView column(int at) const {
        const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(each_.get(), at));
        return {data, static_cast<std::size_t>(sqlite3_column_bytes(each_.get(), at))};
    }
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path, Checkpoints checkpoints) {
    auto file = OwnFile::take(path);
    if (!file) return tl::make_unexpected(file.error());
    auto db = connect(path);
    if (!db) return tl::make_unexpected(db.error());
    if (auto done = set_up(db->get(), path); !done) return tl::make_unexpected(done.error());
    auto second = connect(path);
    if (!second) return tl::make_unexpected(second.error());
    // Only a connection that has read the file knows of its log.
    if (auto read = ask_number(second->get(), path, "SELECT count(*) FROM sqlite_master;"); !read)
        return tl::make_unexpected(read.error());
    auto impl = std::make_unique<Impl>(path, std::move(*file), std::move(*db), std::move(*second), checkpoints);
    if (!impl->prepare()) return refuse(Reason::malformed, path + ": " + sqlite3_errmsg(impl->db_.get()));
    return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

void SqliteStore::put(std::string_view table, std::string_view key, proto::BytesView value) {
    impl_->pending_[{std::string(table), std::string(key)}] = proto::Bytes(value.begin(), value.end());
}

void SqliteStore::erase(std::string_view table, std::string_view key) {
    impl_->pending_[{std::string(table), std::string(key)}] = std::nullopt;
}

void SqliteStore::each(std::string_view table, std::string_view key_prefix,
                       const std::function<void(std::string_view, proto::BytesView)>& visit) const {
    auto rows = impl_->saved(table, key_prefix);
    for (auto at = impl_->pending_.lower_bound({std::string(table), std::string(key_prefix)});
         at != impl_->pending_.end(); ++at) {
        if (at->first.first != table || !at->first.second.starts_with(key_prefix)) break;
        if (at->second) {
            rows[at->first.second] = *at->second;
        } else {
            rows.erase(at->first.second);
        }
    }
    for (const auto& [key, value] : rows) visit(key, value);
}

void SqliteStore::commit() {
    if (impl_->pending_.empty()) return;
    const bool lasting = must_last();
    if (lasting) impl_->set_synchronous("FULL");
    impl_->write_all();
    if (lasting) impl_->set_synchronous("NORMAL");
    impl_->pending_.clear();
}

bool SqliteStore::must_last() const {
    using node::store_tables::durable;
    return std::any_of(impl_->pending_.begin(), impl_->pending_.end(), [](const auto& row) {
        return std::find(durable.begin(), durable.end(), row.first.first) != durable.end();
    });
}

void SqliteStore::checkpoint() {
    impl_->checkpointer_.run();
}

}  // namespace presmesh::daemon
