// The sealed transport between a few nodes on a small network: what works, and everything that must not.
#include "overlay/sealed_transport.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>

#include "overlay/handshake.hpp"
#include "proto/limits.hpp"
#include "tests/support/federation_kit.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using presmesh::tests::FederationKit;
using presmesh::tests::NodeKit;

namespace {

proto::Endpoint address(std::uint32_t host) {
    return proto::Endpoint::v4(0x0a000000 + host, 4000);
}

struct Host {
    NodeKit kit;
    proto::Endpoint endpoint;
    proto::SeededRandom random;
    std::unique_ptr<SealedTransport> transport;
    std::vector<Received> received;
    std::vector<PeerUp> up;
    std::vector<PeerDown> down;
    std::vector<ConnectFailed> failed;

    Host(NodeKit node, std::uint32_t host) : kit(std::move(node)), endpoint(address(host)), random(host) {}
    proto::NodeId id() const { return kit.id(); }
    std::uint64_t count(std::string_view name) const {
        for (const auto& [counter, value] : transport->counters()) {
            if (counter == name) return value;
        }
        return 0;
    }
    std::vector<std::string> texts() const {
        std::vector<std::string> out;
        for (const Received& one : received) out.emplace_back(proto::as_text(one.bytes));
        return out;
    }
};

proto::Bytes bytes_of(std::string_view text) {
    const auto view = proto::as_bytes(text);
    return {view.begin(), view.end()};
}

struct Flight {
    proto::Endpoint from;
    proto::Datagram datagram;
    proto::SteadyTime arrives;
};

/// Hosts, one constant delay, and a filter that may drop or change what flies.
struct World {
    FederationKit federation{7};
    proto::Now now{proto::SteadyTime{100s}, proto::wall_from_seconds(tests::kit_epoch_s)};
    proto::Duration delay = 10ms;
    std::map<proto::Endpoint, std::unique_ptr<Host>> hosts;
    std::deque<Flight> air;
    std::vector<Flight> seen;
    std::function<bool(Flight&)> filter = [](Flight&) { return true; };

    World() {
        federation.add_domain("a.example");
        federation.add_domain("b.example");
        federation.add_domain("c.example");
    }
    Host& add(const std::string& domain, std::uint32_t host) { return add(federation.node(domain), host); }
    Host& add(NodeKit kit, std::uint32_t host) {
        auto made = std::make_unique<Host>(std::move(kit), host);
        start(*made);
        return *(hosts[address(host)] = std::move(made));
    }
    void start(Host& host) {
        host.transport =
            std::make_unique<SealedTransport>(host.kit.key, host.kit.certificate, federation.share(), host.random);
    }
    void collect(Host& host) {
        while (auto datagram = host.transport->poll_output()) {
            Flight flight{host.endpoint, std::move(*datagram), now.steady + delay};
            if (filter(flight)) {
                seen.push_back(flight);
                air.push_back(std::move(flight));
            }
        }
        while (auto event = host.transport->poll_event()) {
            if (auto* one = std::get_if<Received>(&*event)) host.received.push_back(std::move(*one));
            if (auto* one = std::get_if<PeerUp>(&*event)) host.up.push_back(*one);
            if (auto* one = std::get_if<PeerDown>(&*event)) host.down.push_back(*one);
            if (auto* one = std::get_if<ConnectFailed>(&*event)) host.failed.push_back(*one);
        }
    }
    void collect_all() {
        for (auto& [endpoint, host] : hosts) collect(*host);
    }
    proto::SteadyTime next() const {
        proto::SteadyTime next = proto::never;
        for (const auto& [endpoint, host] : hosts) next = std::min(next, host->transport->next_timeout());
        return air.empty() ? next : std::min(next, air.front().arrives);
    }
    void advance_to(proto::SteadyTime to) {
        now.wall += to - now.steady;
        now.steady = to;
    }
    void run(proto::Duration span) {
        const auto end = now.steady + span;
        collect_all();
        while (next() <= end) {
            advance_to(std::max(now.steady, next()));
            while (!air.empty() && air.front().arrives <= now.steady) {
                const Flight flight = std::move(air.front());
                air.pop_front();
                inject(flight);
            }
            for (auto& [endpoint, host] : hosts) {
                if (host->transport->next_timeout() <= now.steady) host->transport->handle_timeout(now);
            }
            collect_all();
        }
        advance_to(end);
    }
    void inject(const Flight& flight) {
        const auto to = hosts.find(flight.datagram.to);
        if (to == hosts.end()) return;
        to->second->transport->handle_input(now, flight.from, flight.datagram.bytes);
        collect(*to->second);
    }
    void say(Host& from, Host& to, std::string_view text) {
        CHECK(from.transport->send_to(now, to.endpoint, channel_port, channel_port, bytes_of(text)).has_value());
    }
    static MessageKind kind(const Flight& flight) { return static_cast<MessageKind>(flight.datagram.bytes.at(0)); }
    Flight last(MessageKind kind_wanted) const {
        for (auto it = seen.rbegin(); it != seen.rend(); ++it) {
            if (kind(*it) == kind_wanted) return *it;
        }
        FAIL("no such datagram was sent");
        return {};
    }
};

struct PairWorld : World {
    Host& alice = add("a.example", 1);
    Host& bob = add("b.example", 2);
    void open() {
        say(alice, bob, "open");
        run(200ms);
        REQUIRE(bob.texts() == std::vector<std::string>{"open"});
        say(bob, alice, "opened");
        run(200ms);
        bob.received.clear();
        alice.received.clear();
    }
};

}  // namespace

