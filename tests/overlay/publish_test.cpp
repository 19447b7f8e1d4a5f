// Publishing: records are written when due, no more often than they may be, and never run out while their source lives.
#include <doctest/doctest.h>

#include <set>

#include "overlay/publisher.hpp"
#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

namespace {

proto::DhtKey key_of(const OverlayWorld& world, const proto::PresentityUri& presentity) {
    return proto::dht_key(world.federation->key, presentity.domain(),
                          proto::presentity_key(world.federation->key, presentity));
}

std::optional<proto::Record> stored(OverlayWorld& world, const proto::PresentityUri& presentity) {
    const auto key = key_of(world, presentity);
    for (const auto& [id, wire] : world.dht->values(world.now(), key))
        if (auto record = proto::read_record(wire, *world.federation, world.now().wall, &key)) return *record;
    return std::nullopt;
}

}  // namespace

TEST_CASE("the first announcement is written at once, changes no more often than they may") {
    Pair pair;
    pair.publish("first");
    pair.network.run_for(5s);
    auto record = stored(pair, pair.alice);
    REQUIRE(record);
    CHECK(record->digest == online("phone", "first")->digest);
    CHECK(record->endpoints == std::vector{pair.source.endpoint});
    CHECK(record->domain == "a.example");
    pair.network.run_for(4 * limits::join_time);  // written once more meanwhile, now that the node knows others
    const auto puts = pair.dht->puts;
    CHECK(puts == 2);
    for (int i = 0; i < 60; ++i) {
        pair.publish("change " + std::to_string(i));
        pair.network.run_for(5s);
    }
    CHECK(pair.dht->puts == puts);
    pair.network.run_for(limits::record_rewrite_least);
    CHECK(pair.dht->puts == puts + 1);
    record = stored(pair, pair.alice);
    REQUIRE(record);
    CHECK(record->digest == online("phone", "change 59")->digest);
}

TEST_CASE("a record is refreshed long before it runs out, under a higher number") {
    Pair pair;
    pair.publish("here");
    pair.network.run_for(5s);
    auto last = stored(pair, pair.alice)->sequence;
    int refreshed = 0;
    for (int hour = 0; hour < 72; ++hour) {
        pair.network.run_for(1h);
        const auto record = stored(pair, pair.alice);
        REQUIRE(record);
        CHECK(record->expires - pair.now().wall > 6h);
        CHECK(record->sequence >= last);
        refreshed += record->sequence > last ? 1 : 0;
        last = record->sequence;
    }
    CHECK(refreshed >= 4);
    CHECK(refreshed <= 8);
}

TEST_CASE("a withdrawn source leaves a tombstone that is newer, shows nothing, and outlives what it replaces") {
    Pair pair;
    pair.publish("here");
    pair.network.run_for(5s);
    const auto before = *stored(pair, pair.alice);
    pair.source->set_document(pair.now(), pair.alice, 0, nullptr);
    pair.network.run_for(5s);
    const auto tombstone = stored(pair, pair.alice);
    REQUIRE(tombstone);
    CHECK(tombstone->sequence > before.sequence);
    CHECK(tombstone->digest == proto::Digest{});
    CHECK(tombstone->expires >= before.expires);
    CHECK(tombstone->expires <= before.expires + limits::tombstone_lifetime);
    pair.network.run_for(25h);
    CHECK_FALSE(stored(pair, pair.alice));
    pair.publish("again");
    pair.network.run_for(5s);
    CHECK(stored(pair, pair.alice)->sequence > tombstone->sequence);
}

TEST_CASE("a node announces itself several times while it is new") {
    Pair pair;
    const auto key = proto::domain_dht_key(pair.federation->key, "a.example");
    std::set<std::uint64_t> numbers;
    for (int i = 0; i < 600; ++i) {
        pair.network.run_for(1s);
        for (const auto& [id, wire] : pair.dht->values(pair.now(), key))
            if (auto record = proto::read_record(wire, *pair.federation, pair.now().wall, &key))
                numbers.insert(record->sequence.counter);
    }
    CHECK(numbers.size() == 4);
}

TEST_CASE("a source withdrawn in the second of its announcement is buried as well") {
    Pair pair;
    pair.network.run_for(1min);
    pair.publish("here");
    pair.source->handle_timeout(pair.now());
    pair.source->set_document(pair.now(), pair.alice, 0, nullptr);
    pair.network.run_for(5s);
    const auto tombstone = stored(pair, pair.alice);
    REQUIRE(tombstone);
    CHECK(tombstone->digest == proto::Digest{});
    CHECK(tombstone->expires - tombstone->issued <= limits::record_lifetime);
}

