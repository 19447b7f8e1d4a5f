// What a reader refuses of what the DHT's nodes answer, and whom it lets know that it looks.
#include <doctest/doctest.h>

#include "overlay/peers.hpp"
#include "overlay/record_store.hpp"
#include "overlay/sealed_transport.hpp"
#include "proto/limits.hpp"
#include "proto/primitives.hpp"
#include "tests/support/overlay_world.hpp"
#include "tests/support/people.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

namespace {

using Wires = std::vector<proto::Bytes>;

/// Bob's node looks for alice, whose own node is not there; every answer of the DHT is `answer`.
struct Liars : OverlayWorld {
    OverlayHost& meeting_point = add("c.example");
    OverlayHost& reader = add("b.example", {&meeting_point});
    testing::NodeKit a = kit.node("a.example");
    testing::NodeKit c = kit.node("c.example");

    Liars() : OverlayWorld(21) { network.run_for(5s); }
    proto::Bytes record(const testing::NodeKit& node, const std::string& who, proto::Duration lifetime = 20h) const {
        return testing::record_of(node, *federation, who, 1, lifetime).wire;
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

namespace {

/// How often a signature was verified, as long as it lives.
class Verifications {
  public:
    Verifications() {
        counts().clear();
        static proto::Primitives counting = proto::real_primitives;
        counting.verify = [](const std::uint8_t* signature, const std::uint8_t* message, std::size_t size,
                             const std::uint8_t* key) {
            ++counts()[proto::Bytes(signature, signature + 64)];
            return proto::real_primitives.verify(signature, message, size, key);
        };
        proto::use_primitives(counting);
    }
    ~Verifications() { proto::use_primitives(proto::real_primitives); }
    Verifications(const Verifications&) = delete;
    Verifications& operator=(const Verifications&) = delete;
    /// A record ends with its signature.
    int of(const proto::Bytes& record) const { return counts()[proto::Bytes(record.end() - 64, record.end())]; }
    int of(const proto::Signature& signature) const {
        return counts()[proto::Bytes(signature.begin(), signature.end())];
    }

  private:
    static std::map<proto::Bytes, int>& counts() {
        static std::map<proto::Bytes, int> all;
        return all;
    }
};

}  // namespace

TEST_CASE("a record that the DHT's side has verified is not verified again by the side that looked for it") {
    Liars world;
    const auto alice_key = proto::presentity_key(world.federation->key, alice);
    const auto key = proto::dht_key(world.federation->key, alice.domain(), alice_key);
    const auto record = testing::record_of(world.a, *world.federation, "pres:alice@a.example", 1);
    overlay::RecordStore dht_side(world.federation, {}, world.reader.verified);
    // What DhtNode does with each copy that a node answers, before it tells of it.
    world.dht->lie = [&](const proto::DhtKey& asked, Wires) {
        if (asked != key) return Wires{};
        for (int copy = 0; copy < 8; ++copy)
            CHECK(dht_side.read(world.now().wall, {key, record.value_id()}, record.wire));
        return Wires{record.wire};
    };
    const Verifications verifications;
    const auto watch = world.reader->watch(world.now(), bob, alice);
    world.network.run_for(20s);
    CHECK(world.reader->sources(watch).size() == 1);  // it was believed
    CHECK(verifications.of(record.wire) == 1);
}

namespace {

/// Bob's node follows alice, whose node others can cut off; the DHT goes on answering.
struct CutOff : Pair {
    proto::DhtKey key = proto::dht_key(federation->key, alice.domain(), proto::presentity_key(federation->key, alice));
    overlay::WatchId id = 0;
    Wires first;  ///< alice's record when she was first seen
    std::size_t lies = 0;

    CutOff() {
        publish("seen");
        network.run_for(5s);
        for (const auto& [value_id, wire] : dht->values(now(), key)) first.push_back(wire);
        REQUIRE(first.size() == 1);
        id = watch();
        REQUIRE(shows(id, "seen"));
    }
    void replay_first() {
        dht->lie = [this](const proto::DhtKey& asked, Wires wires) {
            if (asked != key) return wires;
            ++lies;
            return first;
        };
    }
};

}  // namespace

TEST_CASE("a replayed older record never takes the place of a newer one at a reader") {
    CutOff world;
    world.network.run_for(limits::record_rewrite_least);
    world.network.partition({world.source.endpoint});
    world.publish("told the DHT");
    REQUIRE(world.shows(world.id, "told the DHT", 2min));
    world.replay_first();
    world.network.run_for(20min);
    REQUIRE(world.lies > 0);
    CHECK(note_of(world.watcher, world.id) == "told the DHT");
}

TEST_CASE("a record older than what the source itself told never takes its place") {
    CutOff world;
    world.publish("told the watcher");
    REQUIRE(world.shows(world.id, "told the watcher"));
    world.network.partition({world.source.endpoint});
    world.replay_first();
    world.network.run_for(20min);
    REQUIRE(world.lies > 0);
    CHECK(world.liveness(world.id) == overlay::Liveness::unknown);
    CHECK(note_of(world.watcher, world.id) == "told the watcher");
}

TEST_CASE("who may see at last is shown no record from before, while the document is on its way") {
    for (const auto& before :
         {overlay::Answer{overlay::WatchState::pending, 0, {}}, overlay::Answer{overlay::WatchState::active, 7, {}}}) {
        Pair pair;
        pair.publish("long ago");
        pair.source->set_document(pair.now(), alice, 7, online("phone", "nothing"));
        pair.source.verdict = before;
        const auto id = pair.watch();
        pair.network.run_for(5s);
        pair.network.partition({pair.source.endpoint});
        pair.network.run_for(2min);  // long enough to look for a record
        REQUIRE(pair.liveness(id) == overlay::Liveness::unknown);
        const std::string note(3 * limits::document_part_bytes, 'x');
        pair.publish(note);
        pair.source->answer(pair.now(), alice, bob, {overlay::WatchState::active, 0, {}});
        pair.network.heal();
        bool shown_before = false;
        REQUIRE(pair.network.run_until([&] {
            shown_before = shown_before || note_of(pair.watcher, id) == "long ago";
            return note_of(pair.watcher, id) == note;
        }));
        CHECK_FALSE(shown_before);
    }
}

TEST_CASE("a record that ran out says nothing any more") {
    CutOff world;
    world.network.run_for(limits::record_rewrite_least);
    world.network.partition({world.source.endpoint});
    world.publish("told the DHT");
    REQUIRE(world.shows(world.id, "told the DHT", 2min));
    world.crash(world.source);
    world.network.run_for(limits::record_lifetime);
    CHECK(note_of(world.watcher, world.id) != "told the DHT");
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
    Delegated world(23);
    auto& delegate = world.delegate;
    auto& watcher = world.watcher;
    delegate->set_document(world.now(), alice, 0, online("phone", "through c"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "through c"; }, 10s));
    watcher->set_federation(world.now(), world.before);
    world.network.run_for(10s);
    CHECK(note_of(watcher, watch) == "");
    CHECK(delegate.cancelled.size() == 1);
}

namespace {

struct DelegatedForTenMinutes : Delegated {
    DelegatedForTenMinutes() : Delegated(24, 10min) {
        delegate->set_document(now(), alice, 0, online("phone", "through c"));
        watcher->set_document(now(), bob, 0, online("phone", "at b"));
        network.run_for(5s);
    }
};

}  // namespace

TEST_CASE("a delegation that ends by time counts no longer from that moment, without a new federation file") {
    DelegatedForTenMinutes world;
    auto& delegate = world.delegate;
    auto& watcher = world.watcher;
    const auto anna = uri("anna@a.example");
    const auto watch = watcher->watch(world.now(), bob, alice);
    const auto asked = delegate->watch(world.now(), anna, bob);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "through c"; }, 10s));
    REQUIRE(world.network.run_until([&] { return note_of(delegate, asked) == "at b"; }, 10s));
    world.network.run_for(world.end + limits::record_clock_skew - world.now().wall - 1s);
    CHECK(note_of(watcher, watch) == "through c");
    CHECK(note_of(delegate, asked) == "at b");
    CHECK(watcher.cancelled.empty());
    world.network.run_for(2s);
    CHECK(note_of(watcher, watch) == "");
    REQUIRE(watcher.cancelled.size() == 1);
    CHECK(watcher.cancelled[0].watcher == anna);
    for (const auto* node : {&delegate, &watcher}) CHECK(node->dht->told_federation_at >= world.end);
}

