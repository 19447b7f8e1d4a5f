// Following: one source, one watcher, and what can happen between them.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;
using overlay::WatchState;

namespace {

/// A document of about `bytes`, told apart by its note.
proto::DocumentPtr large(std::size_t bytes, const std::string& note) {
    proto::Presence presence;
    for (std::size_t i = 0; i * 1000 < bytes; ++i)
        presence.services.push_back(service(std::to_string(i), std::string(980, 'x')));
    presence.notes.push_back({"", note});
    return document(std::move(presence));
}

}  // namespace

TEST_CASE("a watch shows the first document, every change, and nothing after unwatch") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    CHECK(pair.watcher->settled(watch));
    const auto sources = pair.watcher->sources(watch);
    REQUIRE(sources.size() == 1);
    CHECK(sources[0].node == pair.source.id());
    CHECK(sources[0].state == WatchState::active);
    CHECK(sources[0].liveness == Liveness::live);
    REQUIRE(pair.source.requested.size() == 1);
    CHECK(pair.source.requested[0].watcher == pair.bob);

    pair.publish("second");
    CHECK(pair.shows(watch, "second"));
    pair.watcher->unwatch(pair.now(), watch);
    CHECK(pair.network.run_until([&] { return pair.source.cancelled.size() == 1; }));
    pair.publish("third");
    const auto told = pair.watcher.changes[watch];
    pair.network.run_for(1min);
    CHECK(pair.watcher.changes[watch] == told);
    CHECK(pair.watcher->sources(watch).empty());
}

TEST_CASE("a change arrives after the network's delay and not later") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    pair.network.run_for(1min);
    const auto before = pair.network.elapsed();
    pair.publish("second");
    REQUIRE(pair.shows(watch, "second"));
    CHECK(pair.network.elapsed() - before == pair.network.hardship.latency);
}

TEST_CASE("a change costs one datagram and its acknowledgement, however many users watch") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    const auto carol = pair.watcher->watch(pair.now(), uri("carol@b.example"), pair.alice);
    REQUIRE(pair.shows(watch, "first"));
    REQUIRE(pair.shows(carol, "first"));
    pair.network.run_for(10s);
    std::map<proto::Endpoint, std::size_t> by;
    pair.network.on_send = [&](const auto& from, const auto&, const auto&) { ++by[from]; };
    const std::size_t changes = 5;
    const auto leases = [&] { return by[pair.source.endpoint]; };
    for (std::size_t i = 0; i < changes; ++i) {
        pair.publish("change " + std::to_string(i));
        REQUIRE(pair.shows(carol, "change " + std::to_string(i)));
        REQUIRE(pair.shows(watch, "change " + std::to_string(i)));
        pair.network.run_for(100ms);
    }
    // Half a second passed: room for one question, with its answer.
    CHECK(leases() >= changes);
    CHECK(leases() <= changes + 1);
    CHECK(by[pair.watcher.endpoint] == by[pair.source.endpoint]);
}

TEST_CASE("a watch of one's own user is no reason to ask the DHT again and again") {
    Pair pair;
    pair.publish("here");
    pair.network.run_for(5min);
    const auto before = pair.dht->gets;
    for (int i = 0; i < 20; ++i) {
        const auto user = uri("user" + std::to_string(i) + "@a.example");
        pair.source->watch(pair.now(), pair.alice, user);
    }
    pair.network.run_for(25min);
    // Each once, and the domain's nodes now and then, for all of them.
    CHECK(pair.dht->gets - before >= 20);
    CHECK(pair.dht->gets - before <= 20 + 10);
}

TEST_CASE("a watch that begins as the only other one of its user ends shows what there is") {
    Pair pair;
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    const auto carol = pair.watcher->watch(pair.now(), uri("carol@b.example"), pair.alice);
    pair.network.run_for(pair.network.hardship.latency / 2);  // a quarter of the way there and back
    pair.watcher->unwatch(pair.now(), watch);
    CHECK(pair.shows(carol, "here"));
}

