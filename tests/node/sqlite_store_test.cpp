#include "node/daemon/sqlite_store.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using daemon::SqliteStore;
using proto::Bytes;

namespace {

std::unique_ptr<SqliteStore> open_ok(const std::string& path) {
    auto store = SqliteStore::open(path);
    REQUIRE_MESSAGE(store.has_value(), (store ? "" : store.error().detail));
    return std::move(*store);
}

std::map<std::string, Bytes> rows(const node::Store& store, std::string_view table, std::string_view prefix = "") {
    std::map<std::string, Bytes> all;
    store.each(table, prefix, [&](std::string_view key, proto::BytesView value) {
        all.emplace(key, Bytes(value.begin(), value.end()));
    });
    return all;
}

void sqlite_exec(const std::string& path, const char* sql) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

}  // namespace

TEST_CASE("a turn's writes are seen at once and kept after commit") {
    const testing::TempFolder folder;
    const auto path = folder.file("state.sqlite");
    {
        auto store = open_ok(path);
        store->put("rules", "a", Bytes{1});
        store->put("rules", "b", Bytes{});
        CHECK(rows(*store, "rules").size() == 2);
        store->commit();
        store->erase("rules", "a");
        CHECK(rows(*store, "rules") == std::map<std::string, Bytes>{{"b", {}}});
    }
    CHECK(rows(*open_ok(path), "rules") == std::map<std::string, Bytes>{{"a", {1}}, {"b", {}}});
}

TEST_CASE("it behaves as the store in memory does, for any writes, commits and crashes") {
    const testing::TempFolder folder;
    int run = 0;
    CHECK(rc::check([&] {
        const auto path = folder.file("p" + std::to_string(run++));
        node::MemoryStore model;
        auto store = open_ok(path);
        const auto steps = *rc::gen::container<std::vector<std::tuple<int, std::string, Bytes>>>(
            rc::gen::tuple(rc::gen::inRange(0, 8), rc::gen::container<std::string>(rc::gen::element('a', '\0', '\xff')),
                           rc::gen::arbitrary<Bytes>()));
        for (const auto& [what, key, value] : steps) {
            const std::string_view table = (what & 1) != 0 ? "publications" : "meta";
            if (what < 4) {
                model.put(table, key, value);
                store->put(table, key, value);
            } else if (what < 6) {
                model.erase(table, key);
                store->erase(table, key);
            } else if (what == 6) {
                model.commit();
                store->commit();
            } else {
                model.crash();
                store.reset();
                store = open_ok(path);
            }
            for (const std::string_view prefix :
                 {std::string_view(""), std::string_view("a"), std::string_view("\xff", 1)}) {
                RC_ASSERT(rows(*store, "publications", prefix) == rows(model, "publications", prefix));
                RC_ASSERT(rows(*store, "meta", prefix) == rows(model, "meta", prefix));
            }
        }
    }));
}

TEST_CASE("kill -9 in the middle of writing loses no committed turn and shows no half turn") {
    const testing::TempFolder folder;
    const auto path = folder.file("state.sqlite");
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto store = SqliteStore::open(path);
        if (!store) ::_exit(1);
        for (std::uint8_t turn = 1;; ++turn) {
            (*store)->put("meta", "first", Bytes{turn});
            (*store)->put("rules", "second", Bytes{turn});
            (*store)->commit();
            if (::write(pipe_ends[1], &turn, 1) != 1) ::_exit(1);  // "confirmed"
        }
    }
    std::uint8_t confirmed = 0;
    for (int i = 0; i < 100; ++i) REQUIRE(::read(pipe_ends[0], &confirmed, 1) == 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    ::close(pipe_ends[1]);
    while (::read(pipe_ends[0], &confirmed, 1) == 1) {
    }
    ::close(pipe_ends[0]);

    const auto store = open_ok(path);
    const auto first = rows(*store, "meta").at("first");
    CHECK(first == rows(*store, "rules").at("second"));
    const auto ahead = static_cast<std::uint8_t>(first.at(0) - confirmed);
    CHECK(ahead <= 1);  // at most the one turn that was committed and not yet confirmed
}

