// The other nodes of a domain: found, asked and told, and nobody else.
#include "overlay/siblings.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"
#include "tests/support/people.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

proto::RulesMessage one_rule(std::uint64_t since) {
    return {7, since, since + 1, {{alice, false, "*", std::uint8_t{0}, 1}}};
}

std::size_t documents_of(const OverlayHost& host, overlay::WatchId watch) {
    std::size_t documents = 0;
    for (const auto& source : host->sources(watch)) documents += source.document ? 1 : 0;
    return documents;
}

/// Two nodes of one domain that know nobody but a node of another.
struct SiblingsWorld : OverlayWorld {
    SiblingsWorld() : OverlayWorld(21) {
        for (auto* host : {&one, &two}) (*host)->seek_siblings(now(), true);
    }
    bool meet() {
        return network.run_until([&] { return one.siblings.contains(two.id()) && two.siblings.contains(one.id()); },
                                 1min);
    }
    OverlayHost& meeting_point = add("c.example");
    OverlayHost& one = add("a.example", {&meeting_point});
    OverlayHost& two = add("a.example", {&meeting_point});
};

}  // namespace

TEST_CASE("nodes of a domain find each other, and no others; who does not seek is found") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    CHECK(world.one.siblings.size() == 1);
    CHECK(world.two.siblings.size() == 1);
    CHECK(world.meeting_point.siblings.empty());
    auto& late = world.add("a.example", {&world.meeting_point});
    CHECK(world.network.run_until([&] { return late.siblings.contains(world.one.id()); },
                                  proto::limits::siblings_again * 2));
}

TEST_CASE("a node of the domain is found at any of its addresses") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    auto& late = world.add("a.example", {&world.meeting_point});
    world.crash(late);
    late.advertised_before = {proto::Endpoint::v4(0x0a0000fe, 4000)};  // nobody answers there
    late.siblings.clear();
    world.start(late, {&world.meeting_point});
    CHECK(world.network.run_until([&] { return late.siblings.contains(world.one.id()); },
                                  proto::limits::siblings_again * 2));
}

TEST_CASE("who begins to watch at one node of a domain is told of the others, and finds a user's other sources there") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.network.run_for(5s);
    world.one->set_document(world.now(), alice, 0, online("phone", "at one"));
    world.two->set_document(world.now(), alice, 0, online("desk", "at two"));
    auto& watcher = world.add("b.example", {&world.one});
    world.network.run_for(5s);
    const auto gets = world.dht->gets;
    const auto watch = watcher->watch(world.now(), bob, alice);
    CHECK(world.network.run_until([&] { return documents_of(watcher, watch) == 2; }, 1s));
    CHECK(world.dht->gets == gets);
    // Again after its last watch: there may be others by then.
    watcher->unwatch(world.now(), watch);
    world.network.run_for(30min);
    const auto again = watcher->watch(world.now(), bob, uri("anna@a.example"));
    world.two->set_document(world.now(), uri("anna@a.example"), 0, online("desk", "anna"));
    CHECK(world.network.run_until([&] { return note_of(watcher, again) == "anna"; }, 1s));
}

TEST_CASE(
    "a node that heard of another one of its domain from a third, before that one itself, tells its watchers of it") {
    SiblingsWorld world;
    auto& three = world.add("a.example", {&world.meeting_point});
    REQUIRE(world.meet());
    REQUIRE(world.network.run_until(
        [&] { return three.siblings.contains(world.one.id()) && three.siblings.contains(world.two.id()); },
        proto::limits::siblings_again * 2));
    // As nodes do, for each other's rules: so their sessions stay, and each hears of the other as it announces itself.
    world.two->ask_rules(world.now(), three.id(), {7, 0});
    three->ask_rules(world.now(), world.two.id(), {7, 0});
    world.network.run_for(10min);  // for the last time in a while
    world.crash(world.one);
    world.network.run_for(1min);
    world.one.siblings.clear();
    world.start(world.one, {&three});
    // By this watch three tells it of two.
    world.one->watch(world.now(), uri("anna@a.example"), uri("carl@a.example"));
    REQUIRE(world.network.run_until([&] { return world.one.siblings.contains(world.two.id()); }, 5s));
    world.network.run_for(5s);
    world.crash(three);
    world.one->set_document(world.now(), alice, 0, online("phone", "at one"));
    world.two->set_document(world.now(), alice, 0, online("desk", "at two"));
    auto& watcher = world.add("b.example", {&world.one});
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), uri("bob@b.example"), alice);
    CHECK(world.network.run_until([&] { return documents_of(watcher, watch) == 2; }, 5s));
}

TEST_CASE("a node that starts anew hears at once of those that had a session with it, and tells who watches there") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.one->ask_rules(world.now(), world.two.id(), {7, 0});
    world.two->ask_rules(world.now(), world.one.id(), {7, 0});
    world.network.run_for(10min);
    world.crash(world.one);
    world.network.run_for(1min);
    world.one.siblings.clear();
    world.start(world.one, {&world.two});
    REQUIRE(world.network.run_until([&] { return world.one.siblings.contains(world.two.id()); }, 5s));
    world.network.run_for(5s);
    world.one->set_document(world.now(), alice, 0, online("phone", "at one"));
    world.two->set_document(world.now(), alice, 0, online("desk", "at two"));
    auto& watcher = world.add("b.example", {&world.one});
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), uri("bob@b.example"), alice);
    CHECK(world.network.run_until([&] { return documents_of(watcher, watch) == 2; }, 5s));
}