TEST_CASE("what changed in one turn leaves in one datagram") {
    Pair pair;
    std::vector<proto::PresentityUri> names;
    std::vector<overlay::WatchId> watches;
    for (int i = 0; i < 5; ++i) {
        names.push_back(uri("user" + std::to_string(i) + "@a.example"));
        pair.source->set_document(pair.now(), names.back(), 0, online("phone", "first"));
        watches.push_back(pair.watcher->watch(pair.now(), pair.bob, names.back()));
    }
    for (auto watch : watches) REQUIRE(pair.shows(watch, "first"));
    pair.network.run_for(10s);
    std::size_t sent = 0;
    pair.network.on_send = [&](const auto& from, const auto&, const auto&) {
        sent += from == pair.source.endpoint ? 1 : 0;
    };
    for (const auto& name : names) pair.source->set_document(pair.now(), name, 0, online("phone", "second"));
    for (auto watch : watches) REQUIRE(pair.shows(watch, "second"));
    CHECK(sent == 1);
}

TEST_CASE("both ends are equal in the end, whatever the network loses, repeats and reorders") {
    for (const double loss : {0.05, 0.3}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            CAPTURE(loss);
            CAPTURE(seed);
            Pair pair(seed);
            pair.network.hardship = {50ms, 80ms, loss, 0.1};
            pair.publish("first");
            const auto watch = pair.watch();
            for (int i = 0; i < 50; ++i) {
                pair.publish("change " + std::to_string(i));
                pair.network.run_for(200ms);
            }
            CHECK(pair.shows(watch, "change 49", 20s));
            pair.watcher->unwatch(pair.now(), watch);
            CHECK(pair.network.run_until([&] { return pair.source.cancelled.size() == 1; }, 20s));
            pair.network.run_for(30s);
            CHECK(pair.source.requested.size() == 1);  // no late copy began the watch again
        }
    }
}

TEST_CASE("a document never goes back to an older one") {
    Pair pair(3);
    pair.network.hardship = {50ms, 200ms, 0.1, 0.2};
    pair.publish("0");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "0"));
    int last = 0;
    for (int i = 1; i < 200; ++i) {
        pair.publish(std::to_string(i));
        pair.network.run_for(20ms);
        const int shown = std::stoi(note_of(pair.watcher, watch));
        CHECK(shown >= last);
        last = shown;
    }
    CHECK(pair.shows(watch, "199"));
}