TEST_CASE("where the wall clock was wrong and is set right, what was written meanwhile is written again") {
    struct Clocks {
        std::chrono::hours wrong, right;
    };
    for (const Clocks& clocks : {Clocks{3h, 0h}, {0h, 3h}, {0h, 20h}}) {
        CAPTURE(clocks.wrong.count());
        CAPTURE(clocks.right.count());
        Pair pair;
        pair.network.wall_ahead = clocks.wrong;
        pair.publish("here");
        pair.network.run_for(8min);  // so that the node is new no longer
        CHECK(stored(pair, pair.alice));
        pair.network.wall_ahead = clocks.right;
        pair.network.run_for(1min);
        const auto record = stored(pair, pair.alice);
        REQUIRE(record);
        CHECK(record->expires - pair.now().wall > limits::record_lifetime / 4);
        CHECK(record->issued <= pair.now().wall);
        const auto key = proto::domain_dht_key(pair.federation->key, "a.example");
        std::size_t found = 0;
        for (const auto& [id, wire] : pair.dht->values(pair.now(), key)) {
            const auto domain = proto::read_record(wire, *pair.federation, pair.now().wall, &key);
            if (domain && domain->issued <= pair.now().wall &&
                domain->expires - pair.now().wall > limits::domain_record_lifetime - 2min)
                ++found;
        }
        CHECK(found == 1);
    }
}

TEST_CASE("a wall clock set by a little has nothing written again, one set an hour ahead the domain's record only") {
    Pair pair;
    pair.publish("here");
    pair.network.run_for(8min);
    const auto key = proto::domain_dht_key(pair.federation->key, "a.example");
    const auto domain = [&] {
        const auto wire = pair.dht->values(pair.now(), key).begin()->second;
        return proto::read_record(wire, *pair.federation, pair.now().wall)->sequence;
    };
    const auto presentity = stored(pair, pair.alice)->sequence;
    const auto before = domain();
    for (const proto::Duration by : {proto::Duration{4min}, proto::Duration{-4min}}) {
        pair.network.wall_ahead += by;
        pair.network.run_for(1min);
        CHECK(domain() == before);
    }
    pair.network.wall_ahead += 1h;
    pair.network.run_for(1min);
    CHECK(domain() > before);
    CHECK(stored(pair, pair.alice)->sequence == presentity);
}

TEST_CASE("many announcements are spread out, and a new one does not wait behind them") {
    Pair pair;
    pair.network.run_for(2 * limits::join_time);
    const auto puts = pair.dht->puts;
    for (int i = 0; i < 1000; ++i)
        pair.source->set_document(pair.now(), uri("u" + std::to_string(i) + "@a.example"), 0, online());
    pair.network.run_for(10s);
    CHECK(pair.dht->puts - puts <= 11 * limits::record_puts_per_second + 1);
    CHECK(pair.dht->puts - puts >= 10 * limits::record_puts_per_second);
    pair.publish("now");
    pair.network.run_for(1s);
    CHECK(stored(pair, pair.alice));
    pair.network.run_for(50s);
    CHECK(pair.dht->puts - puts == 1001);
}

TEST_CASE("those who are watched are announced before those who are not, and of equals the newest first") {
    Pair pair;
    pair.network.run_for(2 * limits::join_time);
    const auto name = [](int i) { return uri("u" + std::to_string(i) + "@a.example"); };
    // Those with even numbers are watched by the time they are announced, as after a restart.
    for (int i = 0; i < 200; ++i) pair.source->set_document(pair.now(), name(i), 0, online());
    for (int i = 0; i < 200; i += 2) pair.watcher->watch(pair.now(), pair.bob, name(i));
    pair.network.run_until([&] { return pair.source.requested.size() == 100; }, 30s);
    REQUIRE(pair.source.requested.size() == 100);
    std::vector<int> written;
    std::set<int> known;
    const auto collect = [&](std::vector<int>* into) {
        for (int i = 0; i < 200; ++i)
            if (stored(pair, name(i)) && known.insert(i).second && into != nullptr) into->push_back(i);
    };
    pair.network.run_for(1s);
    collect(nullptr);  // those on their way when nobody had asked yet, too
    while (known.size() < 200) {
        pair.network.run_for(limits::record_put_interval);
        collect(&written);
    }
    const auto first_unwatched = std::find_if(written.begin(), written.end(), [](int i) { return i % 2 == 1; });
    CHECK(std::none_of(first_unwatched, written.end(), [](int i) { return i % 2 == 0; }));
    CHECK(std::distance(written.begin(), first_unwatched) > 30);
    CHECK(std::is_sorted(written.begin(), first_unwatched, std::greater<>{}));
    CHECK(std::is_sorted(first_unwatched, written.end(), std::greater<>{}));
}

