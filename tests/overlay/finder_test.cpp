// What the finder makes of records: those that peers tell of, and those of a domain's nodes. No network, no DHT.
#include "overlay/finder.hpp"

#include <doctest/doctest.h>

#include "overlay/dht_fake.hpp"
#include "overlay/peers.hpp"
#include "proto/limits.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
using testing::alice;
using testing::bob;
namespace limits = presmesh::proto::limits;
using proto::Reason;

namespace {

using Wires = std::vector<proto::Bytes>;

/// A node of b.example that looks for alice; the look-up of her domain's nodes is under way.
struct FinderWorld {
    testing::FederationKit kit = federation_kit();
    std::shared_ptr<const proto::Federation> federation = kit.share();
    testing::NodeKit self = kit.node("b.example");
    proto::SeededRandom random{3};
    proto::Now now{proto::SteadyTime{1000s}, proto::wall_from_seconds(testing::kit_epoch_s)};
    SealedTransport transport{self.key, self.certificate, federation, random};
    Peers peers{transport, random, 1, 30s};
    Following following{peers, self.id()};
    DhtFakeWorld network{federation, 1h};
    DhtFake dht{network};
    Finder finder{following, transport, dht, federation, random, {}, "b.example"};
    static constexpr LookupId domain_lookup = 1;

    FinderWorld() {
        following.watch(bob, alice);
        finder.begin(now, alice);
        REQUIRE(network.gets == 1);
    }
    static testing::FederationKit federation_kit() {
        testing::FederationKit kit{31};
        for (const char* domain : {"a.example", "b.example", "c.example"}) kit.add_domain(domain);
        return kit;
    }
    proto::Record record(const testing::NodeKit& node, const std::string& who, std::uint64_t counter,
                         proto::Duration lifetime = 20h) const {
        return testing::record_of(node, *federation, who, counter, lifetime);
    }
    bool follows_at(const testing::NodeKit& node) const { return following.followed_at(node.id()).contains(alice); }
    std::uint64_t refused(Reason reason) const {
        const auto found = finder.refused_records().find(reason);
        return found == finder.refused_records().end() ? 0 : found->second;
    }
    /// Did the finder refuse what a peer told, by this name, and do nothing with it?
    bool refuses(const testing::NodeKit& node, const proto::Bytes& wire, Reason reason) {
        const auto before = refused(reason);
        finder.take_record(now, alice, wire);
        return refused(reason) == before + 1 && !follows_at(node) && finder.known_records(alice, now.wall).empty();
    }
    /// "I am a node of this domain", found by the look-up; said an hour ago, and `since`.
    void announce(const testing::NodeKit& node, const std::string& domain, proto::Duration since,
                  proto::Duration lifetime = 1h, LookupId lookup = domain_lookup) {
        proto::Record record;
        record.kind = proto::RecordKind::domain;
        record.domain = domain;
        record.sequence = {1, static_cast<std::uint64_t>(since / 1s)};
        record.issued = now.wall - 1h + since;
        record.expires = now.wall + lifetime;
        record.endpoints = {proto::Endpoint::v4(0x0a000005, 4000)};
        REQUIRE(proto::sign(record, node.key, node.certificate));
        finder.handle_event(now, RecordFound{lookup, record.wire});
    }
    void pass(proto::Duration span) {
        now = {now.steady + span, now.wall + span};
        finder.handle_timeout(now);
    }
    /// Under way.
    std::size_t lookups() const {
        for (const auto& fill : finder.fills())
            if (fill.name == "lookups") return fill.used;
        return 0;
    }
    void end_lookup() { finder.handle_event(now, LookupDone{domain_lookup, true}); }
};

}  // namespace

TEST_CASE("a record that a peer tells of is believed no more than one of the DHT") {
    FinderWorld world;
    const auto a = world.kit.node("a.example");
    const auto c = world.kit.node("c.example");
    const auto good = world.record(a, "pres:alice@a.example", 1).wire;
    auto forged = good;
    forged.back() ^= 1;
    CHECK(world.refuses(a, forged, Reason::bad_signature));
    CHECK(world.refuses(c, world.record(c, "pres:alice@a.example", 1).wire, Reason::foreign_domain));
    CHECK(world.refuses(a, world.record(a, "pres:anna@a.example", 1).wire, Reason::foreign_domain));
    CHECK(world.refuses(a, proto::Bytes(limits::record_bytes + 1), Reason::too_large));
    const auto short_lived = world.record(a, "pres:alice@a.example", 1, 1s).wire;
    world.now.wall += 1s;
    CHECK(world.refuses(a, short_lived, Reason::expired));
    world.kit.revoke(a);
    world.finder.set_federation(world.now, world.kit.share());
    CHECK(world.refuses(a, good, Reason::revoked));
    world.finder.set_federation(world.now, world.federation);
    world.finder.take_record(world.now, alice, good);
    CHECK(world.follows_at(a));
    CHECK(world.finder.known_records(alice, world.now.wall) == Wires{good});
}