TEST_CASE("a large document is split, and its lost parts alone are sent again") {
    Pair pair(4);
    pair.source->set_document(pair.now(), pair.alice, 0, large(60'000, "large"));
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "large"));
    CHECK(pair.watcher->sources(watch)[0].document->bytes.size() > 58'000);
    pair.network.run_for(10s);

    pair.network.hardship.loss = 0.3;
    std::size_t sent = 0;
    pair.network.on_send = [&](const auto& from, const auto&, const auto&) {
        sent += from == pair.source.endpoint ? 1 : 0;
    };
    pair.source->set_document(pair.now(), pair.alice, 0, large(60'000, "other"));
    REQUIRE(pair.shows(watch, "other", 30s));
    CHECK(sent < 2 * 60);  // sending all of it again for each loss would be far more
}

TEST_CASE("a large document is overtaken by a small one on the way") {
    Pair pair(5);
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    pair.network.hardship.loss = 0.5;
    pair.source->set_document(pair.now(), pair.alice, 0, large(60'000, "large"));
    pair.network.run_for(60ms);
    pair.publish("small");
    REQUIRE(pair.shows(watch, "small", 30s));
    pair.network.run_for(30s);
    CHECK(note_of(pair.watcher, watch) == "small");
}

TEST_CASE("after a partition a document that both ends hold is not sent again") {
    Pair pair;
    pair.source->set_document(pair.now(), pair.alice, 0, large(40'000, "large"));
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "large"));
    pair.network.partition({pair.source.endpoint});
    // So long that the source forgets its watcher.
    pair.network.run_for(11min);
    CHECK(pair.source.cancelled.size() == 1);
    CHECK(pair.liveness(watch) == Liveness::unknown);
    CHECK(note_of(pair.watcher, watch) == "large");
    pair.network.heal();
    std::size_t bytes = 0;
    pair.network.on_send = [&](const auto&, const auto&, const auto& sent) { bytes += sent.size(); };
    REQUIRE(pair.network.run_until(
        [&] { return pair.liveness(watch) == Liveness::live && pair.source.requested.size() == 2; }));
    pair.network.run_for(10s);
    CHECK(note_of(pair.watcher, watch) == "large");
    CHECK(bytes < 10'000);
    pair.publish("after");
    CHECK(pair.shows(watch, "after"));
}

TEST_CASE("both ends are equal within a minute after any partition") {
    for (const auto span : {10s, 31s, 125s, 700s}) {
        CAPTURE(span.count());
        Pair pair;
        pair.publish("before");
        const auto watch = pair.watch();
        REQUIRE(pair.shows(watch, "before"));
        pair.network.partition({pair.source.endpoint});
        pair.network.run_for(span / 2);
        pair.publish("meanwhile");
        pair.network.run_for(span / 2);
        pair.network.heal();
        CHECK(pair.shows(watch, "meanwhile", 1min));
        CHECK(pair.network.run_until([&] { return pair.liveness(watch) == Liveness::live; }, 1min));
    }
}

TEST_CASE("when one node is heard again after a cut, the others that are out of reach are asked at once") {
    const std::vector<std::string> domains = {"c.example", "d.example", "e.example", "f.example", "g.example"};
    auto all = domains;
    all.insert(all.end(), {"a.example", "b.example"});
    OverlayWorld world(3, all);
    auto& first = world.add("a.example");
    auto& watcher = world.add("b.example", {&first});
    std::vector<overlay::WatchId> watches;
    for (const auto& domain : domains) {
        auto& source = world.add(domain, {&first});
        source->set_document(world.now(), uri("alice@" + domain), 0, online("phone", "before"));
        watches.push_back(watcher->watch(world.now(), uri("bob@b.example"), uri("alice@" + domain)));
    }
    const auto live = [&] {
        return std::count_if(watches.begin(), watches.end(), [&](overlay::WatchId watch) {
            const auto sources = watcher->sources(watch);
            return !sources.empty() && sources.front().liveness == Liveness::live;
        });
    };
    REQUIRE(world.network.run_until([&] { return live() == 5; }));
    world.network.partition({watcher.endpoint});
    world.network.run_for(5min);
    CHECK(live() == 0);
    world.network.heal();
    REQUIRE(world.network.run_until([&] { return live() > 0; }));
    CHECK(world.network.run_until([&] { return live() == 5; }, 1s));
}

TEST_CASE("a source that restarts is followed again, and what it forgot is gone") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    pair.crash(pair.source);
    pair.network.run_for(5s);
    pair.start(pair.source, {&pair.watcher});
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 30s));
    CHECK(pair.liveness(watch) == Liveness::live);
}

TEST_CASE("a watcher that restarts is the same watcher again") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    pair.crash(pair.watcher);
    pair.network.run_for(5s);
    pair.start(pair.watcher, {&pair.source});
    const auto again = pair.watch();
    REQUIRE(pair.shows(again, "before"));
    pair.network.run_for(1min);
    pair.publish("after");
    CHECK(pair.shows(again, "after"));
    CHECK(pair.source->status().peers.at(0).watches_in == 1);
}

TEST_CASE("a node that starts with a lower epoch is followed, and watches, as any that starts anew") {
    Pair pair;
    pair.crash(pair.source);
    pair.crash(pair.watcher);
    pair.source.epoch = pair.watcher.epoch = 20;
    pair.start(pair.source);
    pair.start(pair.watcher, {&pair.source});
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    SUBCASE("the source") {
        pair.crash(pair.source);
        pair.network.run_for(5s);
        pair.source.epoch = 7;
        pair.start(pair.source, {&pair.watcher});
        pair.publish("after");
        CHECK(pair.shows(watch, "after", 30s));
        CHECK(pair.liveness(watch) == Liveness::live);
    }
    SUBCASE("the watcher") {
        pair.crash(pair.watcher);
        pair.network.run_for(5s);
        pair.watcher.epoch = 7;
        pair.start(pair.watcher, {&pair.source});
        const auto again = pair.watch();
        CHECK(pair.shows(again, "before"));
        pair.publish("after");
        CHECK(pair.shows(again, "after"));
        CHECK(pair.source->status().peers.at(0).watches_in == 1);
    }
}

TEST_CASE("a copy of a node that ran for a while does not mute the node itself") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    const auto back = pair.source->watch(pair.now(), pair.alice, pair.bob);
    pair.watcher->set_document(pair.now(), pair.bob, 0, online("desk", "bob"));
    REQUIRE(pair.network.run_until([&] { return note_of(pair.source, back) == "bob"; }, 10s));
    auto& copy = pair.add("a.example");
    pair.crash(copy);
    copy.kit = pair.source.kit;
    copy.epoch = 50;
    pair.start(copy, {&pair.watcher});
    copy->set_document(pair.now(), pair.alice, 0, online("phone", "of the copy"));
    REQUIRE(pair.shows(watch, "of the copy", 10s));
    pair.crash(copy);
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 1min));
    pair.watcher->set_document(pair.now(), pair.bob, 0, online("desk", "bob again"));
    CHECK(pair.network.run_until([&] { return note_of(pair.source, back) == "bob again"; }, 1min));
    CHECK(pair.liveness(watch) == Liveness::live);
}

