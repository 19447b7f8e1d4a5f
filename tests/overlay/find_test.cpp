// Finding: by session, by record, by the domain's nodes; and the last known state of a source that is gone.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"
#include "tests/support/people.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;
using overlay::WatchState;

namespace {

/// A source that went out of reach with what it says in its record alone. The stand-in's table is still shared: the DHT
/// finds another way.
struct OutOfReach : Pair {
    OutOfReach() {
        publish("seen");
        id = watch();
        REQUIRE(shows(id, "seen"));
        network.run_for(proto::limits::record_rewrite_least);
        network.partition({source.endpoint});
        publish("told the DHT");
    }
    overlay::WatchId id = 0;
};

}  // namespace

TEST_CASE("a source is found by its record, through nodes of other domains alone") {
    OverlayWorld world(1);
    auto& meeting_point = world.add("c.example");
    auto& source = world.add("a.example", {&meeting_point});
    auto& watcher = world.add("b.example", {&meeting_point});
    source->set_document(world.now(), alice, 0, online("phone", "here"));
    world.network.run_for(5s);
    CHECK(world.dht->stored >= 1);
    const auto watch = watcher->watch(world.now(), bob, alice);
    CHECK_FALSE(watcher->settled(watch));
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "here"; }, 5s));
    CHECK(watcher->settled(watch));
}

TEST_CASE("a domain that is connected already is asked first: no look-up") {
    Pair pair;
    pair.publish("here");
    pair.network.run_for(5s);
    const auto gets = pair.dht->gets;
    const auto before = pair.network.elapsed();
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    CHECK(pair.network.elapsed() - before == 2 * pair.network.hardship.latency);
    pair.network.run_for(10min);
    CHECK(pair.dht->gets == gets);
}

TEST_CASE("a user who never published is waited for at the nodes of the domain") {
    OverlayWorld world(2);
    auto& meeting_point = world.add("c.example");
    auto& source = world.add("a.example", {&meeting_point});
    auto& watcher = world.add("b.example", {&meeting_point});
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return watcher->settled(watch); }, 10s));
    REQUIRE(watcher->sources(watch).size() == 1);
    CHECK(watcher->sources(watch)[0].state == WatchState::active);
    CHECK(watcher->sources(watch)[0].document == nullptr);
    CHECK(source.requested.size() == 1);
    world.network.run_for(30min);
    source->set_document(world.now(), alice, 0, online("phone", "at last"));
    CHECK(world.network.run_until([&] { return note_of(watcher, watch) == "at last"; }, 60ms));
}

TEST_CASE("a watch before there is any node of the domain is served when one comes") {
    OverlayWorld world(3);
    auto& meeting_point = world.add("c.example");
    auto& watcher = world.add("b.example", {&meeting_point});
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return watcher->settled(watch); }, 10s));
    CHECK(watcher->sources(watch).empty());
    CHECK(watcher.dht->listens() == 1);
    world.network.run_for(20min);
    auto& source = world.add("a.example", {&meeting_point});
    source->set_document(world.now(), alice, 0, online("phone", "here"));
    CHECK(world.network.run_until([&] { return note_of(watcher, watch) == "here"; }, 10s));
    CHECK(watcher.dht->listens() == 0);
}

TEST_CASE("where a node of the domain answers, the DHT is not asked for users whom that node does not know") {
    Pair pair;
    pair.network.run_for(1min);
    const auto gets = pair.dht->gets;
    for (int i = 0; i < 100; ++i)
        pair.watcher->watch(pair.now(), pair.bob, uri("nobody" + std::to_string(i) + "@a.example"));
    pair.network.run_for(1h);
    CHECK(pair.dht->gets - gets <= 20);  // for other nodes of the domain, every few minutes
}

TEST_CASE("a domain that nobody answers for is looked up once for all its users, and each of them ever less often") {
    OverlayWorld world(8);
    auto& meeting_point = world.add("c.example");
    auto& watcher = world.add("b.example", {&meeting_point});
    world.network.run_for(5s);
    for (int i = 0; i < 100; ++i) watcher->watch(world.now(), bob, uri("u" + std::to_string(i) + "@a.example"));
    world.network.run_for(10min);
    // Their own after 0, 20, 60, 140, 300 and 620 s; the domain's every 20 s at the most.
    CHECK(world.dht->gets <= 100 * 6 + 600 / 20 + 5);
    CHECK(world.dht->gets >= 100 * 4);
    CHECK(watcher.dht->listens() == 1);
}