TEST_CASE("the log moves into the file beside the turns, and never grows past its bound") {
    const testing::TempFolder folder;
    const auto path = folder.file("state.sqlite");
    const auto size_of = [](const std::string& file) { return std::filesystem::file_size(file); };
    constexpr std::size_t mib = 1 << 20;
    constexpr int turns_at_most = 5'000;  // 80 MiB of log
    int turns = 0;
    const auto fill = [&](SqliteStore& store, const auto& done) {
        for (turns = 0; turns < turns_at_most && !done(); ++turns) {
            store.put("translators", std::to_string(turns % 500), Bytes(10'000, static_cast<std::uint8_t>(turns)));
            store.commit();
        }
    };
    SUBCASE("by a thread of its own, long before a turn would have to") {
        const auto store = open_ok(path);
        fill(*store, [&] { return size_of(path) > mib; });
        CHECK(turns < turns_at_most);
        CHECK(size_of(path + "-wal") < 60 * mib);
    }
    SUBCASE("by the writer, where the thread cannot keep pace") {
        const auto store = SqliteStore::open(path, daemon::Checkpoints::by_hand);
        REQUIRE(store);
        fill(**store, [] { return false; });
        CHECK(size_of(path + "-wal") > 60 * mib);
        CHECK(size_of(path + "-wal") < 66 * mib);
    }
    CHECK(rows(*open_ok(path), "translators").size() == std::min<std::size_t>(turns, 500));
}

TEST_CASE("files it cannot use are refused by name") {
    const testing::TempFolder folder;
    SUBCASE("in use by another process") {
        const auto path = folder.file("state.sqlite");
        const auto first = open_ok(path);
        const auto second = SqliteStore::open(path);
        REQUIRE(!second);
        CHECK(second.error().reason == proto::Reason::unavailable);
        CHECK(second.error().detail.find("in use") != std::string::npos);
    }
    SUBCASE("not a database") {
        const auto path = folder.file("state.sqlite");
        std::ofstream(path) << std::string(4096, 'x');
        const auto store = SqliteStore::open(path);
        REQUIRE(!store);
        CHECK(store.error().reason == proto::Reason::malformed);
    }
    SUBCASE("damaged") {
        const auto path = folder.file("state.sqlite");
        {
            auto store = open_ok(path);
            for (int i = 0; i < 500; ++i) store->put("meta", std::to_string(i), Bytes(200, 1));
            store->commit();
        }
        sqlite_exec(path, "PRAGMA journal_mode=DELETE");
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(24);
        file << std::string(4000, '\x7f');
        file.close();
        const auto store = SqliteStore::open(path);
        REQUIRE(!store);
        CHECK(store.error().reason == proto::Reason::malformed);
    }
    SUBCASE("some other program's") {
        const auto path = folder.file("other.sqlite");
        sqlite_exec(path, "CREATE TABLE t (x)");
        const auto store = SqliteStore::open(path);
        REQUIRE(!store);
        CHECK(store.error().reason == proto::Reason::malformed);
    }
    SUBCASE("a newer presmesh's") {
        const auto path = folder.file("state.sqlite");
        open_ok(path).reset();
        sqlite_exec(path, "PRAGMA user_version=99");
        const auto store = SqliteStore::open(path);
        REQUIRE(!store);
        CHECK(store.error().reason == proto::Reason::unsupported_version);
    }
    SUBCASE("no such folder") {
        const auto store = SqliteStore::open(folder.file("no/such/state.sqlite"));
        REQUIRE(!store);
        CHECK(store.error().reason == proto::Reason::unavailable);
    }
}

TEST_CASE("the file is its owner's alone") {
    const testing::TempFolder folder;
    const auto path = folder.file("state.sqlite");
    std::ofstream(path).close();
    ::chmod(path.c_str(), 0644);
    auto store = open_ok(path);
    store->put("meta", "k", Bytes{1});
    store->commit();
    for (const auto* suffix : {"", "-wal", "-shm"}) {
        struct stat info {};
        REQUIRE(::stat((path + suffix).c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);
    }
}