TEST_CASE("a node of the domain that is out of reach when it is found is met soon after it is back") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.crash(world.one);
    world.network.run_for(1min);
    world.network.partition({world.two.endpoint});
    world.one.siblings.clear();
    world.start(world.one, {&world.meeting_point});
    world.one->seek_siblings(world.now(), true);
    world.network.run_for(5min);
    REQUIRE(world.one.siblings.empty());
    world.network.heal();
    CHECK(world.network.run_until([&] { return world.one.siblings.contains(world.two.id()); }, 1min));
}

TEST_CASE("what a node said of itself while the clocks ran ahead counts no longer when they are set right") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.one->ask_rules(world.now(), world.two.id(), {7, 0});
    world.two->ask_rules(world.now(), world.one.id(), {7, 0});
    world.network.wall_ahead = 2h;
    world.network.run_for(1min);
    world.network.wall_ahead = 0h;
    world.network.run_for(1min);
    world.one->set_document(world.now(), alice, 0, online("phone", "at one"));
    world.two->set_document(world.now(), alice, 0, online("desk", "at two"));
    auto& watcher = world.add("b.example", {&world.one});
    world.network.run_for(5s);
    const auto gets = world.dht->gets;
    const auto watch = watcher->watch(world.now(), uri("bob@b.example"), alice);
    CHECK(world.network.run_until([&] { return documents_of(watcher, watch) == 2; }, 5s));
    CHECK(world.dht->gets == gets);
}

TEST_CASE("one that does not come back is dialed no longer than its record lasts") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.crash(world.two);
    world.crash(world.one);
    world.start(world.one, {&world.meeting_point});
    world.one->seek_siblings(world.now(), true);
    const auto dialed = [&](proto::Duration span) {
        std::size_t n = 0;
        world.network.on_send = [&](const auto&, const auto& to, const auto&) {
            n += to == world.two.endpoint ? 1 : 0;
        };
        world.network.run_for(span);
        world.network.on_send = {};
        return n;
    };
    CHECK(dialed(1h) > 0);
    world.network.run_for(proto::limits::domain_record_lifetime);
    CHECK(dialed(3h) == 0);
}

TEST_CASE("who is told that there are none looks no more, though nobody answered") {
    OverlayWorld world(22);
    world.dht->reachable = false;
    auto& meeting_point = world.add("c.example");
    auto& one = world.add("a.example", {&meeting_point});
    one->seek_siblings(world.now(), true);
    const auto before = world.dht->gets;
    REQUIRE(world.network.run_until([&] { return world.dht->gets > before; }, 1min));
    one->seek_siblings(world.now(), false);  // while the look-up runs
    const auto gets = world.dht->gets;
    world.network.run_for(1h);
    CHECK(world.dht->gets == gets);
}

TEST_CASE("a look-up for them is rare") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    const auto gets = world.dht->gets;
    world.network.run_for(5h);
    CHECK(world.dht->gets - gets <= 2 * 8);
}

TEST_CASE("what is asked and told arrives over a bad network, and again when the other one starts anew") {
    SiblingsWorld world;
    REQUIRE(world.meet());
    world.network.hardship.loss = 0.3;
    const auto one_was_asked = [&] { return !world.one.rules_asked.empty(); };  // more than once, for acks are lost
    world.two->ask_rules(world.now(), world.one.id(), {7, 3});
    REQUIRE(world.network.run_until(one_was_asked, 1min));
    CHECK(world.one.rules_asked[0].node == world.two.id());
    CHECK(world.one.rules_asked[0].message == proto::RulesAskMessage{7, 3});
    for (std::uint64_t i = 0; i < 20; ++i) {
        world.one->tell_rules(world.now(), world.two.id(), one_rule(i));
        REQUIRE(world.network.run_until([&] { return world.two.rules_told.size() > i; }, 1min));
        CHECK(world.two.rules_told.back().node == world.one.id());
    }
    CHECK(world.two.rules_told.back().message == one_rule(19));
    world.network.run_for(10min);  // nothing more to say
    world.crash(world.one);
    world.network.run_for(2min);
    world.one.rules_asked.clear();
    world.start(world.one, {&world.meeting_point});
    world.one->seek_siblings(world.now(), true);
    REQUIRE(world.network.run_until(one_was_asked, 2min));
    CHECK(world.one.rules_asked.back().message == proto::RulesAskMessage{7, 3});
}

TEST_CASE("a node of another domain gets no answer and is not believed") {
    Pair pair;
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    pair.watcher->ask_rules(pair.now(), pair.source.id(), {0, 0});
    pair.watcher->tell_rules(pair.now(), pair.source.id(), one_rule(0));
    pair.network.run_for(1min);
    CHECK(pair.source.rules_asked.empty());
    CHECK(pair.source.rules_told.empty());
    CHECK(pair.source.siblings.empty());
    CHECK(pair.source.count("channel_refused_foreign_domain") == 2);
}