TEST_CASE("two sources of one presentity are both followed") {
    OverlayWorld world(4);
    auto& meeting_point = world.add("c.example");
    auto& first = world.add("a.example", {&meeting_point});
    auto& second = world.add("a.example", {&meeting_point});
    auto& watcher = world.add("b.example", {&meeting_point});
    for (auto* node : {&first, &second}) (*node)->seek_siblings(world.now(), true);
    first->set_document(world.now(), alice, 0, online("phone", "one"));
    second->set_document(world.now(), alice, 0, online("desk", "two"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    const auto documents = [&] {
        std::size_t n = 0;
        for (const auto& source : watcher->sources(watch)) n += source.document ? 1 : 0;
        return n;
    };
    CHECK(world.network.run_until([&] { return documents() == 2; }, 20s));
    second->set_document(world.now(), alice, 0, nullptr);
    CHECK(world.network.run_until([&] { return documents() == 1; }, 20s));
    CHECK(note_of(watcher, watch) == "one");
}

TEST_CASE("nodes that are gone for good make room for those that take their place") {
    OverlayWorld world(12);
    auto& meeting_point = world.add("c.example");
    auto& watcher = world.add("b.example", {&meeting_point});
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    for (std::size_t i = 0; i <= proto::limits::sources_per_presentity; ++i) {
        const auto note = "at " + std::to_string(i);
        auto& source = world.add("a.example", {&meeting_point});
        source->set_document(world.now(), alice, 0, online("phone", note));
        const auto shown = [&] {
            for (const auto& view : watcher->sources(watch))
                if (view.node == source.id() && view.document) return true;
            return false;
        };
        CAPTURE(note);
        CHECK(world.network.run_until(shown, 1min));
        world.crash(source);
        world.network.run_for(2min);
    }
    CHECK(watcher->sources(watch).size() <= proto::limits::sources_per_presentity);
}

TEST_CASE("a user is found at whichever node of a domain that has more of them than are followed at once") {
    OverlayWorld world(13);
    auto& meeting_point = world.add("c.example");
    auto& watcher = world.add("b.example", {&meeting_point});
    std::vector<OverlayHost*> nodes;
    for (std::size_t i = 0; i < proto::limits::sources_per_presentity + 2; ++i)
        nodes.push_back(&world.add("a.example", {&meeting_point, &watcher}));
    world.network.run_for(10s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    world.network.run_for(1min);
    for (auto* node : nodes) {
        CAPTURE(node->name);
        const auto note = "at " + node->name;
        (*node)->set_document(world.now(), alice, 0, online("phone", note));
        CHECK(world.network.run_until([&] { return note_of(watcher, watch) == note; }, 10min));
        (*node)->set_document(world.now(), alice, 0, nullptr);
        world.network.run_for(2min);
    }
}

TEST_CASE("a source at a delegate is found through the DHT, although the domain's own node knows nothing") {
    Delegated world(5);
    auto& watcher = world.watcher;
    world.delegate->set_document(world.now(), alice, 0, online("phone", "through c"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    CHECK(world.network.run_until([&] { return note_of(watcher, watch) == "through c"; }, 10s));
}

TEST_CASE("a node publishes records for users of its own domain only") {
    OverlayWorld world(6);
    auto& node = world.add("c.example");
    auto& other = world.add("b.example", {&node});
    node->set_document(world.now(), alice, 0, online("phone", "not mine"));
    world.network.run_for(10s);
    CHECK(node.count("record_puts_refused") == 1);
    const auto watch = other->watch(world.now(), bob, alice);
    world.network.run_for(10s);
    CHECK(other->sources(watch).empty());
}

TEST_CASE("a source out of reach shows what its newest record says, to those who were given its key") {
    OutOfReach pair;
    pair.network.run_for(2min);
    REQUIRE(pair.liveness(pair.id) == Liveness::unknown);
    CHECK(note_of(pair.watcher, pair.id) == "told the DHT");
    CHECK(pair.liveness(pair.id) == Liveness::unknown);
}

TEST_CASE("a source that is back does not show what its record had overtaken") {
    OutOfReach pair;
    REQUIRE(pair.shows(pair.id, "told the DHT", 2min));
    pair.network.heal();
    CHECK_FALSE(pair.shows(pair.id, "seen", 2min));
    CHECK(note_of(pair.watcher, pair.id) == "told the DHT");
    CHECK(pair.liveness(pair.id) == Liveness::live);
}

TEST_CASE("a user who was long in coming and then goes to a delegate's node is looked for in haste again") {
    Delegated world(9);
    auto& watcher = world.watcher;
    const auto watch = watcher->watch(world.now(), bob, alice);
    world.network.run_for(2h);  // the user's own records are looked up ever less often by now
    world.own->set_document(world.now(), alice, 0, online("phone", "at home"));
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "at home"; }, 10s));
    world.network.run_for(1min);
    world.crash(world.own);
    world.delegate->set_document(world.now(), alice, 0, online("phone", "through c"));
    const auto delegate_shows = [&] {
        const auto sources = watcher->sources(watch);
        return std::any_of(sources.begin(), sources.end(), [&](const auto& source) {
            return source.node == world.delegate.id() && source.document != nullptr;
        });
    };
    CHECK(world.network.run_until(delegate_shows, 2min));
}

TEST_CASE("a removed domain's users are listened for no longer") {
    OverlayWorld world(10);
    auto& meeting_point = world.add("c.example");
    auto& watcher = world.add("b.example", {&meeting_point});
    world.network.run_for(5s);
    watcher->watch(world.now(), bob, alice);
    world.network.run_for(1min);
    REQUIRE(watcher.dht->listens() == 1);
    world.kit.remove_domain("a.example");
    watcher->set_federation(world.now(), world.kit.share());
    world.network.run_for(1min);
    CHECK(watcher.dht->listens() == 0);
}

TEST_CASE("the content key changes when an authorization ends: old keys open no new record") {
    Pair pair;
    pair.publish("seen");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "seen"));
    pair.network.run_for(10s);
    const auto puts = pair.dht->puts;
    pair.source->answer(pair.now(), pair.alice, pair.bob, {WatchState::terminated, 0, "rejected"});
    pair.source->renew_keys(pair.now());
    pair.network.run_for(10s);
    CHECK(pair.dht->puts == puts + 1);  // at once, not only when the state changes next
    pair.network.partition({pair.source.endpoint});
    pair.network.run_for(2min);
    CHECK(note_of(pair.watcher, watch) == "");
}

