// A session of the sealed transport: what is delivered, what is refused, how it is renewed and how it ends.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/transport_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
namespace limits = presmesh::proto::limits;

TEST_CASE("nothing that travels shows the plain bytes") {
    TransportPair world;
    world.say(world.alice, world.bob, "the plain text of a datagram");
    world.run(200ms);
    for (const SeenDatagram& flight : world.seen) {
        CHECK(proto::as_text(flight.datagram.bytes).find("plain text") == std::string_view::npos);
    }
}

TEST_CASE("a replayed datagram is delivered once, an old one too late not at all") {
    TransportPair world;
    world.open();
    world.say(world.alice, world.bob, "once");
    world.run(100ms);
    const SeenDatagram data = world.last(MessageKind::data);
    world.inject(data);
    world.inject(data);
    CHECK(world.bob.texts() == std::vector<std::string>{"once"});
    CHECK(world.bob.count("refused_replayed") == 2);
}

TEST_CASE("datagrams out of order are all taken within the window") {
    TransportPair world;
    world.open();
    world.filter = [](SeenDatagram&) { return true; };
    for (std::size_t i = 0; i < 500; ++i) world.say(world.alice, world.bob, std::to_string(i));
    world.collect_all();
    std::reverse(world.air.begin(), world.air.end());
    world.run(100ms);
    CHECK(world.bob.received.size() == 500);
    for (const SeenDatagram& flight : std::vector<SeenDatagram>(world.seen)) {
        if (TransportWorld::kind(flight) == MessageKind::data) world.inject(flight);
    }
    CHECK(world.bob.received.size() == 500);
}

TEST_CASE("answers that nobody answers are no silence: the session stays") {
    TransportPair world;
    world.open();
    const auto before = world.bob.count("handshakes_started") + world.alice.count("handshakes_started");
    const auto between = (limits::session_silence + limits::session_idle) / 2;
    for (int i = 0; i < 8; ++i) {
        world.say(world.alice, world.bob, "question");
        world.run(100ms);
        world.say(world.bob, world.alice, "answer");
        world.run(between);
        world.say(world.bob, world.alice, "question");
        world.run(100ms);
        world.say(world.alice, world.bob, "answer");
        world.run(between);
    }
    CHECK(world.alice.received.size() >= 16);
    CHECK(world.bob.count("handshakes_started") + world.alice.count("handshakes_started") == before);
}

TEST_CASE("a session that was used for long outlives one that was used once, at both ends") {
    for (const auto used : {proto::Duration{1s}, proto::Duration{10s}, proto::Duration{10min}}) {
        TransportPair world;
        world.open();
        for (const auto until = world.now.steady + used; world.now.steady < until;) {
            world.run(std::min<proto::Duration>(used, limits::session_idle) - 100ms);
            world.say(world.alice, world.bob, "question");
            world.run(50ms);
            world.say(world.bob, world.alice, "answer");
            world.run(50ms);
        }
        const auto ended = [&] { return std::pair(world.alice.down.size(), world.bob.down.size()); };
        const auto both = std::pair<std::size_t, std::size_t>(1, 1);
        const auto kept = std::clamp<proto::Duration>(limits::session_idle_times * used, limits::session_idle,
                                                      limits::session_idle_most);
        world.run(kept - 1s);
        CHECK(ended() == std::pair<std::size_t, std::size_t>(0, 0));
        world.run(limits::transport_sweep + 2s);
        CHECK(ended() == both);
    }
}