TEST_CASE("a watch whose delegation comes late is told to try later, and is begun when it has come") {
    DelegatedForTenMinutes world;
    auto& delegate = world.delegate;
    auto& watcher = world.watcher;
    const auto asked = delegate->watch(world.now(), uri("anna@a.example"), bob);
    REQUIRE(world.network.run_until([&] { return note_of(delegate, asked) == "at b"; }, 10s));
    world.network.run_for(20min);
    const auto sources = delegate->sources(asked);
    REQUIRE(sources.size() == 1);
    CHECK(sources[0].state == overlay::WatchState::terminated);
    CHECK(sources[0].reason == "giveup");  // she was not rejected: nobody takes her subscription away
    REQUIRE(watcher.requested.size() == 1);
    world.kit.delegate("a.example", "c.example");
    watcher->set_federation(world.now(), world.kit.share());  // the asking node hears of nothing, and asks nothing
    CHECK(world.network.run_until([&] { return note_of(delegate, asked) == "at b"; }, 10s));
    CHECK(watcher.requested.size() == 2);
    watcher->set_document(world.now(), bob, 0, online("phone", "and on"));
    CHECK(world.network.run_until([&] { return note_of(delegate, asked) == "and on"; }, 10s));
    delegate->unwatch(world.now(), asked);
    world.network.run_for(1min);
    CHECK(watcher.cancelled.size() == 2);
}