TEST_CASE("two nodes shake hands, and what was queued arrives in order, both ways") {
    PairWorld world;
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

TEST_CASE("nothing that travels shows the plain bytes") {
    PairWorld world;
    world.say(world.alice, world.bob, "the plain text of a datagram");
    world.run(200ms);
    for (const Flight& flight : world.seen) {
        CHECK(proto::as_text(flight.datagram.bytes).find("plain text") == std::string_view::npos);
    }
}

TEST_CASE("a handshake survives the loss of any of its datagrams") {
    for (int lost = 0; lost < 3; ++lost) {
        PairWorld world;
        int sent = 0;
        world.filter = [&](Flight&) { return sent++ != lost; };
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
    PairWorld world;
    std::vector<proto::Duration> at;
    const auto begin = world.now.steady;
    world.filter = [&](Flight&) {
        at.push_back(world.now.steady - begin);
        return false;
    };
    CHECK(world.alice.transport->connect(world.now, world.bob.endpoint).has_value());
    world.run(10s);
    CHECK(at == std::vector<proto::Duration>{0ms, 250ms, 750ms, 1750ms, 3750ms});
    REQUIRE(world.alice.failed.size() == 1);
    CHECK(world.alice.failed[0].endpoint == world.bob.endpoint);
}

TEST_CASE("a replayed datagram is delivered once, an old one too late not at all") {
    PairWorld world;
    world.open();
    world.say(world.alice, world.bob, "once");
    world.run(100ms);
    const Flight data = world.last(MessageKind::data);
    world.inject(data);
    world.inject(data);
    CHECK(world.bob.texts() == std::vector<std::string>{"once"});
    CHECK(world.bob.count("refused_replayed") == 2);
}

TEST_CASE("datagrams out of order are all taken within the window") {
    PairWorld world;
    world.open();
    world.filter = [](Flight&) { return true; };
    for (std::size_t i = 0; i < 500; ++i) world.say(world.alice, world.bob, std::to_string(i));
    world.collect_all();
    std::reverse(world.air.begin(), world.air.end());
    world.run(100ms);
    CHECK(world.bob.received.size() == 500);
    for (const Flight& flight : std::vector<Flight>(world.seen)) {
        if (World::kind(flight) == MessageKind::data) world.inject(flight);
    }
    CHECK(world.bob.received.size() == 500);
}

TEST_CASE("answers that nobody answers are no silence: the session stays") {
    PairWorld world;
    world.open();
    const auto before = world.bob.count("handshakes_started") + world.alice.count("handshakes_started");
    for (int i = 0; i < 8; ++i) {
        world.say(world.alice, world.bob, "question");
        world.run(100ms);
        world.say(world.bob, world.alice, "answer");
        world.run(1min);
        world.say(world.bob, world.alice, "question");
        world.run(100ms);
        world.say(world.alice, world.bob, "answer");
        world.run(1min);
    }
    CHECK(world.alice.received.size() >= 16);
    CHECK(world.bob.count("handshakes_started") + world.alice.count("handshakes_started") == before);
}

TEST_CASE("the replay window, counter by counter") {
    ReplayWindow window;
    CHECK(window.is_fresh(0));
    CHECK(window.mark(0));
    CHECK_FALSE(window.is_fresh(0));
    CHECK(window.mark(5000));
    CHECK_FALSE(window.is_fresh(5000 - limits::replay_window));
    CHECK(window.is_fresh(5001 - limits::replay_window));
    CHECK_FALSE(window.mark(5001 - limits::replay_window));
    CHECK_FALSE(window.is_fresh(5001 - limits::replay_window));
    for (std::uint64_t i = 4000; i < 5000; ++i) {
        CHECK(window.is_fresh(i));
        window.mark(i);
        CHECK_FALSE(window.is_fresh(i));
    }
    CHECK(window.mark(UINT64_MAX - 1));
    CHECK_FALSE(window.is_fresh(5000));
}

TEST_CASE("a change of any byte of any datagram is refused, and harms nothing") {
    for (const MessageKind kind : {MessageKind::hello, MessageKind::welcome, MessageKind::data}) {
        PairWorld sample;
        sample.open();
        const std::size_t size = sample.last(kind).datagram.bytes.size();
        for (std::size_t at = 0; at < size; ++at) {
            PairWorld world;
            bool changed = false;
            world.filter = [&](Flight& flight) {
                const bool cookie = kind == MessageKind::hello && at >= size - 16;
                if (!changed && !cookie && World::kind(flight) == kind && at < flight.datagram.bytes.size()) {
                    flight.datagram.bytes[at] ^= 0x20;
                    changed = true;
                }
                return true;
            };
            world.say(world.alice, world.bob, "x");
            world.run(50ms);
            // Before anything is sent again: the changed HELLO or WELCOME made no session at the side that read it.
            if (changed && kind == MessageKind::hello) CHECK(world.bob.count("handshakes_answered") == 0);
            if (changed && kind == MessageKind::welcome) CHECK(world.alice.up.empty());
            world.run(3s);
            if (changed && kind == MessageKind::data) world.say(world.alice, world.bob, "again");
            world.run(100ms);
            CHECK(world.bob.transport->peer(world.alice.id()) != nullptr);
            if (kind != MessageKind::data) CHECK(world.bob.texts() == std::vector<std::string>{"x"});
        }
    }
}

TEST_CASE("strangers get nothing: another federation, a forged certificate, a foreign key, an expired certificate") {
    PairWorld world;
    FederationKit elsewhere{99};
    elsewhere.add_domain("a.example");
    elsewhere.add_domain("z.example");
    Host& forged = world.add(elsewhere.node("a.example"), 11);
    Host& unknown = world.add(elsewhere.node("z.example"), 12);
    Host& expired = world.add(
        world.federation.node("c.example", FederationKit::start(), proto::wall_from_seconds(tests::kit_epoch_s - 3600)),
        13);
    Host& early =
        world.add(world.federation.node("c.example", proto::wall_from_seconds(tests::kit_epoch_s + 3600)), 14);
    NodeKit stolen = world.federation.node("c.example");
    stolen.key = elsewhere.node("z.example").key;
    Host& thief = world.add(stolen, 15);
    for (Host* host : {&forged, &unknown, &expired, &early, &thief}) {
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
    for (const Flight& flight : world.seen) CHECK(flight.from != world.bob.endpoint);
}

TEST_CASE("the answer too must come from a member") {
    PairWorld world;
    FederationKit elsewhere{99};
    elsewhere.add_domain("z.example");
    elsewhere.add_domain("a.example");
    Host& stranger = world.add(elsewhere.node("z.example"), 11);
    // The stranger admits alice's domain by alice's real key, so that it does answer.
    FederationKit both{7};
    both.add_domain("a.example");
    stranger.transport->set_federation(world.now, both.share());
    world.say(world.alice, stranger, "secret");
    world.run(10s);
    CHECK(stranger.received.empty());
    CHECK(world.alice.count("refused_not_admitted") >= 1);
    CHECK(world.alice.failed.size() == 1);
}

TEST_CASE("an old HELLO opens nothing again") {
    PairWorld world;
    world.open();
    const Flight old = world.last(MessageKind::hello);
    // Alice restarts and shakes hands anew; then the old HELLO comes back from somebody who kept it.
    world.start(world.alice);
    world.say(world.alice, world.bob, "new");
    world.run(200ms);
    const auto answered = world.bob.count("handshakes_answered");
    const auto sent = world.bob.count("datagrams_out");
    Flight replay = old;
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
    PairWorld world;
    world.open();
    const Flight hello = world.last(MessageKind::hello);
    const auto sent = world.bob.count("datagrams_out");
    for (int i = 0; i < 5 * limits::stranger_answers_per_second; ++i) world.inject(hello);
    CHECK(world.bob.count("datagrams_out") - sent == 2 * limits::stranger_answers_per_second);
    CHECK(world.bob.count("refused_replayed") == 3 * limits::stranger_answers_per_second);
}

TEST_CASE("answers to one HELLO that are wrong cost a bounded number of signature checks") {
    PairWorld world;
    Flight welcome;
    world.filter = [&](Flight& flight) {
        if (World::kind(flight) != MessageKind::welcome) return true;
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
    world.filter = [](Flight&) { return true; };
    world.run(60s);
    world.say(world.alice, world.bob, "with the next HELLO");
    world.run(1s);
    CHECK(world.bob.texts() == std::vector<std::string>{"with the next HELLO"});
}

TEST_CASE("a HELLO replayed to a node that forgot it makes no peer and ends no session") {
    PairWorld world;
    world.open();
    const Flight old = world.last(MessageKind::hello);
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

TEST_CASE("one side restarts: UNKNOWN makes a new session and what was lost is sent again") {
    PairWorld world;
    world.open();
    world.start(world.bob);
    world.say(world.alice, world.bob, "lost at first");
    world.say(world.alice, world.bob, "and this");
    world.run(500ms);
    CHECK(world.bob.texts() == std::vector<std::string>{"lost at first", "and this"});
    REQUIRE(world.alice.up.size() == 2);
    CHECK_FALSE(world.alice.up[0].restarted);
    CHECK(world.alice.up[1].restarted);
}

TEST_CASE("what was sent long before the restart is not sent again") {
    PairWorld world;
    world.open();
    world.say(world.alice, world.bob, "long ago");
    world.run(60s);
    world.start(world.bob);
    world.bob.received.clear();
    world.say(world.alice, world.bob, "now");
    world.run(1s);
    CHECK(world.bob.texts() == std::vector<std::string>{"now"});
}

TEST_CASE("a forged UNKNOWN ends nothing") {
    PairWorld world;
    world.open();
    world.say(world.alice, world.bob, "x");
    world.run(100ms);
    world.bob.received.clear();
    const Flight data = world.last(MessageKind::data);
    const SessionId bobs = get_u64(proto::BytesView(data.datagram.bytes).subspan(1, 8));
    for (int i = 0; i < 100; ++i) {
        world.inject({world.bob.endpoint, {world.alice.endpoint, encode_unknown(bobs)}, {}});
    }
    CHECK(world.alice.transport->peer(world.bob.id()) != nullptr);
    CHECK(world.alice.count("handshakes_started") == 2);
    // Nobody answers the handshake it caused: the session goes on.
    world.filter = [](Flight& flight) { return World::kind(flight) == MessageKind::data; };
    world.say(world.alice, world.bob, "waits");
    world.run(10s);
    CHECK(world.bob.texts() == std::vector<std::string>{"waits"});
    CHECK(world.alice.down.empty());
    CHECK(world.alice.failed.empty());
}

TEST_CASE("what was meant for one node never goes to another that took its address") {
    PairWorld world;
    world.open();
    Host usurper(world.federation.node("c.example"), 2);
    world.start(usurper);
    std::swap(world.bob.kit, usurper.kit);
    world.start(world.bob);  // another member's node lives at bob's address now
    CHECK(world.alice.transport->send(world.now, usurper.id(), channel_port, channel_port, bytes_of("for bob"))
              .has_value());
    world.run(100ms);
    CHECK(world.alice.transport->send(world.now, usurper.id(), channel_port, channel_port, bytes_of("bob only"))
              .has_value());
    world.run(10s);
    CHECK(world.bob.texts().empty());
}

TEST_CASE("a peer is followed to another address, by its newest datagram only") {
    PairWorld world;
    world.open();
    const Flight old = world.last(MessageKind::data);
    auto moved = std::move(world.hosts.at(world.alice.endpoint));
    world.hosts.erase(moved->endpoint);
    moved->endpoint = address(9);
    world.hosts[moved->endpoint] = std::move(moved);
    CHECK(world.alice.transport->send(world.now, world.bob.id(), 8, 8, bytes_of("from elsewhere")).has_value());
    world.run(100ms);
    CHECK(world.bob.transport->peer(world.alice.id())->endpoint == address(9));
    CHECK(world.bob.transport->send(world.now, world.alice.id(), 8, 8, bytes_of("found you")).has_value());
    world.run(100ms);
    CHECK(world.alice.texts() == std::vector<std::string>{"found you"});
    Flight replay = old;
    replay.from = address(77);
    world.inject(replay);
    CHECK(world.bob.transport->peer(world.alice.id())->endpoint == address(9));
}

TEST_CASE("revoked and removed at run time: the session ends at once, and no new one is made") {
    for (const bool whole_domain : {false, true}) {
        PairWorld world;
        world.open();
        whole_domain ? world.federation.remove_domain("a.example") : world.federation.revoke(world.alice.kit);
        world.bob.transport->set_federation(world.now, world.federation.share());
        world.collect_all();
        REQUIRE(world.bob.down.size() == 1);
        CHECK(world.bob.down[0].reason == (whole_domain ? proto::Reason::not_admitted : proto::Reason::revoked));
        world.say(world.alice, world.bob, "still?");
        world.run(20s);
        CHECK(world.bob.received.empty());
        CHECK(world.bob.transport->peers().empty());
    }
}

TEST_CASE("a certificate that runs out ends the session") {
    World world;
    Host& alice = world.add(
        world.federation.node("a.example", FederationKit::start(), proto::wall_from_seconds(tests::kit_epoch_s + 60)),
        1);
    Host& bob = world.add("b.example", 2);
    bob.transport->hold(alice.id());
    world.say(alice, bob, "x");
    world.run(500s);
    REQUIRE(bob.down.size() == 1);
    CHECK(bob.down[0].reason == proto::Reason::expired);
}

TEST_CASE("both sides open at the same time and agree on one session for good") {
    for (int round = 0; round < 8; ++round) {
        World world;
        Host& alice = world.add("a.example", 20 + round);
        Host& bob = world.add("b.example", 40 + round);
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

TEST_CASE("a held session is renewed again and again, and nothing is lost meanwhile") {
    PairWorld world;
    world.open();
    world.alice.transport->hold(world.bob.id());
    world.bob.transport->hold(world.alice.id());
    int said = 0;
    for (int i = 0; i < 600; ++i) {
        world.say(world.alice, world.bob, std::to_string(said++));
        world.say(world.bob, world.alice, "ack");
        world.run(30s);
    }
    CHECK(world.bob.received.size() == static_cast<std::size_t>(said));
    CHECK(world.alice.count("handshakes_started") + world.bob.count("handshakes_started") >= 5);
    CHECK(world.alice.count("handshakes_started") + world.bob.count("handshakes_started") <= 10);
    CHECK(world.alice.up.size() == 1);
    CHECK(world.alice.down.empty());
}

TEST_CASE("an idle session ends, a held one does not") {
    PairWorld world;
    Host& carol = world.add("c.example", 3);
    world.open();
    world.say(world.alice, carol, "hi");
    world.run(1s);
    world.alice.transport->hold(carol.id());
    world.run(400s);
    REQUIRE(world.alice.down.size() == 1);
    CHECK(world.alice.down[0].node == world.bob.id());
    CHECK(world.alice.down[0].reason == proto::Reason::unavailable);
    CHECK(world.alice.transport->peer(carol.id()) != nullptr);
    world.alice.transport->release(carol.id());
    world.run(60s);
    CHECK(world.alice.transport->peers().empty());
}

TEST_CASE("a peer that fell silent is asked again while we send") {
    PairWorld world;
    world.open();
    bool cut = true;
    world.filter = [&](Flight& flight) { return !cut || flight.from != world.bob.endpoint; };
    for (int i = 0; i < 15; ++i) {
        world.say(world.alice, world.bob, "anyone?");
        world.run(1s);
    }
    CHECK(world.alice.count("handshakes_started") == 2);
}

TEST_CASE("datagrams over the bound and too many waiting are refused to the caller by name") {
    PairWorld world;
    const auto large =
        world.alice.transport->send_to(world.now, world.bob.endpoint, 8, 8, proto::Bytes(limits::datagram_bytes + 1));
    REQUIRE_FALSE(large.has_value());
    CHECK(large.error().reason == proto::Reason::too_large);
    for (std::size_t i = 0; i < limits::queued_per_handshake; ++i) world.say(world.alice, world.bob, "x");
    const auto many = world.alice.transport->send_to(world.now, world.bob.endpoint, 8, 8, {});
    REQUIRE_FALSE(many.has_value());
    CHECK(many.error().reason == proto::Reason::quota);
    const auto nobody = world.alice.transport->send(world.now, world.bob.id(), 8, 8, {});
    REQUIRE_FALSE(nobody.has_value());
    CHECK(nobody.error().reason == proto::Reason::unavailable);
    for (std::uint32_t i = 0; i < 2 * limits::pending_handshakes; ++i) {
        (void)world.alice.transport->connect(world.now, address(1000 + i));
    }
    CHECK(world.alice.count("handshakes_pending") == limits::pending_handshakes);
}

TEST_CASE("garbage from strangers: at most one rate-limited answer each, and nothing kept") {
    PairWorld world;
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
    PairWorld world;
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
    Flight hello = world.last(MessageKind::hello);
    hello.from = address(5);
    world.start(world.bob);
    flood(3 * limits::handshakes_per_second);
    const auto answered = world.bob.count("handshakes_answered");
    world.inject(hello);
    CHECK(world.bob.count("handshakes_answered") == answered);
}

TEST_CASE("a flood of valid handshakes stays within the rate of one address and the room of one domain") {
    World world;
    Host& bob = world.add("b.example", 2);
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
