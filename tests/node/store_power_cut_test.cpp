// The power is cut at every single write of a realistic life of the state file: three runs of a node, with rules,
// decisions, publications, subscriptions, epochs and checkpoints. Whatever the disk kept, the file opens, and holds a
// whole prefix of the turns: all that had to last, and no epoch is ever given out twice.
#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "node/daemon/sqlite_store.hpp"
#include "node/epoch.hpp"
#include "node/publications.hpp"
#include "node/rule_book.hpp"
#include "tests/support/power_cut.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using daemon::Checkpoints;
using daemon::SqliteStore;

namespace {

using Rows = std::map<std::pair<std::string, std::string>, proto::Bytes>;

constexpr std::string_view tables[] = {node::store_tables::meta,         node::store_tables::rules,
                                       node::store_tables::rule_log,     node::store_tables::rule_logs_seen,
                                       node::store_tables::publications, node::store_tables::decisions,
                                       node::store_tables::translators};
constexpr std::string_view file_name = "state.sqlite";
constexpr std::string_view turn_key = "turn";

Rows rows_of(const node::Store& store) {
    Rows all;
    for (const auto table : tables)
        store.each(table, "", [&](std::string_view key, proto::BytesView value) {
            all[{std::string(table), std::string(key)}] = proto::Bytes(value.begin(), value.end());
        });
    return all;
}

std::unique_ptr<SqliteStore> open_ok(const TempFolder& folder) {
    auto store = SqliteStore::open(folder.file(file_name), Checkpoints::by_hand);
    REQUIRE_MESSAGE(store.has_value(), (store ? "" : store.error().detail));
    return std::move(*store);
}

/// What was promised to the outside, and after which write to the disk.
struct Promises {
    struct Turn {
        std::size_t told_after;  ///< so many operations of the journal
        bool lasts;              ///< over a power cut
        Rows rows;
    };
    struct Epoch {
        std::size_t told_after;
        std::uint64_t number;
    };
    std::vector<Turn> turns;
    std::vector<Epoch> epochs;