TEST_CASE("the content key changes when an authorization ends of one who does not watch just then") {
    Pair pair;
    pair.publish("seen");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "seen"));
    pair.watcher->unwatch(pair.now(), watch);
    pair.network.run_for(10s);
    const auto puts = pair.dht->puts;
    pair.source->authorization_changed(pair.now(), pair.alice);
    pair.network.run_for(10s);
    CHECK(pair.dht->puts == puts + 1);
    pair.source->authorization_changed(pair.now(), pair.alice);
    pair.network.run_for(10s);
    CHECK(pair.dht->puts == puts + 1);
}

TEST_CASE("a DHT without an answer is asked again soon after the first neighbour is met") {
    OverlayWorld world(7);
    auto& meeting_point = world.add("c.example");
    auto& source = world.add("a.example", {&meeting_point});
    source->set_document(world.now(), alice, 0, online("phone", "here"));
    world.network.run_for(5s);
    auto& watcher = world.add("b.example");
    world.dht->reachable = false;
    const auto watch = watcher->watch(world.now(), bob, alice);
    world.network.run_for(20min);
    CHECK(note_of(watcher, watch) == "");
    world.dht->reachable = true;
    watcher->set_bootstrap(world.now(), {meeting_point.endpoint});
    CHECK(world.network.run_until([&] { return note_of(watcher, watch) == "here"; }, 10s));
}

TEST_CASE("a node that moved to another address is found there by its new records") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    pair.crash(pair.source);
    pair.network.run_for(1min);
    pair.source.endpoint = proto::Endpoint::v4(0x0a0000c8, 4800);
    pair.start(pair.source);
    auto& friend_of_both = pair.add("c.example", {&pair.source, &pair.watcher});
    (void)friend_of_both;
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 3min));
}
