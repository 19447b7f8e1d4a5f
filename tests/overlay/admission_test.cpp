// Who becomes a peer of the sealed transport, and what everybody else may cost.
#include <doctest/doctest.h>

#include <map>

#include "proto/limits.hpp"
#include "sim/stand_in.hpp"
#include "tests/support/transport_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
namespace limits = presmesh::proto::limits;

TEST_CASE("two nodes shake hands, and what was queued arrives in order, both ways") {
    TransportPair world;
    world.say(world.alice, world.bob, "one");
    world.say(world.alice, world.bob, "two");
    world.run(200ms);
    CHECK(world.bob.texts() == std::vector<std::string>{"one", "two"});
    CHECK(world.alice.up.size() == 1);
    CHECK(world.bob.up.size() == 1);
    const Peer* alice = world.bob.transport->peer(world.alice.id());
    REQUIRE(alice != nullptr);
    CHECK(alice->domain == "a.example");
    CHECK(alice->key == world.alice.kit.key.public_key());
    CHECK(alice->endpoint == world.alice.endpoint);
    CHECK(world.bob.transport->nodes_of("a.example") == std::vector{world.alice.id()});

    CHECK(world.bob.transport->send(world.now, world.alice.id(), 3, 5, bytes_of("three")).has_value());
    world.run(100ms);
    REQUIRE(world.alice.received.size() == 1);
    CHECK(world.alice.received[0].own_port == 5);
    CHECK(world.alice.received[0].peer_port == 3);
    CHECK(world.alice.received[0].node == world.bob.id());
}

TEST_CASE("a handshake survives the loss of any of its datagrams") {
    for (int lost = 0; lost < 3; ++lost) {
        TransportPair world;
        int sent = 0;
        world.filter = [&](SeenDatagram&) { return sent++ != lost; };
        world.say(world.alice, world.bob, "x");
        world.run(3s);
        if (lost < 2) CHECK(world.bob.texts() == std::vector<std::string>{"x"});
        world.say(world.alice, world.bob, "y");  // what is lost as the third is "x", which nobody sends again
        world.run(100ms);
        CHECK(world.bob.texts().back() == "y");
        CHECK(world.bob.transport->peer(world.alice.id()) != nullptr);
        CHECK(world.bob.count("handshakes_answered") == 1);
    }
}

TEST_CASE("a HELLO is sent at 0, 0.25, 0.75, 1.75 and 3.75 s, then the owner is told") {
    TransportPair world;
    std::vector<proto::Duration> at;
    const auto begin = world.now.steady;
    world.filter = [&](SeenDatagram&) {
        at.push_back(world.now.steady - begin);
        return false;
    };
    CHECK(world.alice.transport->connect(world.now, world.bob.endpoint).has_value());
    world.run(10s);
    CHECK(at == std::vector<proto::Duration>{0ms, 250ms, 750ms, 1750ms, 3750ms});
    REQUIRE(world.alice.failed.size() == 1);
    CHECK(world.alice.failed[0].endpoint == world.bob.endpoint);
}

TEST_CASE("strangers get nothing: another federation, a forged certificate, a foreign key, an expired certificate") {
    TransportPair world;
    FederationKit elsewhere{99};
    elsewhere.add_domain("a.example");
    elsewhere.add_domain("z.example");
    TransportHost& forged = world.add(elsewhere.node("a.example"), 11);
    TransportHost& unknown = world.add(elsewhere.node("z.example"), 12);
    TransportHost& expired = world.add(world.federation.node("c.example", FederationKit::start(),
                                                             proto::wall_from_seconds(testing::kit_epoch_s - 3600)),
                                       13);
    TransportHost& early =
        world.add(world.federation.node("c.example", proto::wall_from_seconds(testing::kit_epoch_s + 3600)), 14);
    NodeKit stolen = world.federation.node("c.example");
    stolen.key = elsewhere.node("z.example").key;
    TransportHost& thief = world.add(stolen, 15);
    for (TransportHost* host : {&forged, &unknown, &expired, &early, &thief}) {
        world.say(*host, world.bob, "let me in");
    }
    world.run(10s);
    CHECK(world.bob.received.empty());
    CHECK(world.bob.transport->peers().empty());
    CHECK(world.bob.count("handshakes_answered") == 0);
    CHECK(world.bob.count("refused_not_admitted") == limits::hello_attempts);
    CHECK(world.bob.count("refused_expired") == limits::hello_attempts);
    CHECK(world.bob.count("refused_not_yet_valid") == limits::hello_attempts);
    CHECK(world.bob.count("refused_bad_signature") == 2 * limits::hello_attempts);
    for (const SeenDatagram& flight : world.seen) CHECK(flight.from != world.bob.endpoint);
}