TEST_CASE("a session that was just answered for does not end with the idle one before it") {
    TransportPair world;
    world.open();
    const auto sweep = world.bob.transport->next_timeout();
    world.run(sweep - world.now.steady - 1500ms);
    REQUIRE(world.bob.down.empty());
    world.start(world.alice);
    world.delay = 1s;  // the sweep comes between bob's WELCOME and the first DATA under it
    world.say(world.alice, world.bob, "again");
    world.run(5s);
    CHECK(world.bob.down.empty());
    CHECK(world.alice.count("handshakes_started") == 1);
    REQUIRE_FALSE(world.bob.texts().empty());
    CHECK(world.bob.texts().back() == "again");
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
        TransportPair sample;
        sample.open();
        const std::size_t size = sample.last(kind).datagram.bytes.size();
        for (std::size_t at = 0; at < size; ++at) {
            TransportPair world;
            bool changed = false;
            world.filter = [&](SeenDatagram& flight) {
                const bool cookie = kind == MessageKind::hello && at >= size - 16;
                if (!changed && !cookie && TransportWorld::kind(flight) == kind && at < flight.datagram.bytes.size()) {
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

TEST_CASE("one side restarts: UNKNOWN makes a new session and what was lost is sent again") {
    TransportPair world;
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

TEST_CASE("who starts anew after its wall clock was set back is answered at once") {
    TransportPair world;
    const auto connect = [&](proto::Duration ahead) {
        world.alice.up.clear();
        const proto::Now hers{world.now.steady, world.now.wall + ahead};
        REQUIRE(world.alice.transport->connect(hers, world.bob.endpoint));
        world.run(1s);
        return world.alice.up.size() == 1;
    };
    SUBCASE("its own alone") {
        REQUIRE(connect(2h));
        world.start(world.alice);
        CHECK(connect(0h));
    }
    SUBCASE("everybody's") {
        REQUIRE(connect(0h));
        world.now.wall -= 2h;
        world.start(world.alice);
        CHECK(connect(0h));
    }
}

TEST_CASE("what was sent long before the restart is not sent again") {
    TransportPair world;
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
    TransportPair world;
    world.open();
    world.say(world.alice, world.bob, "x");
    world.run(100ms);
    world.bob.received.clear();
    const SeenDatagram data = world.last(MessageKind::data);
    const SessionId bobs = get_u64(proto::BytesView(data.datagram.bytes).subspan(1, 8));
    for (int i = 0; i < 100; ++i) {
        world.inject({world.bob.endpoint, {world.alice.endpoint, encode_unknown(bobs)}, {}});
    }
    CHECK(world.alice.transport->peer(world.bob.id()) != nullptr);
    CHECK(world.alice.count("handshakes_started") == 2);
    // Nobody answers the handshake it caused: the session goes on.
    world.filter = [](SeenDatagram& flight) { return TransportWorld::kind(flight) == MessageKind::data; };
    world.say(world.alice, world.bob, "waits");
    world.run(10s);
    CHECK(world.bob.texts() == std::vector<std::string>{"waits"});
    CHECK(world.alice.down.empty());
    CHECK(world.alice.failed.empty());
}

TEST_CASE("what was meant for one node never goes to another that took its address") {
    TransportPair world;
    world.open();
    TransportHost usurper(world.federation.node("c.example"), 2);
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

TEST_CASE("a peer is followed to another address, when it answers there") {
    TransportPair world;
    world.open();
    const SeenDatagram old = world.last(MessageKind::data);
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
    SeenDatagram replay = old;
    replay.from = address(77);
    world.inject(replay);
    CHECK(world.bob.transport->peer(world.alice.id())->endpoint == address(9));
}

TEST_CASE("a member that writes a stranger's address sends nothing there but a greeting a second") {
    TransportPair world;
    world.open();
    const auto victim = address(66);
    std::size_t hit = 0;
    world.filter = [&](SeenDatagram& flight) {
        if (flight.from == world.alice.endpoint && TransportWorld::kind(flight) == MessageKind::data)
            flight.from = victim;
        hit += flight.datagram.to == victim ? 1 : 0;
        return true;
    };
    for (int i = 0; i < 200; ++i) {
        CHECK(world.alice.transport->send(world.now, world.bob.id(), 8, 8, bytes_of("flood it")).has_value());
        world.run(10ms);
        CHECK(world.bob.transport->send(world.now, world.alice.id(), 8, 8, bytes_of("answer")).has_value());
        world.run(10ms);
    }
    CHECK(world.alice.texts().size() == 200);
    CHECK(hit <= 4 * proto::limits::hello_attempts);  // in four seconds
    CHECK(hit >= 1);
}

TEST_CASE("a member that writes another node's address does not get what is sent there") {
    TransportPair world;
    auto& carol = world.add("c.example", 3);
    bool known = true;
    SUBCASE("where we have a session with that node") {
        world.open();
        world.say(carol, world.alice, "hello");
        world.run(100ms);
        CHECK(carol.transport->send(world.now, world.alice.id(), 8, 8, bytes_of("forged")).has_value());
    }
    SUBCASE("and not when the datagram is the first of a session") {
        world.open();
        world.filter = [&](SeenDatagram& flight) {
            if (flight.from == carol.endpoint && TransportWorld::kind(flight) == MessageKind::data)
                flight.from = world.bob.endpoint;
            return true;
        };
        world.say(carol, world.alice, "hello");
    }
    SUBCASE("where we have none, once it has moved on") {
        known = false;
        world.say(carol, world.alice, "hello");
        world.run(100ms);
        CHECK(carol.transport->send(world.now, world.alice.id(), 8, 8, bytes_of("forged")).has_value());
    }
    if (!world.filter) world.filter = [](SeenDatagram&) { return true; };
    // What is under way from carol says that it comes from bob; the next one does not.
    world.collect(carol);
    for (auto& flight : world.air)
        if (flight.from == carol.endpoint && TransportWorld::kind(flight) == MessageKind::data)
            flight.from = world.bob.endpoint;
    world.run(100ms);
    world.filter = [](SeenDatagram&) { return true; };
    if (known) {
        world.say(world.alice, world.bob, "at once");
        world.run(100ms);
        CHECK(world.bob.texts() == std::vector<std::string>{"at once"});
    }
    CHECK(carol.transport->send(world.now, world.alice.id(), 8, 8, bytes_of("from here")).has_value());
    world.run(5s);
    world.alice.up.clear();
    CHECK(world.alice.transport->connect(world.now, world.bob.endpoint).has_value());
    world.run(1s);
    REQUIRE_FALSE(world.alice.up.empty());
    CHECK(world.alice.up.back().node == world.bob.id());
    world.say(world.alice, world.bob, "for bob");
    world.run(1s);
    REQUIRE_FALSE(world.bob.texts().empty());
    CHECK(world.bob.texts().back() == "for bob");
    CHECK(std::ranges::count(carol.texts(), "for bob") == 0);
    CHECK(world.alice.transport->peer(carol.id())->endpoint == carol.endpoint);
}

TEST_CASE("a held session is renewed again and again, and nothing is lost meanwhile") {
    TransportPair world;
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
    TransportPair world;
    TransportHost& carol = world.add("c.example", 3);
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

TEST_CASE("of a node that is busy, what is no longer held or was used but once ends with the next sweep") {
    for (const auto phase : {0s, 10s, 20s}) {
        TransportPair world;
        TransportHost& carol = world.add("c.example", 3);
        world.open();
        world.say(world.alice, carol, "hi");
        const auto keep_busy = [&](proto::Duration span) {
            for (const auto until = world.now.steady + span; world.now.steady < until;) {
                world.say(world.bob, world.alice, "busy");
                world.run(1s);
            }
        };
        keep_busy(1s);
        world.alice.transport->hold(carol.id());
        keep_busy(2min + phase);
        REQUIRE(world.alice.down.empty());
        world.alice.transport->release(carol.id());
        keep_busy(limits::transport_sweep_busy + 1s);
        REQUIRE(world.alice.down.size() == 1);
        CHECK(world.alice.down[0].node == carol.id());
        // The same node again: its session is a new one, and as short-lived as any.
        world.say(world.alice, carol, "again");
        keep_busy(limits::session_idle - 1s);
        CHECK(world.alice.down.size() == 1);
        keep_busy(limits::transport_sweep_busy + 2s);
        CHECK(world.alice.down.size() == 2);
    }
}

TEST_CASE("a peer that fell silent is asked again while we send") {
    TransportPair world;
    world.open();
    bool cut = true;
    world.filter = [&](SeenDatagram& flight) { return !cut || flight.from != world.bob.endpoint; };
    for (int i = 0; i < 15; ++i) {
        world.say(world.alice, world.bob, "anyone?");
        world.run(1s);
    }
    CHECK(world.alice.count("handshakes_started") == 2);
}

TEST_CASE("what went under a session that its other end has given up is sent again, whichever answer comes first") {
    TransportPair world;
    world.open();
    world.alice.transport->hold(world.bob.id());
    bool cut = true;
    bool late = false;
    std::vector<SeenDatagram> held_up;
    world.filter = [&](SeenDatagram& flight) {
        if (!late || world.kind(flight) != MessageKind::data) return !cut;
        held_up.push_back(flight);
        return false;
    };
    for (int i = 0; i < 6; ++i) {
        world.say(world.alice, world.bob, "anyone?");
        world.run(20s);
    }
    REQUIRE(world.bob.transport->peers().empty());
    REQUIRE(world.alice.transport->peer(world.bob.id()) != nullptr);
    cut = false;
    SUBCASE("that the session is unknown") {}
    SUBCASE("the answer to a handshake that began with it") {
        late = true;
    }
    world.say(world.alice, world.bob, "now");
    world.run(world.delay);
    late = false;
    for (const auto& flight : held_up) world.inject(flight);
    world.run(1s);
    CHECK(world.bob.texts() == std::vector<std::string>{"now"});
    CHECK(world.alice.transport->peer(world.bob.id()) != nullptr);
}

TEST_CASE("a handshake that had asked for the last time when the network became whole asks once more") {
    TransportPair world;
    world.open();
    world.alice.transport->hold(world.bob.id());
    bool cut = true;
    world.filter = [&](SeenDatagram&) { return !cut; };
    for (int i = 0; i < 6; ++i) {
        world.say(world.alice, world.bob, "anyone?");
        world.run(20s);
    }
    REQUIRE(world.bob.transport->peers().empty());
    const auto started = world.alice.count("handshakes_started");
    world.say(world.alice, world.bob, "anyone?");
    world.run(4s);
    REQUIRE(world.alice.count("handshakes_started") == started + 1);
    cut = false;
    world.say(world.alice, world.bob, "now");
    world.run(500ms);
    CHECK(world.alice.count("handshakes_started") == started + 1);
    const auto texts = world.bob.texts();
    CHECK(std::count(texts.begin(), texts.end(), "now") == 1);
}

TEST_CASE("datagrams over the bound and too many waiting are refused to the caller by name") {
    TransportPair world;
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
    for (const auto& fill : world.alice.transport->fills())
        if (fill.name == "handshakes") CHECK(fill.used == limits::pending_handshakes);
}