TEST_CASE("a node announces itself under its domain") {
    Pair pair;
    pair.network.run_for(5s);
    const auto key = proto::domain_dht_key(pair.federation->key, "a.example");
    const auto values = pair.dht->values(pair.now(), key);
    REQUIRE(values.size() == 1);
    const auto record = proto::read_record(values.begin()->second, *pair.federation, pair.now().wall, &key);
    REQUIRE(record);
    CHECK(record->kind == proto::RecordKind::domain);
    CHECK(record->endpoints == std::vector{pair.source.endpoint});
}

namespace {

/// A publisher that has a turn every quarter of an hour: 20 records each time, the second's worth that may go together.
struct Busy {
    testing::FederationKit kit = federation_kit();
    std::shared_ptr<const proto::Federation> federation = kit.share();
    testing::NodeKit self = kit.node("a.example");
    overlay::Settings settings{self.key, self.certificate, federation, {}, 1};
    proto::SeededRandom random{5};
    overlay::SequenceCounter counter{1};
    overlay::DhtFakeWorld network{federation, 1s};
    overlay::DhtFake dht{network};
    overlay::Publisher publisher{settings, dht, counter, random};
    proto::Duration time{0};

    Busy() {
        settings.verified = std::make_shared<proto::VerificationCache>();
        publisher.go_online(at(time));
    }
    static testing::FederationKit federation_kit() {
        testing::FederationKit kit{41};
        kit.add_domain("a.example");
        return kit;
    }
    static proto::PresentityUri user(int i) { return uri("user" + std::to_string(i) + "@a.example"); }
    void set(int i, const std::string& note, bool watched, const proto::SymmetricKey& key = {}) {
        publisher.set(at(time), {user(i), online("phone", note), key, watched});
    }
    void turn() {
        time += 15min;
        dht.handle_timeout(at(time));
        publisher.handle_timeout(at(time));
    }
    bool is_alive(int i) {
        dht.handle_timeout(at(time + 1s));
        const auto key = proto::dht_key(federation->key, "a.example", proto::presentity_key(federation->key, user(i)));
        return !network.values(at(time + 1s), key).empty();
    }
};

}  // namespace

TEST_CASE("no record runs out because others change or get new keys all the time, watched or not") {
    Busy busy;
    const int users = 60;
    for (int i = 0; i < users; ++i) busy.set(i, "here", false);
    for (int turn = 0; turn < 4; ++turn) busy.turn();
    for (int i = 0; i < users; ++i) REQUIRE(busy.is_alive(i));
    while (busy.time < 36h) {
        const auto minute = busy.time / 1min;
        // Those with new keys want more turns than there are.
        for (int i = 10; i < users; ++i)
            busy.set(i, "at " + std::to_string(minute), i % 2 == 0,
                     {static_cast<std::uint8_t>(i < 20 ? 0 : minute / 15 % 256)});
        busy.turn();
        if (busy.time % 1h != 0min) continue;
        for (int i = 0; i < users; ++i) {
            CAPTURE(i);
            REQUIRE(busy.is_alive(i));
        }
    }
}