TEST_CASE("the answer too must come from a member") {
    TransportPair world;
    FederationKit elsewhere{99};
    elsewhere.add_domain("z.example");
    elsewhere.add_domain("a.example");
    TransportHost& stranger = world.add(elsewhere.node("z.example"), 11);
    // The stranger admits alice's domain by alice's real key, so that it does answer.
    FederationKit both{7};
    both.add_domain("a.example");
    stranger.transport->set_federation(both.share());
    world.say(world.alice, stranger, "secret");
    world.run(10s);
    CHECK(stranger.received.empty());
    CHECK(world.alice.count("refused_not_admitted") >= 1);
    CHECK(world.alice.failed.size() == 1);
}

TEST_CASE("an old HELLO opens nothing again") {
    TransportPair world;
    world.open();
    const SeenDatagram old = world.last(MessageKind::hello);
    // Alice restarts and shakes hands anew; then the old HELLO comes back from somebody who kept it.
    world.start(world.alice);
    world.say(world.alice, world.bob, "new");
    world.run(200ms);
    const auto answered = world.bob.count("handshakes_answered");
    const auto sent = world.bob.count("datagrams_out");
    SeenDatagram replay = old;
    replay.from = address(66);
    world.inject(replay);
    CHECK(world.bob.count("refused_replayed") == 1);
    CHECK(world.bob.count("handshakes_answered") == answered);
    CHECK(world.bob.count("datagrams_out") == sent);
    world.say(world.alice, world.bob, "still here");
    world.run(200ms);
    CHECK(world.bob.texts() == std::vector<std::string>{"new", "still here"});
}

TEST_CASE("a HELLO that comes again and again is answered at the rate of strangers only") {
    TransportPair world;
    world.open();
    const SeenDatagram hello = world.last(MessageKind::hello);
    const auto sent = world.bob.count("datagrams_out");
    for (int i = 0; i < 5 * limits::stranger_answers_per_second; ++i) world.inject(hello);
    CHECK(world.bob.count("datagrams_out") - sent == 2 * limits::stranger_answers_per_second);
    CHECK(world.bob.count("refused_replayed") == 3 * limits::stranger_answers_per_second);
}

TEST_CASE("answers to one HELLO that are wrong cost a bounded number of signature checks") {
    TransportPair world;
    SeenDatagram welcome;
    world.filter = [&](SeenDatagram& flight) {
        if (TransportWorld::kind(flight) != MessageKind::welcome) return true;
        welcome = flight;
        return false;
    };
    world.say(world.alice, world.bob, "x");
    world.run(50ms);
    REQUIRE(!welcome.datagram.bytes.empty());
    welcome.datagram.bytes.back() ^= 1;
    for (int i = 0; i < 100; ++i) world.inject(welcome);
    CHECK(world.alice.count("refused_bad_signature") == 8);
    CHECK(world.alice.count("refused_rate_limited") == 92);
    CHECK(world.alice.up.empty());
    world.filter = [](SeenDatagram&) { return true; };
    world.run(60s);
    world.say(world.alice, world.bob, "with the next HELLO");
    world.run(1s);
    CHECK(world.bob.texts() == std::vector<std::string>{"with the next HELLO"});
}

TEST_CASE("a HELLO replayed to a node that forgot it makes no peer and ends no session") {
    TransportPair world;
    world.open();
    const SeenDatagram old = world.last(MessageKind::hello);
    world.start(world.bob);  // bob forgets the times of HELLOs
    world.inject(old);
    world.run(5s);
    CHECK(world.bob.transport->peer(world.alice.id()) == nullptr);
    CHECK(world.bob.up.size() == 1);  // from before
    world.run(60s);
    world.say(world.alice, world.bob, "y");
    world.run(1s);
    CHECK(world.bob.texts() == std::vector<std::string>{"y"});
}

TEST_CASE("revoked, removed, certified by another key now: the session ends at once, and no new one is made") {
    const std::map<proto::Reason, void (*)(TransportPair&)> ways{
        {proto::Reason::revoked, [](TransportPair& world) { world.federation.revoke(world.alice.kit); }},
        {proto::Reason::not_admitted, [](TransportPair& world) { world.federation.remove_domain("a.example"); }},
        {proto::Reason::bad_signature, [](TransportPair& world) { world.federation.add_domain("a.example"); }}};
    for (const auto& [reason, change] : ways) {
        TransportPair world;
        world.open();
        change(world);
        world.bob.transport->set_federation(world.federation.share());
        world.collect_all();
        REQUIRE(world.bob.down.size() == 1);
        CHECK(world.bob.down[0].reason == reason);
        world.say(world.alice, world.bob, "still?");
        world.run(20s);
        CHECK(world.bob.received.empty());
        CHECK(world.bob.transport->peers().empty());
    }
}