TEST_CASE("pending, active, terminated: the source's word decides what is seen") {
    Pair pair;
    pair.source.verdict.reset();
    pair.publish("secret");
    const auto watch = pair.watch();
    REQUIRE(pair.network.run_until([&] { return !pair.watcher->sources(watch).empty(); }));
    CHECK(pair.watcher->sources(watch)[0].state == WatchState::pending);
    CHECK(note_of(pair.watcher, watch) == "");
    CHECK(pair.network.run_until([&] { return pair.watcher->settled(watch); }));

    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::active, 0, {}});
    REQUIRE(pair.shows(watch, "secret"));
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::terminated, 0, "rejected"});
    REQUIRE(pair.network.run_until([&] { return pair.watcher->sources(watch)[0].state == WatchState::terminated; }));
    CHECK(pair.watcher->sources(watch)[0].reason == "rejected");
    CHECK(note_of(pair.watcher, watch) == "");
    pair.publish("more");
    pair.network.run_for(1min);
    CHECK(note_of(pair.watcher, watch) == "");
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::active, 0, {}});
    CHECK(pair.shows(watch, "more"));
}

TEST_CASE("two users may see different views of one presentity") {
    Pair pair;
    pair.publish("everything");
    pair.source->set_document(pair.now(), pair.alice, 7, online("phone", "little"));
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "everything"));
    pair.source.verdict = overlay::Answer{WatchState::active, 7, {}};
    const auto other = pair.watcher->watch(pair.now(), uri("eve@b.example"), pair.alice);
    REQUIRE(pair.shows(other, "little"));
    CHECK(note_of(pair.watcher, watch) == "everything");
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::active, 7, {}});
    CHECK(pair.shows(watch, "little"));
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::active, 0, {}});
    CHECK(pair.shows(watch, "everything"));
}

