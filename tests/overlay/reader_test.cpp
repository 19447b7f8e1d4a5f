// What a reader refuses of what the DHT's nodes answer, and whom it lets know that it looks.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

namespace {

using Wires = std::vector<proto::Bytes>;
const auto alice = uri("alice@a.example");
const auto bob = uri("bob@b.example");

/// Bob's node looks for alice, whose own node is not there; every answer of the DHT is `answer`.
struct Liars : OverlayWorld {
    OverlayHost& meeting_point = add("c.example");
    OverlayHost& reader = add("b.example", {&meeting_point});
    tests::NodeKit a = kit.node("a.example");
    tests::NodeKit c = kit.node("c.example");

    Liars() : OverlayWorld(21) { network.run_for(5s); }
    proto::Bytes record(const tests::NodeKit& node, const std::string& who, proto::Duration lifetime = 20h) const {
        return tests::record_of(node, *federation, who, 1, lifetime).wire;
    }
    /// Does the reader refuse it, name the reason, and turn to nobody because of it?
    bool refuses(const proto::Bytes& wire, const std::string& reason) {
        const auto key = proto::dht_key(federation->key, alice.domain(), proto::presentity_key(federation->key, alice));
        dht->lie = [=](const proto::DhtKey& asked, Wires) { return asked == key ? Wires{wire} : Wires{}; };
        const auto before = reader.count("records_refused_" + reason);
        const auto dialed = reader.count("handshakes_started");
        const auto watch = reader->watch(now(), bob, alice);
        network.run_for(20s);
        const bool found = !reader->sources(watch).empty() || reader.count("handshakes_started") > dialed;
        reader->unwatch(now(), watch);
        return !found && reader.count("records_refused_" + reason) > before;
    }
};

}  // namespace

TEST_CASE("a reader believes no record that is forged, foreign, misplaced, oversize, expired or a revoked node's") {
    Liars world;
    const auto good = world.record(world.a, "pres:alice@a.example");
    CHECK_FALSE(world.refuses(good, "bad_signature"));  // this one it follows
    auto forged = good;
    forged.back() ^= 1;
    CHECK(world.refuses(forged, "bad_signature"));
    CHECK(world.refuses(world.record(world.c, "pres:alice@a.example"), "foreign_domain"));
    CHECK(world.refuses(world.record(world.a, "pres:anna@a.example"), "foreign_domain"));
    CHECK(world.refuses(proto::Bytes(limits::record_bytes + 1), "too_large"));
    CHECK(world.refuses(world.record(world.a, "pres:alice@a.example", 1s), "expired"));
    world.kit.revoke(world.a);
    world.reload_federation();
    CHECK(world.refuses(good, "revoked"));
    world.kit.remove_domain("a.example");
}

TEST_CASE("a replayed older record never takes the place of a newer one at a reader") {
    Pair pair;
    Wires first;
    pair.dht->lie = [&](const proto::DhtKey&, Wires wires) {
        if (first.empty()) first = wires;
        return wires;
    };
    pair.publish("seen");
    pair.network.run_for(5s);
    auto& other = pair.add("b.example");  // it meets nobody, so that it has to ask the DHT
    const auto early = other->watch(pair.now(), pair.bob, pair.alice);
    REQUIRE(pair.network.run_until([&] { return note_of(other, early) == "seen"; }, 1min));
    REQUIRE(first.size() == 1);
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "seen"));
    pair.network.run_for(limits::record_rewrite_least);
    pair.network.partition({pair.source.endpoint});
    pair.publish("told the DHT");
    REQUIRE(pair.shows(watch, "told the DHT", 2min));
    std::size_t lies = 0;
    pair.dht->lie = [&](const proto::DhtKey&, const Wires& wires) {
        lies += wires.empty() ? 0 : 1;
        return wires.empty() ? wires : first;
    };
    pair.network.run_for(20min);
    REQUIRE(lies > 0);
    CHECK(note_of(pair.watcher, watch) == "told the DHT");
}

TEST_CASE("who merely stores or forwards learns neither who watches whom nor any name") {
    OverlayWorld world(22);
    auto& meeting_point = world.add("c.example");
    auto& source = world.add("a.example", {&meeting_point});
    auto& watcher = world.add("b.example", {&meeting_point});
    Wires stored;
    world.dht->lie = [&](const proto::DhtKey&, Wires wires) {
        stored.insert(stored.end(), wires.begin(), wires.end());
        return wires;
    };
    world.network.on_send = [&](const auto&, const auto&, const proto::Bytes& bytes) {
        CHECK(proto::as_text(bytes).find("alice") == std::string_view::npos);
    };
    source->set_document(world.now(), alice, 0, online("phone", "here"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "here"; }, 10s));
    const auto absent = watcher->watch(world.now(), bob, uri("nobody@a.example"));
    world.network.run_for(10min);
    CHECK(watcher->settled(absent));
    REQUIRE(!stored.empty());
    for (const auto& wire : stored) {
        CHECK(proto::as_text(wire).find("alice") == std::string_view::npos);
        CHECK(proto::as_text(wire).find("example") == std::string_view::npos);
    }
    CHECK(source.count("channel_watches_in") > 0);
    CHECK(source.count("channel_queries_in") > 0);
    CHECK(meeting_point.count("channel_watches_in") == 0);
    CHECK(meeting_point.count("channel_queries_in") == 0);
}

TEST_CASE("a delegate is watched no longer once the delegation is gone") {
    OverlayWorld world(23);
    const auto before = world.kit.share();
    world.kit.delegate("a.example", "c.example");
    world.federation = world.kit.share();
    world.dht = std::make_unique<overlay::DhtFakeWorld>(world.federation, 200ms);
    auto& own = world.add("a.example");
    auto& delegate = world.add("c.example", {&own});
    auto& watcher = world.add("b.example", {&own});
    delegate->set_document(world.now(), alice, 0, online("phone", "through c"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "through c"; }, 10s));
    watcher->set_federation(world.now(), before);
    world.network.run_for(10s);
    CHECK(note_of(watcher, watch) == "");
    CHECK(delegate.cancelled.size() == 1);
}