    /// The last turn that must be there, 0: none.
    std::size_t least_turn(std::size_t cut, bool power) const {
        std::size_t least = 0;
        for (std::size_t i = 0; i < turns.size(); ++i)
            if (turns[i].told_after <= cut && (turns[i].lasts || !power)) least = i + 1;
        return least;
    }
    std::uint64_t greatest_epoch(std::size_t cut) const {
        std::uint64_t greatest = 0;
        for (const auto& epoch : epochs)
            if (epoch.told_after <= cut) greatest = std::max(greatest, epoch.number);
        return greatest;
    }
};

/// The store of a run that is written down: numbers its turns, and remembers each as it was committed.
class ToldStore final : public node::Store {
  public:
    ToldStore(SqliteStore& real, const DiskJournal& journal, Promises& promises)
        : real_(real), journal_(journal), promises_(promises) {}
    void put(std::string_view table, std::string_view key, proto::BytesView value) override {
        lasts_ = lasts_ || is_durable(table);
        real_.put(table, key, value);
        any_ = true;
    }
    void erase(std::string_view table, std::string_view key) override {
        lasts_ = lasts_ || is_durable(table);
        real_.erase(table, key);
        any_ = true;
    }
    void each(std::string_view table, std::string_view prefix,
              const std::function<void(std::string_view, proto::BytesView)>& visit) const override {
        real_.each(table, prefix, visit);
    }
    void commit() override {
        if (!std::exchange(any_, false)) return;
        const auto number = static_cast<std::uint16_t>(promises_.turns.size() + 1);
        real_.put(node::store_tables::translators, turn_key,
                  proto::Bytes{static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
        CHECK(real_.must_last() == lasts_);
        real_.commit();
        CHECK_FALSE(real_.must_last());
        promises_.turns.push_back({journal_.ops.size(), std::exchange(lasts_, false), rows_of(real_)});
    }
    bool must_last() const override { return lasts_; }

  private:
    static bool is_durable(std::string_view table) {
        return table == node::store_tables::meta || table == node::store_tables::rules ||
               table == node::store_tables::rule_log || table == node::store_tables::decisions;
    }
    SqliteStore& real_;
    const DiskJournal& journal_;
    Promises& promises_;
    bool any_ = false;
    bool lasts_ = false;
};

/// One run of a node, as far as its store is concerned.
class Life {
  public:
    Life(node::Store& store, proto::Random& random, proto::Now now)
        : store_(store), random_(random), now_(now), rules_(store, {}, random), publications_(store, random, {}) {
        rules_.load();
        publications_.load(now);
    }
    void turn() {
        now_.steady += 1s;
        now_.wall += 1s;
        for (auto n = random_.below(3) + 1; n > 0; --n) one_thing();
        publications_.handle_timeout(now_);
        store_.commit();
    }

  private:
    void one_thing() {
        const auto user = uri("user" + std::to_string(random_.below(5)) + "@a.example");
        const auto watcher = "watcher" + std::to_string(random_.below(20)) + "@x.example";
        switch (random_.below(12)) {
            case 0:
                return rules_.set_rules(
                    now_, user,
                    node::RuleSet::make({node::Rule::make(watcher, node::Handling::allow).value()}).value());
            case 1:
                return static_cast<void>(rules_.decide(now_, user, uri(watcher), node::Handling::block));
            case 2:
                return store_.erase(node::store_tables::translators, "pair " + watcher);
            case 3:
            case 4:
            case 5:
                return store_.put(node::store_tables::translators, "pair " + watcher,
                                  proto::Bytes(random_.below(3'000), 7));
            default:
                return publish(user);
        }
    }
    void publish(const proto::PresentityUri& user) {
        auto& tag = tags_[user];
        const bool ends = !tag.empty() && random_.below(4) == 0;
        auto receipt = publications_.publish(
            now_, {user, tag, ends ? nullptr : online("phone", std::string(random_.below(2'000) + 1, 'n')),
                   ends ? 0s : 3600s});
        tag = receipt && !ends ? receipt->etag : std::string();
    }

    node::Store& store_;
    proto::Random& random_;
    proto::Now now_;
    node::RuleBook rules_;
    node::Publications publications_;
    std::map<proto::PresentityUri, std::string> tags_;
};

constexpr int turns_of_a_run = 16;

/// The first and the second run end as they should, the third by the cut at the latest.
void live(const TempFolder& folder, const DiskJournal& journal, Promises& promises) {
    proto::SeededRandom random(7);
    for (int run = 0; run < 3; ++run) {
        auto store = open_ok(folder);
        ToldStore told(*store, journal, promises);
        const auto epoch = node::next_epoch(told, at(run * 1h));
        promises.epochs.push_back({journal.ops.size(), epoch});
        Life life(told, random, at(run * 1h));
        for (int turn = 0; turn < turns_of_a_run; ++turn) {
            life.turn();
            if (turn % 6 == 5) store->checkpoint();
        }
    }
}

void lay_out(const TempFolder& folder, const std::map<std::string, proto::Bytes>& files) {
    for (const auto* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((folder.file(file_name) + suffix).c_str());
    for (const auto& [name, bytes] : files)
        std::ofstream(folder.file(name), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

struct CameBack {
    Rows rows;
    std::size_t turn;  ///< that they are of, 0: none
};

/// Whatever was promised to last is there, and the next epoch, which is taken with a clock that was set back, is new.
CameBack check_promises(SqliteStore& store, const Promises& promises, std::size_t least_turn,
                        std::uint64_t epoch_before) {
    auto rows = rows_of(store);
    const auto turn = rows.find({std::string(node::store_tables::translators), std::string(turn_key)});
    const std::size_t number = turn == rows.end() ? 0 : turn->second.at(0) * 256U + turn->second.at(1);
    REQUIRE(number <= promises.turns.size());
    CHECK(number >= least_turn);
    proto::Now set_back = at(0s);
    set_back.wall = proto::wall_from_seconds(1'000'000);
    CHECK(node::next_epoch(store, set_back) > epoch_before);
    return {std::move(rows), number};
}

/// Opens what the cut left, and compares it with what was promised.
void come_back(const TempFolder& folder, const Promises& promises, std::size_t least_turn, std::uint64_t epoch_before) {
    auto store = open_ok(folder);
    const auto back = check_promises(*store, promises, least_turn, epoch_before);
    CHECK(back.rows == (back.turn == 0 ? Rows{} : promises.turns[back.turn - 1].rows));
}

/// As long as that comes back it may lose its power again, at any write of it.
void cut_again(const std::map<std::string, proto::Bytes>& files, const Promises& promises, std::size_t least_turn,
               std::uint64_t epoch_before, proto::Random& random) {
    const TempFolder folder;
    std::vector<DiskOp> ops;
    for (const auto& [name, bytes] : files) {
        ops.push_back({DiskOp::Kind::write, name, 0, bytes});
        ops.push_back({DiskOp::Kind::sync, name, 0, {}});
    }
    const auto before = ops.size();
    {
        DiskJournal journal;
        lay_out(folder, files);
        auto store = open_ok(folder);
        node::next_epoch(*store, at(0s));
        store.reset();
        ops.insert(ops.end(), journal.ops.begin(), journal.ops.end());
    }
    Disk disk;
    for (std::size_t i = 0; i < ops.size(); ++i) {
        disk.apply(ops[i]);
        if (i < before) continue;
        DiskJournal no_syncs;
        lay_out(folder, disk.cut(Unsynced::sectors, random));
        auto store = open_ok(folder);
        check_promises(*store, promises, least_turn, epoch_before);
    }
}

}  // namespace

TEST_CASE("a cut at any write leaves whole turns, all that had to last, and no epoch twice") {
    Promises promises;
    std::vector<DiskOp> ops;
    {
        const TempFolder folder;
        DiskJournal journal;
        live(folder, journal, promises);
        ops = journal.ops;
    }
    REQUIRE(promises.turns.size() > 40);
    REQUIRE(std::count_if(ops.begin(), ops.end(), [](const auto& op) { return op.kind == DiskOp::Kind::sync; }) > 20);
    const TempFolder folder;
    proto::SeededRandom random(11);
    Disk disk;
    for (std::size_t cut = 0; cut <= ops.size(); ++cut) {
        CAPTURE(cut);
        for (const auto unsynced : {Unsynced::kept, Unsynced::lost, Unsynced::some, Unsynced::sectors}) {
            CAPTURE(static_cast<int>(unsynced));
            const auto least = promises.least_turn(cut, unsynced != Unsynced::kept);
            const auto epoch = promises.greatest_epoch(cut);
            const auto files = disk.cut(unsynced, random);
            {
                DiskJournal no_syncs;
                lay_out(folder, files);
                come_back(folder, promises, least, epoch);
            }
            if (unsynced == Unsynced::sectors && cut % 50 == 49) cut_again(files, promises, least, epoch, random);
        }
        if (cut < ops.size()) disk.apply(ops[cut]);
    }
}