TEST_CASE("a node may ask for the users of its own domain only") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watcher->watch(pair.now(), uri("mallory@c.example"), pair.alice);
    REQUIRE(pair.network.run_until([&] { return !pair.watcher->sources(watch).empty(); }));
    CHECK(pair.watcher->sources(watch)[0].state == WatchState::terminated);
    CHECK(pair.watcher->sources(watch)[0].reason == "giveup");
    CHECK(pair.source.requested.empty());
    CHECK(pair.source.count("channel_refused_foreign_domain") == 1);
}

TEST_CASE("what one domain's nodes may watch here is bounded for all of them together") {
    OverlayWorld world(31);
    world.watches_per_domain = 3;
    auto& source = world.add("a.example");
    world.watches_per_domain = proto::limits::watches_per_domain;
    std::vector<OverlayHost*> nodes;
    for (const char* domain : {"b.example", "b.example", "c.example"}) nodes.push_back(&world.add(domain, {&source}));
    for (const char* user : {"alice", "anna"})
        source->set_document(world.now(), uri(user + std::string("@a.example")), 0, online());
    world.network.run_for(5s);
    const auto watch = [&](int node, const char* watcher, const char* user) {
        const auto id = (*nodes[node])->watch(world.now(), uri(watcher), uri(user));
        world.network.run_for(5s);
        return id;
    };
    const auto seen = [&](int node, overlay::WatchId id) {
        const auto sources = (*nodes[node])->sources(id);
        REQUIRE(sources.size() == 1);
        return sources[0].state == WatchState::active ? "active" : sources[0].reason;
    };
    const auto first = watch(0, "bob@b.example", "alice@a.example");
    CHECK(seen(0, first) == "active");
    const auto second = watch(0, "bob@b.example", "anna@a.example");
    CHECK(seen(0, second) == "active");
    CHECK(seen(1, watch(1, "bob@b.example", "alice@a.example")) == "active");
    const auto late = watch(1, "bert@b.example", "anna@a.example");
    CHECK(seen(1, late) == "giveup");
    CHECK(source.count("channel_refused_quota") == 1);
    CHECK(seen(2, watch(2, "carol@c.example", "anna@a.example")) == "active");
    (*nodes[0])->unwatch(world.now(), first);
    world.network.run_for(5s);
    CHECK(seen(0, watch(0, "bea@b.example", "anna@a.example")) == "active");
    CHECK(seen(1, late) == "giveup");
    // With room again, a review begins what was turned away.
    (*nodes[0])->unwatch(world.now(), second);
    world.network.run_for(5s);
    world.reload_federation();
    world.network.run_for(5s);
    CHECK(seen(1, late) == "active");
}

TEST_CASE("nothing is kept of a watcher who was refused: who asks again is a new one") {
    Pair pair;
    pair.publish("here");
    pair.source.verdict.reset();
    const auto first = pair.watch();
    REQUIRE(pair.network.run_until([&] { return pair.source.requested.size() == 1; }));
    pair.source->refuse(pair.now(), pair.alice, pair.bob, "giveup");
    pair.network.run_for(5s);
    REQUIRE(!pair.watcher->sources(first).empty());
    CHECK(pair.watcher->sources(first)[0].state == WatchState::terminated);
    CHECK(pair.watcher->sources(first)[0].reason == "giveup");
    auto& other = pair.add("b.example", {&pair.source});
    pair.network.run_for(5s);
    const auto second = other->watch(pair.now(), pair.bob, pair.alice);
    REQUIRE(pair.network.run_until([&] { return pair.source.requested.size() == 2; }));
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::active, 0, {}});
    CHECK(pair.network.run_until([&] { return note_of(other, second) == "here"; }));
    pair.watcher->unwatch(pair.now(), first);
    pair.network.run_for(5s);
    CHECK(pair.source.cancelled.empty());
}

TEST_CASE("withdrawn: the watcher is told that there is no source, and of the next one") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    pair.source->set_document(pair.now(), pair.alice, 0, nullptr);
    REQUIRE(pair.shows(watch, ""));
    CHECK(pair.liveness(watch) == Liveness::live);
    CHECK(pair.watcher->sources(watch)[0].state == WatchState::active);
    pair.network.run_for(10min);
    pair.publish("again");
    const auto before = pair.network.elapsed();
    REQUIRE(pair.shows(watch, "again"));
    CHECK(pair.network.elapsed() - before == 50ms);
}