TEST_CASE("a node that comes back as another domain's is known as that one, and by no HELLO alone") {
    TransportPair world;
    world.open();
    world.bob.transport->hold(world.alice.id());
    world.federation.add_domain("c.example");
    world.bob.transport->set_federation(world.federation.share());
    world.alice.kit = world.federation.moved(world.alice.kit, "c.example");
    world.start(world.alice);
    world.say(world.alice, world.bob, "from c");  // a HELLO, as anybody could have kept one
    world.run(1s);
    CHECK(world.bob.count("refused_conflict") > 0);
    CHECK(world.bob.transport->peer(world.alice.id())->domain == "a.example");
    world.say(world.bob, world.alice, "are you there?");
    world.run(10s);
    REQUIRE(world.bob.transport->peer(world.alice.id()) != nullptr);
    CHECK(world.bob.transport->peer(world.alice.id())->domain == "c.example");
    CHECK(world.bob.transport->nodes_of("a.example").empty());
    REQUIRE(world.bob.down.size() == 1);
    CHECK(world.bob.down[0].reason == proto::Reason::not_admitted);
    world.say(world.bob, world.alice, "and now?");
    world.run(1s);
    REQUIRE_FALSE(world.alice.texts().empty());
    CHECK(world.alice.texts().back() == "and now?");
}

TEST_CASE("a federation file that changes nothing ends no session") {
    TransportPair world;
    world.open();
    world.bob.transport->set_federation(world.federation.share());
    world.collect_all();
    CHECK(world.bob.down.empty());
    world.say(world.alice, world.bob, "still?");
    world.run(1s);
    CHECK(world.bob.texts().back() == "still?");
}

TEST_CASE("a certificate that runs out ends the session") {
    TransportWorld world;
    TransportHost& alice = world.add(
        world.federation.node("a.example", FederationKit::start(), proto::wall_from_seconds(testing::kit_epoch_s + 60)),
        1);
    TransportHost& bob = world.add("b.example", 2);
    bob.transport->hold(alice.id());
    world.say(alice, bob, "x");
    world.run(500s);
    REQUIRE(bob.down.size() == 1);
    CHECK(bob.down[0].reason == proto::Reason::expired);
}

TEST_CASE("both sides open at the same time and agree on one session for good") {
    for (int round = 0; round < 8; ++round) {
        TransportWorld world;
        TransportHost& alice = world.add("a.example", 20 + round);
        TransportHost& bob = world.add("b.example", 40 + round);
        world.say(alice, bob, "from alice");
        world.say(bob, alice, "from bob");
        world.run(1s);
        CHECK(bob.texts() == std::vector<std::string>{"from alice"});
        CHECK(alice.texts() == std::vector<std::string>{"from bob"});
        CHECK(alice.up.size() == 1);
        CHECK(bob.up.size() == 1);
        world.run(90s);  // the session that lost is gone at both ends
        world.say(alice, bob, "later");
        world.say(bob, alice, "later");
        world.run(1s);
        CHECK(bob.texts().back() == "later");
        CHECK(alice.texts().back() == "later");
        CHECK(alice.count("unknown_sent") + bob.count("unknown_sent") == 0);
    }
}

TEST_CASE("garbage from strangers: at most one rate-limited answer each, and nothing kept") {
    TransportPair world;
    proto::SeededRandom dice(5);
    for (int i = 0; i < 20'000; ++i) {
        proto::Bytes bytes(dice.below(1400));
        dice.fill(bytes);
        if (!bytes.empty() && i % 2 == 0) bytes[0] = static_cast<std::uint8_t>(1 + dice.below(5));
        const auto before = world.bob.count("datagrams_out");
        world.bob.transport->handle_input(world.now, address(100 + i), bytes);
        CHECK(world.bob.count("datagrams_out") - before <= 1);
        if (i % 100 == 0) world.collect_all();
    }
    CHECK(world.bob.count("datagrams_out") <= 2 * limits::stranger_answers_per_second);
    CHECK(world.bob.transport->peers().empty());
    world.air.clear();
    world.run(120s);
    CHECK(world.bob.transport->next_timeout() == proto::never);  // not even a timer is left
}