TEST_CASE("a delegation is verified once, however many watch under it and however often all is reviewed") {
    Delegated world(26);
    world.watcher->set_document(world.now(), bob, 0, online("phone", "at b"));
    world.network.run_for(5s);
    const Verifications verifications;
    for (int i = 0; i < 100; ++i)
        world.delegate->watch(world.now(), uri("anna" + std::to_string(i) + "@a.example"), bob);
    world.network.run_for(10s);
    REQUIRE(world.watcher.requested.size() == 100);
    for (int i = 0; i < 2; ++i) world.watcher->set_federation(world.now(), world.federation);
    world.network.run_for(10s);
    CHECK(world.watcher.cancelled.empty());
    const auto& delegation = world.federation->find("a.example")->delegations.front();
    CHECK(verifications.of(delegation.signature) <= 1);
}

TEST_CASE("the content key changes when a delegation ends under which somebody watched") {
    DelegatedForTenMinutes world;
    const auto key =
        proto::dht_key(world.federation->key, bob.domain(), proto::presentity_key(world.federation->key, bob));
    const auto asked = world.delegate->watch(world.now(), uri("anna@a.example"), bob);
    REQUIRE(world.network.run_until([&] { return note_of(world.delegate, asked) == "at b"; }, 10s));
    SUBCASE("and watches on") {}
    SUBCASE("or did once") {
        world.delegate->unwatch(world.now(), asked);
    }
    world.network.run_for(world.end + limits::record_clock_skew - world.now().wall - 1s);
    const auto before = world.dht->values(world.now(), key);
    REQUIRE(before.size() == 1);
    world.network.run_for(3s);
    CHECK(world.dht->values(world.now(), key) != before);
}

TEST_CASE("the content key changes when a node that had it is expelled, and not when a member joins") {
    Pair pair;
    pair.publish("seen");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "seen"));
    SUBCASE("while it watches") {}
    SUBCASE("when it watches no longer") {
        pair.watcher->unwatch(pair.now(), watch);
    }
    pair.network.run_for(30min);
    const auto puts = pair.dht->puts;
    pair.kit.add_domain("d.example");
    pair.reload_federation();
    pair.network.run_for(10s);
    CHECK(pair.dht->puts == puts);
    pair.kit.revoke(pair.watcher.kit);
    pair.reload_federation();
    pair.network.run_for(10s);
    CHECK(pair.dht->puts == puts + 1);
}

namespace {

/// A member's node that asks over the channel whatever it likes.
struct Curious {
    testing::NodeKit kit;
    proto::SeededRandom random{5};
    overlay::SealedTransport transport;
    overlay::Peers peers{transport, random, 1, 30s};
    std::vector<overlay::SourcesAnswered> answers;
    proto::Now now{};

    Curious(testing::NodeKit node, std::shared_ptr<const proto::Federation> federation)
        : kit(std::move(node)), transport(kit.key, kit.certificate, std::move(federation), random) {}