TEST_CASE("of a source the newest record is told to others, whatever is replayed, and none that ran out") {
    FinderWorld world;
    const auto a = world.kit.node("a.example");
    const auto older = world.record(a, "pres:alice@a.example", 1).wire;
    const auto newer = world.record(a, "pres:alice@a.example", 2, 1h).wire;
    for (const auto& wire : {older, newer, newer, older}) world.finder.take_record(world.now, alice, wire);
    CHECK(world.finder.known_records(alice, world.now.wall) == Wires{newer});
    CHECK(world.finder.known_records(alice, world.now.wall + 1h).empty());
}

TEST_CASE("sources of one presentity are bounded") {
    FinderWorld world;
    std::vector<testing::NodeKit> nodes;
    for (std::size_t i = 0; i <= limits::sources_per_presentity; ++i) nodes.push_back(world.kit.node("a.example"));
    // The one that is too many would be told of first.
    std::sort(nodes.begin(), nodes.end(), [](const auto& one, const auto& other) { return other.id() < one.id(); });
    for (const auto& node : nodes)
        world.finder.take_record(world.now, alice, world.record(node, "pres:alice@a.example", 1).wire);
    for (const auto& node : nodes) CHECK(world.follows_at(node) == (node.id() != nodes.back().id()));
    const auto last = world.record(nodes.back(), "pres:alice@a.example", 1).wire;
    for (const auto& wire : world.finder.known_records(alice, world.now.wall)) CHECK(wire != last);
}