TEST_CASE("what is new has a share of the turns, however many records have grown old") {
    Busy busy;
    for (int i = 0; i < 200; ++i) busy.set(i, "here", false);
    for (int turn = 0; turn < 12; ++turn) busy.turn();
    busy.time += 19h;
    busy.set(1'000, "new", false);
    busy.turn();
    CHECK(busy.is_alive(1'000));
}

namespace {

/// A publisher that has its turns when it asks for them, and wrote the records of 60 users more than
/// record_rewrite_least ago.
struct Calm : Busy {
    static constexpr int users = 60;
    std::size_t turns = 0;
    std::size_t before = 0;

    Calm() {
        for (int i = 0; i < users; ++i) set(i, "here", false);
        run_for(4 * limits::join_time + limits::record_rewrite_least);
        REQUIRE(network.puts == 2 * users);
        before = network.puts;
    }
    void run_for(proto::Duration span) {
        const auto end = time + span;
        for (auto next = publisher.next_timeout(); next <= at(end).steady; next = publisher.next_timeout()) {
            time = std::max(time, next - at({}).steady);
            turn();
            REQUIRE(turns < 10'000);  // else it asks for turns in which it does nothing
        }
        time = end;
    }
    void turn() {
        publisher.handle_timeout(at(time));
        ++turns;
    }
    void withdraw(int i) { publisher.set(at(time), {user(i), nullptr, {}, false}); }
    std::size_t puts() const { return network.puts - before; }
    std::size_t waiting() const { return publisher.waiting(at(time)); }
    std::size_t changes_waiting() const { return publisher.changes_waiting(at(time)); }
    /// Of a tombstone: nothing.
    bool says(int i, const std::string& note) { return digest(i) == online("phone", note)->digest; }
    bool is_buried(int i) { return digest(i) == proto::Digest{}; }

  private:
    std::optional<proto::Digest> digest(int i) {
        const auto later = at(time + network.delay);
        dht.handle_timeout(later);
        const auto key = proto::dht_key(federation->key, "a.example", proto::presentity_key(federation->key, user(i)));
        for (const auto& [id, wire] : network.values(later, key))
            if (const auto record = proto::read_record(wire, *federation, later.wall, &key)) return record->digest;
        return std::nullopt;
    }
};

constexpr proto::SymmetricKey another_key{1};
constexpr auto changes_at_once = limits::record_rewrites_per_second + 1;  // after a quiet second

}  // namespace

TEST_CASE("changes wait until their presentity may have its record written, and the newest is") {
    Calm calm;
    calm.set(0, "first", false);
    calm.turn();
    REQUIRE(calm.says(0, "first"));
    for (int i = 0; i < 100; ++i) {
        calm.set(0, "change " + std::to_string(i), false);
        calm.run_for(proto::Duration{limits::record_rewrite_least} / 101);
    }
    CHECK(calm.puts() == 1);
    calm.run_for(proto::Duration{limits::record_rewrite_least} / 101 + 1s);
    CHECK(calm.puts() == 2);
    CHECK(calm.says(0, "change 99"));
}

TEST_CASE("changes have a rate of their own, and who waits longest goes first, watched or not") {
    constexpr std::size_t all = 4 * limits::record_rewrites_per_second;
    Calm calm;
    for (std::size_t i = 0; i < all; ++i) calm.set(static_cast<int>(i), "changed", i % 2 == 0);
    calm.set(0, "changed again", true);  // keeps its place
    REQUIRE(calm.changes_waiting() == all);
    calm.turn();
    CHECK(calm.puts() == changes_at_once);
    CHECK(calm.changes_waiting() == all - changes_at_once);
    CHECK(calm.says(0, "changed again"));
    for (std::size_t i = 1; i < all; ++i) CHECK(calm.says(static_cast<int>(i), "changed") == (i < changes_at_once));
    calm.turns = 0;
    calm.run_for(2s);
    CHECK(calm.puts() == changes_at_once + 2 * limits::record_rewrites_per_second);
    CHECK(calm.turns == 2 * limits::record_rewrites_per_second);  // and no more wake-ups
    calm.run_for(10s);
    CHECK(calm.puts() == all);
    CHECK(calm.changes_waiting() == 0);
}

TEST_CASE("what is announced or withdrawn, or has a new key, goes before what changed, watched or not") {
    Calm calm;
    for (int i = 0; i < 20; ++i) calm.set(i, "changed", true);
    for (int i = 100; i < 119; ++i) calm.set(i, "new", false);
    calm.set(30, "here", false, another_key);
    calm.withdraw(31);
    REQUIRE(calm.waiting() == limits::record_puts_per_second + 1);
    calm.turn();
    CHECK(calm.waiting() == 0);
    CHECK(calm.changes_waiting() == 20);
    CHECK(calm.is_buried(31));
    for (int i = 100; i < 119; ++i) CHECK(calm.says(i, "new"));
}

TEST_CASE("a refresh goes before what changed") {
    Calm calm;
    for (int i = 0; i < 20; ++i) calm.set(i, "changed", true);
    calm.time += 16h;  // all are due, none is old
    REQUIRE(calm.waiting() == Calm::users - 20);
    calm.turn();
    CHECK(calm.waiting() == Calm::users - 20 - (limits::record_puts_per_second + 1));
    CHECK(calm.changes_waiting() == 20);
}

TEST_CASE("a new key goes out at once, whatever changes before its turn") {
    Calm calm;
    calm.set(0, "first", false);
    calm.turn();
    calm.set(0, "first", false, another_key);
    calm.set(0, "second", false, another_key);
    calm.run_for(1s);
    CHECK(calm.puts() == 2);
    CHECK(calm.says(0, "second"));
}

TEST_CASE("who comes back after a withdrawal is announced at once, whatever changes before its turn") {
    Calm calm;
    calm.withdraw(0);
    calm.turn();
    REQUIRE(calm.is_buried(0));
    calm.set(0, "back", false);
    calm.set(0, "back, and away", false);
    calm.run_for(1s);
    CHECK(calm.says(0, "back, and away"));
}