    void handle_input(proto::Now at, const proto::Endpoint& from, proto::BytesView bytes) {
        now = at;
        transport.handle_input(at, from, bytes);
        pump();
    }
    void handle_timeout(proto::Now at) {
        now = at;
        transport.handle_timeout(at);
        peers.handle_timeout(at);
        pump();
    }
    proto::SteadyTime next_timeout() const { return std::min(transport.next_timeout(), peers.next_timeout()); }
    std::optional<proto::Datagram> poll_output() {
        for (;;) {
            if (auto datagram = transport.poll_output()) return datagram;
            if (!peers.wants_flush()) return std::nullopt;
            peers.flush(now);
            pump();
        }
    }
    void pump() {
        while (auto event = transport.poll_event()) {
            if (const auto* up = std::get_if<overlay::PeerUp>(&*event)) peers.session_up(now, up->node);
            if (const auto* got = std::get_if<overlay::Received>(&*event); got && got->own_port == 8)
                CHECK(peers.handle_input(now, got->node, got->bytes));
        }
        while (auto event = peers.poll_event())
            if (const auto* told = std::get_if<overlay::ChannelEvent>(&event->what))
                if (const auto* answer = std::get_if<overlay::SourcesAnswered>(told)) answers.push_back(*answer);
    }
};

}  // namespace

TEST_CASE("no member is told what records of foreign users another one has looked up") {
    Liars world;
    const auto key =
        proto::dht_key(world.federation->key, alice.domain(), proto::presentity_key(world.federation->key, alice));
    const auto wire = world.record(world.a, "pres:alice@a.example");
    world.dht->lie = [&](const proto::DhtKey& asked, Wires) { return asked == key ? Wires{wire} : Wires{}; };
    const auto watch = world.reader->watch(world.now(), bob, alice);
    world.network.run_for(20s);
    REQUIRE(world.reader->sources(watch).size() == 1);  // it has the record

    Curious curious(world.kit.node("c.example"), world.federation);
    world.network.attach(proto::Endpoint::v4(0x0a000063, 4000), curious);
    curious.now = world.now();
    curious.peers.learn(world.reader.id(), {world.reader.endpoint});
    auto& asking = curious.peers.open(world.reader.id()).watcher();
    asking.watch(bob, uri("carol@c.example"));  // a question alone keeps no channel
    asking.query(alice);
    REQUIRE(world.network.run_until([&] { return !curious.answers.empty(); }, 10s));
    CHECK_FALSE(curious.answers[0].own);
    CHECK(curious.answers[0].records.empty());
}

TEST_CASE("a delegation that ended when the wall clock was set forward is left within half a day") {
    Delegated world(25, 30h);
    auto& delegate = world.delegate;
    auto& watcher = world.watcher;
    delegate->set_document(world.now(), alice, 0, online("phone", "through c"));
    watcher->set_document(world.now(), bob, 0, online("phone", "at b"));
    world.network.run_for(5s);
    const auto watch = watcher->watch(world.now(), bob, alice);
    const auto asked = delegate->watch(world.now(), uri("anna@a.example"), bob);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, watch) == "through c"; }, 10s));
    REQUIRE(world.network.run_until([&] { return note_of(delegate, asked) == "at b"; }, 10s));
    world.network.wall_ahead = 31h;
    world.network.run_for(12h);
    CHECK(note_of(watcher, watch) == "");
    CHECK(watcher.cancelled.size() == 1);
}

TEST_CASE("a watch for a user whom this node does not publish for is answered: no such resource here") {
    DelegatedForTenMinutes world;
    auto& delegate = world.delegate;
    auto& watcher = world.watcher;
    const auto first = watcher->watch(world.now(), bob, alice);
    REQUIRE(world.network.run_until([&] { return note_of(watcher, first) == "through c"; }, 10s));
    delegate->set_federation(world.now(), world.before);  // the watcher has not heard of it
    const auto requests = delegate.requested.size();
    const auto second = watcher->watch(world.now(), uri("berta@b.example"), alice);
    world.network.run_for(5s);
    for (const auto watch : {first, second}) {
        const auto sources = watcher->sources(watch);
        const auto at_delegate =
            std::find_if(sources.begin(), sources.end(), [&](const auto& s) { return s.node == delegate.id(); });
        REQUIRE(at_delegate != sources.end());
        CHECK(at_delegate->state == overlay::WatchState::terminated);
        CHECK(at_delegate->reason == "noresource");
        CHECK(at_delegate->document == nullptr);
    }
    CHECK(delegate.requested.size() == requests);
    CHECK(delegate.count("channel_refused_foreign_domain") == 2);
}

TEST_CASE("a federation that is read again is what the DHT admits by, too") {
    Pair pair;
    pair.kit.remove_domain("c.example");
    pair.reload_federation();
    CHECK(pair.source.dht->told_federation == pair.federation);
}