TEST_CASE("fetches at a node that is gone leave nothing behind, and it is followed again when it is back") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    pair.crash(pair.source);
    pair.network.run_for(2min);
    std::size_t most = 0;
    for (int i = 0; i < 5'000; ++i) {
        const auto fetch = pair.watcher->watch(pair.now(), uri("user" + std::to_string(i) + "@b.example"), pair.alice);
        if (i % 50 == 0) pair.network.run_for(1s);
        pair.watcher->unwatch(pair.now(), fetch);
        for (const auto& peer : pair.watcher->status().peers) most = std::max(most, peer.asking);
    }
    CHECK(most > 0);
    CHECK(most <= proto::limits::channel_leftovers + 100);
    pair.start(pair.source, {&pair.watcher});
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 1min));
}

TEST_CASE("a member that leaves the federation takes its watches along, at both ends") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    pair.kit.remove_domain("b.example");
    pair.reload_federation();
    pair.network.run_for(1s);
    CHECK(pair.source.cancelled.size() == 1);
    CHECK(pair.source->status().peers.empty());
    pair.publish("second");
    pair.network.run_for(5min);
    CHECK(note_of(pair.watcher, watch) != "second");
}

TEST_CASE("a revoked node's documents are seen no more") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    pair.kit.revoke(pair.source.kit);
    pair.reload_federation();
    CHECK(pair.watcher->sources(watch).empty());
    CHECK(pair.watcher.changes[watch] > 0);
    pair.network.run_for(5min);
    CHECK(pair.watcher->sources(watch).empty());
}

TEST_CASE("one seed, one trace") {
    const auto trace = [](std::uint64_t seed) {
        Pair pair(seed);
        pair.network.hardship = {50ms, 30ms, 0.1, 0.1};
        proto::Bytes all;
        pair.network.on_send = [&](const auto&, const auto& to, const auto& bytes) {
            all.push_back(to.address[15]);
            all.insert(all.end(), bytes.begin(), bytes.end());
        };
        pair.publish("first");
        pair.watch();
        for (int i = 0; i < 10; ++i) {
            pair.publish("change " + std::to_string(i));
            pair.network.run_for(3s);
        }
        return proto::blake2b_256(all);
    };
    CHECK(trace(1) == trace(1));
    CHECK(trace(1) != trace(2));
}

TEST_CASE("leases to many nodes that are due at nearly the same time leave together, and none comes late") {
    OverlayWorld world(1);
    auto& source = world.add("a.example");
    const auto alice = uri("alice@a.example");
    source->set_document(world.now(), alice, {}, online("phone", "first"));
    for (int i = 0; i < 30; ++i) {
        auto& watcher = world.add("b.example", {&source});
        const auto watch = watcher->watch(world.now(), uri("user" + std::to_string(i) + "@b.example"), alice);
        REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "first"; }));
        world.network.run_for(500ms);
    }
    world.network.run_for(1min);
    std::map<proto::Endpoint, proto::Duration> last;
    std::set<proto::Duration> turns;
    std::size_t leases = 0;
    proto::Duration longest{};
    world.network.on_send = [&](const auto& from, const auto& to, const auto&) {
        if (from != source.endpoint) return;
        const auto now = world.network.elapsed();
        turns.insert(now);
        ++leases;
        if (last.contains(to)) longest = std::max(longest, now - last[to]);
        last[to] = now;
    };
    world.network.run_for(5min);
    CHECK(leases >= 30 * 300 / 15);
    CHECK(turns.size() < leases * 2 / 3);
    CHECK(longest <= 15s * 1.05);
    CHECK(source.count("nodes_doubted") == 0);
}