TEST_CASE("under load a cookie is asked for, and a member who shows it gets in") {
    TransportPair world;
    const NodeKit member = world.federation.node("c.example");
    // HELLOs of a real certificate with broken signatures, each from another address: they cost us signatures.
    proto::SeededRandom dice(5);
    const auto flood = [&](int count) {
        for (int i = 0; i < count; ++i) {
            Hello hello{dice.next(), 1, {}, 1, member.certificate, {}, {}};
            proto::Bytes bytes = encode_hello(hello, member.key);
            bytes[bytes.size() - 20] ^= 1;
            world.inject(
                {address(static_cast<std::uint32_t>(10'000 + dice.below(100'000))), {world.bob.endpoint, bytes}, {}});
        }
    };
    flood(3 * limits::handshakes_per_second);
    CHECK(world.bob.count("cookies_sent") > 0);
    CHECK(world.bob.count("refused_bad_signature") <= 2 * limits::handshakes_per_second);
    CHECK(world.bob.count("handshakes_answered") == 0);
    world.air.clear();
    const auto cookies = world.bob.count("cookies_sent");
    world.delay = 10us;  // so that bob is still under load
    world.say(world.alice, world.bob, "urgent");
    world.run(100ms);
    CHECK(world.bob.texts() == std::vector<std::string>{"urgent"});
    CHECK(world.bob.count("cookies_sent") == cookies + 1);
    // A cookie of one address is of no use at another.
    SeenDatagram hello = world.last(MessageKind::hello);
    hello.from = address(5);
    world.start(world.bob);
    flood(3 * limits::handshakes_per_second);
    const auto answered = world.bob.count("handshakes_answered");
    world.inject(hello);
    CHECK(world.bob.count("handshakes_answered") == answered);
}

TEST_CASE("a flood of valid handshakes stays within the rate of one address and the room of one domain") {
    TransportWorld world;
    TransportHost& bob = world.add("b.example", 2);
    std::vector<NodeKit> nodes;
    for (std::size_t i = 0; i < limits::peers_per_domain + 10; ++i) nodes.push_back(world.federation.node("a.example"));
    proto::SeededRandom dice(5);
    for (std::uint64_t round = 1; round <= 5; ++round) {
        for (const NodeKit& node : nodes) {
            const Exchange exchange(dice);
            const Hello hello{dice.next(), 1, exchange.public_key(), round, node.certificate, {}, {}};
            world.inject({address(3), {bob.endpoint, encode_hello(hello, node.key)}, {}});
        }
    }
    CHECK(bob.count("handshakes_answered") <= 2 * limits::handshakes_per_second_per_address);
    CHECK(bob.count("handshakes_answered") >= limits::peers_per_domain);
    CHECK(bob.count("refused_quota") > 0);
    CHECK(bob.transport->peers().empty());
    world.run(60s);
    world.say(bob, bob, "self");  // our own address is no member's: refused, and it does no harm
    world.run(10s);
    CHECK(bob.received.empty());
}

TEST_CASE("HELLOs are remembered for so many nodes; when that is full, no new node gets in, and those known still do") {
    sim::StandIn cheap;  // tens of thousands of handshakes
    TransportWorld world;
    constexpr std::size_t most = 2 * limits::peers;
    const auto domain_of = [](std::size_t node) { return "d" + std::to_string(node / 32) + ".example"; };
    for (std::size_t i = 0; i <= most + 1; i += 32) world.federation.add_domain(domain_of(i));
    TransportHost& bob = world.add("b.example", 2);
    proto::SeededRandom dice(5);
    const auto knock = [&](const NodeKit& node, std::uint32_t host, std::uint64_t round) {
        const Exchange exchange(dice);
        const Hello hello{dice.next(), 1, exchange.public_key(), round, node.certificate, {}, {}};
        bob.transport->handle_input(world.now, address(host), encode_hello(hello, node.key));
    };
    const auto first = world.federation.node(domain_of(0));
    knock(first, 1'000, 1);
    for (std::uint32_t i = 1; i < most; ++i) {
        if (i % 100 == 0) world.run(1s);
        knock(world.federation.node(domain_of(i)), 1'000 + i / 32, 1);
    }
    REQUIRE(bob.count("handshakes_answered") == most);
    CHECK(bob.count("refused_quota") == 0);
    world.run(1s);
    knock(world.federation.node(domain_of(most)), 900, 1);
    CHECK(bob.count("handshakes_answered") == most);
    CHECK(bob.count("refused_quota") == 1);
    knock(first, 1'000, 2);
    CHECK(bob.count("handshakes_answered") == most + 1);
    world.run(limits::hello_memory);
    knock(world.federation.node(domain_of(most + 1)), 901, 1);
    CHECK(bob.count("handshakes_answered") == most + 2);
}