TEST_CASE("a live node that says it is no source makes room for a source, once; one with an older record does not") {
    FinderWorld world;
    std::vector<testing::NodeKit> nodes;
    for (std::size_t i = 0; i < limits::sources_per_presentity; ++i) nodes.push_back(world.kit.node("a.example"));
    const auto tell_of = [&](const testing::NodeKit& node, proto::Duration later) {
        auto record = world.record(node, "pres:alice@a.example", 1);
        record.issued += later;
        REQUIRE(proto::sign(record, node.key, node.certificate));
        world.finder.take_record(world.now, alice, record.wire);
    };
    std::uint64_t said = 0;
    const auto say = [&](const testing::NodeKit& node, proto::ChannelMessage message) {
        const auto bytes = encode(proto::ChannelPacket{{5, 0, ++said}, {std::move(message)}});
        REQUIRE(world.peers.handle_input(world.now, node.id(), bytes));
        while (const auto event = world.peers.poll_event())
            if (const auto* what = std::get_if<ChannelEvent>(&event->what))
                if (const auto* answer = std::get_if<SourcesAnswered>(what))
                    world.following.take_answer(node.id(), *answer);
    };
    for (const auto& node : nodes) tell_of(node, 10s);
    for (const auto& node : nodes) say(node, proto::LeaseMessage{30'000});
    const auto late = world.kit.node("a.example");
    tell_of(late, 20s);
    CHECK_FALSE(world.follows_at(late));  // nobody has answered yet
    const auto& empty = nodes.at(3);
    say(empty, proto::SourcesMessage{1, false, {}});
    tell_of(late, 10s);
    CHECK_FALSE(world.follows_at(late));
    world.finder.node_up(world.now, late.id(), "a.example");
    CHECK_FALSE(world.follows_at(late));
    tell_of(late, 20s);
    CHECK(world.follows_at(late));
    CHECK_FALSE(world.follows_at(empty));
    // Nor do they take turns.
    say(late, proto::SourcesMessage{1, false, {}});
    tell_of(empty, 10s);
    CHECK(world.follows_at(late));
    CHECK_FALSE(world.follows_at(empty));
}

TEST_CASE("of nodes that are gone the one that was silent longest makes room") {
    FinderWorld world;
    std::vector<testing::NodeKit> nodes;
    for (std::size_t i = 0; i < limits::sources_per_presentity; ++i) {
        nodes.push_back(world.kit.node("a.example"));
        world.finder.take_record(world.now, alice, world.record(nodes.back(), "pres:alice@a.example", 1).wire);
    }
    std::swap(nodes.front(), nodes.at(4));
    for (const auto& node : nodes) {
        const auto bytes = encode(proto::ChannelPacket{{5, 0, 1}, {proto::LeaseMessage{30'000}}});
        REQUIRE(world.peers.handle_input(world.now, node.id(), bytes));
        world.now.steady += 5s;
    }
    const auto late = world.kit.node("a.example");
    world.finder.node_up(world.now, late.id(), "a.example");
    CHECK_FALSE(world.follows_at(late));
    world.peers.flush(world.now);
    world.now.steady += 1min;
    world.peers.handle_timeout(world.now);
    world.finder.node_up(world.now, late.id(), "a.example");
    CHECK(world.follows_at(late));
    for (const auto& node : nodes) CHECK(world.follows_at(node) == (node.id() != nodes.front().id()));
}

TEST_CASE("the nodes of a domain that announced themselves last are asked; a replayed announcement changes nothing") {
    FinderWorld world;
    std::vector<testing::NodeKit> nodes;
    for (std::size_t i = 0; i <= limits::nodes_asked_per_domain; ++i) nodes.push_back(world.kit.node("a.example"));
    for (std::size_t i = 0; i < nodes.size(); ++i) world.announce(nodes[i], "a.example", std::chrono::seconds(10 + i));
    world.announce(nodes.back(), "a.example", 1s);  // an older one of the latest
    world.announce(nodes.front(), "a.example", 2s, 30min);
    world.end_lookup();
    for (const auto& node : nodes) CHECK(world.follows_at(node) == (node.id() != nodes.front().id()));
}

TEST_CASE("a node that announced itself lately is followed at once, and its look-up ends there") {
    FinderWorld world;
    const auto old = world.kit.node("a.example");
    const auto young = world.kit.node("a.example");
    const auto late = world.kit.node("a.example");
    world.announce(old, "a.example", 1h - limits::domain_node_young - 1s);
    CHECK_FALSE(world.follows_at(old));
    world.announce(young, "a.example", 1h - limits::domain_node_young);
    CHECK(world.follows_at(young));
    CHECK_FALSE(world.follows_at(old));
    CHECK(world.lookups() == 0);
    world.announce(late, "a.example", 59min);
    CHECK_FALSE(world.follows_at(late));
    world.dht.handle_timeout({world.now.steady + 1h, world.now.wall + 1h});
    CHECK_FALSE(world.dht.poll_event());
    // Another user of the domain is looked for there, too, and nobody is asked.
    const auto anna = testing::uri("anna@a.example");
    world.following.watch(bob, anna);
    world.finder.begin(world.now, anna);
    CHECK(world.following.followed_at(young.id()).contains(anna));
    CHECK(world.network.gets == 1);
}

TEST_CASE("where the node that was found first is none of use, all of the domain's are looked for") {
    FinderWorld world;
    const auto first = world.kit.node("a.example");
    const auto other = world.kit.node("a.example");
    world.announce(first, "a.example", 59min);
    REQUIRE(world.follows_at(first));
    SUBCASE("it is no source") {
        const proto::SourcesMessage no{1, false, {}};
        const proto::WatchStateMessage pending{1, 1, proto::WatchState::pending, {}, 0, {}};
        REQUIRE(
            world.peers.handle_input(world.now, first.id(), encode(proto::ChannelPacket{{5, 0, 1}, {no, pending}})));
        while (const auto event = world.peers.poll_event())
            if (const auto* what = std::get_if<ChannelEvent>(&event->what))
                if (const auto* answer = std::get_if<SourcesAnswered>(what))
                    world.following.take_answer(first.id(), *answer);
        world.finder.look_at(world.now, alice);
    }
    SUBCASE("it says nothing") {
        world.pass(limits::answer_patience - 1ms);
        CHECK(world.network.gets == 1);
        world.pass(1ms);
    }
    CHECK(world.network.gets == 2);
    world.announce(first, "a.example", 59min, 1h, 2);
    CHECK(world.lookups() == 1);
    world.announce(other, "a.example", 59min, 1h, 2);
    CHECK_FALSE(world.follows_at(other));
    world.finder.handle_event(world.now, LookupDone{2, true});
    CHECK(world.follows_at(other));
}

TEST_CASE("a look-up goes on for those who wait for all of a domain's nodes, and ends when nobody does") {
    FinderWorld world;
    const auto first = world.kit.node("a.example");
    world.announce(first, "a.example", 59min);
    world.pass(limits::answer_patience);
    REQUIRE(world.network.gets == 2);
    const auto anna = testing::uri("anna@a.example");
    world.following.watch(bob, anna);
    world.finder.begin(world.now, anna);
    CHECK_FALSE(world.following.followed_at(first.id()).contains(anna));
    world.announce(first, "a.example", 59min, 1h, 2);
    CHECK(world.following.followed_at(first.id()).contains(anna));
    CHECK(world.lookups() == 1);
    CHECK(world.network.gets == 2);
}

TEST_CASE("a look-up of a domain's nodes that waits for its turn is not asked for again") {
    FinderWorld world;
    proto::Federation federation = *world.federation;
    std::vector<proto::PresentityUri> users;
    for (std::size_t i = 0; i < 2 * limits::lookups_at_once; ++i) {
        proto::Member member = *federation.find("a.example");
        member.domain = "d" + std::to_string(i) + ".example";
        users.push_back(testing::uri("user@" + member.domain));
        federation.add(std::move(member));
    }
    world.finder.set_federation(world.now, std::make_shared<const proto::Federation>(federation));
    for (const auto& user : users) {
        world.following.watch(bob, user);
        world.finder.begin(world.now, user);
    }
    const auto waiting = [&] {
        for (const auto& fill : world.finder.fills())
            if (fill.name == "lookups_waiting") return fill.used;
        return std::size_t{0};
    };
    REQUIRE(waiting() == limits::lookups_at_once + 1);
    world.pass(limits::lookup_patience);
    // Those under way have taken too long and are begun anew; those that wait are not.
    CHECK(waiting() == 2 * limits::lookups_at_once + 1);
}

TEST_CASE("a node that is watched at already ends no look-up: it is gone, or knows nothing") {
    FinderWorld world;
    const auto a = world.kit.node("a.example");
    world.finder.take_record(world.now, alice, world.record(a, "pres:alice@a.example", 1).wire);
    REQUIRE(world.follows_at(a));
    world.announce(a, "a.example", 59min);
    CHECK(world.lookups() == 1);
}

TEST_CASE("who is watched no longer is looked for no longer") {
    FinderWorld world;
    world.end_lookup();  // of the domain: nobody
    REQUIRE(world.network.gets == 2);
    CHECK(world.lookups() == 1);
    world.following.unwatch(1);
    world.finder.end(world.now, alice);
    CHECK(world.lookups() == 0);
    world.dht.handle_timeout({world.now.steady + 1h, world.now.wall + 1h});
    while (const auto event = world.dht.poll_event())
        CHECK(std::get<LookupDone>(*event).lookup == FinderWorld::domain_lookup);
}

TEST_CASE("an announcement told again costs nothing; a newer one does what it says") {
    FinderWorld world;
    std::string domain = "a.example";
    auto user = alice;
    SUBCASE("of a domain that is being looked for") {}
    SUBCASE("of one that is not") {
        domain = "c.example";
        user = testing::uri("carol@c.example");
        world.following.watch(bob, user);
    }
    const auto node = world.kit.node(domain);
    const auto told = [&](proto::Duration since) {
        proto::Record record;
        record.kind = proto::RecordKind::domain;
        record.domain = domain;
        record.sequence = {1, static_cast<std::uint64_t>(since / 1s)};
        record.issued = world.now.wall - 1h + since;
        record.expires = world.now.wall + 1h;
        record.endpoints = {proto::Endpoint::v4(0x0a000005, 4000)};
        REQUIRE(proto::sign(record, node.key, node.certificate));
        const auto news = world.finder.take_announcement(world.now, domain, record.wire);
        return news ? std::optional(proto::node_id(news->node_key())) : std::nullopt;
    };
    const auto follows = [&] { return world.following.followed_at(node.id()).contains(user); };
    CHECK(told(10s) == node.id());
    CHECK(follows());
    world.following.leave(user, node.id());
    told(10s);
    told(9s);
    CHECK_FALSE(follows());
    CHECK(told(11s) == node.id());
    CHECK(follows());
    // It is the number that counts: the clocks may have been set back meanwhile.
    world.following.leave(user, node.id());
    world.now.wall -= 2h;
    CHECK(told(12s) == node.id());
    CHECK(follows());
}

TEST_CASE("an announcement that ran out before the look-up ended is not followed, and no foreign node's is") {
    FinderWorld world;
    const auto a = world.kit.node("a.example");
    const auto gone = world.kit.node("a.example");
    const auto c = world.kit.node("c.example");
    world.announce(a, "a.example", 10s);
    world.announce(gone, "a.example", 11s, 5s);
    world.announce(c, "a.example", 12s);
    CHECK(world.refused(Reason::foreign_domain) == 1);
    world.announce(c, "c.example", 12s);  // under a.example's key
    CHECK(world.refused(Reason::foreign_domain) == 2);
    world.now.wall += 5s;
    world.end_lookup();
    CHECK(world.follows_at(a));
    CHECK_FALSE(world.follows_at(gone));
    CHECK_FALSE(world.follows_at(c));
}

TEST_CASE("a domain's nodes are bounded: one member cannot fill a reader's memory with announcements") {
    FinderWorld world;
    for (std::size_t i = 0; i < limits::peers_per_domain; ++i)
        world.announce(world.kit.node("a.example"), "a.example", 1s);
    const auto late = world.kit.node("a.example");
    world.announce(late, "a.example", 1min);
    world.end_lookup();
    CHECK_FALSE(world.follows_at(late));
}
