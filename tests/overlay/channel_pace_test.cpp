// When one channel sends, how often and how much; what of its peer it puts up with.
#include "overlay/channel.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/channel_peer.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

TEST_CASE("unacknowledged, a document is sent again at a slowing pace, and only its newest") {
    ChannelPeer peer;
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    peer.channel.source().answer(1, {WatchState::active, 0, {}}, std::nullopt, {{1, 1}, online("phone", "1")});
    REQUIRE(peer.hear_all<proto::DocumentMessage>().size() == 1);
    peer.channel.source().set_value(alice, 0, {{1, 2}, online("phone", "2")});
    REQUIRE(peer.hear_all<proto::DocumentMessage>().size() == 1);
    std::vector<proto::DocumentMessage> again;
    for (int i = 0; i < 100; ++i) {
        peer.wait(100ms);
        for (auto& one : peer.hear_all<proto::DocumentMessage>()) again.push_back(one);
    }
    CHECK(again.size() >= 3);
    CHECK(again.size() <= 6);
    for (const auto& one : again) CHECK(one.sequence.counter == 2);
}

TEST_CASE("who is heard again after a silence is told what it missed with the first answer") {
    for (const auto silence : {40s, 300s}) {
        ChannelPeer peer;
        peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
        peer.channel.source().answer(1, {WatchState::active, 0, {}}, std::nullopt, {{1, 1}, online("phone", "1")});
        peer.hear();
        peer.say({proto::AckMessage{1, 0}});
        peer.channel.source().set_value(alice, 0, {{1, 2}, online("phone", "2")});
        const auto resends = [&](proto::Duration span) {
            std::size_t count = 0;
            for (const auto end = peer.time + span; peer.time < end; peer.wait(100ms))
                count += peer.hear_all<proto::DocumentMessage>().size();
            return count;
        };
        resends(silence);
        while (resends(100ms) == 0) continue;
        resends(2s);
        peer.say({proto::LeaseMessage{30'000}});
        const auto packets = peer.hear();
        REQUIRE(!packets.empty());
        CHECK(told<proto::AckMessage>(packets.front()).size() == 1);
        CHECK(told<proto::DocumentMessage>(packets.front()).size() == 1);
        // Who goes on talking and acknowledges nothing makes no more of it than four a second.
        std::size_t again = 0;
        for (int i = 0; i < 100; ++i) {
            peer.say({proto::LeaseMessage{30'000}});
            again += resends(100ms);
        }
        CHECK(again <= 34);  // at every third of what is said
        CHECK(again >= 20);
    }
}

TEST_CASE("who is heard again is told at once what it missed, however young the last attempt") {
    ChannelPeer peer;
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    peer.channel.source().answer(1, {WatchState::active, 0, {}}, std::nullopt, {{1, 1}, online("phone", "1")});
    peer.hear();
    peer.say({proto::AckMessage{1, 0}});
    // Its packets come in all the time: only ours are lost. New documents leave whenever the window lets them.
    for (std::uint64_t i = 2; i < 80; ++i) {
        peer.channel.source().set_value(alice, 0, {{1, i}, online("phone", std::to_string(i))});
        peer.hear_all<proto::DocumentMessage>();
        peer.wait(500ms);
    }
    while (peer.hear_all<proto::DocumentMessage>().empty()) peer.wait(10ms);
    peer.wait(10ms);
    peer.say({proto::LeaseMessage{30'000}});
    const auto packets = peer.hear();
    REQUIRE(!packets.empty());
    CHECK(told<proto::DocumentMessage>(packets.front()).size() == 1);
}

TEST_CASE("a source that is back is asked at once, so that it tells what was missed") {
    ChannelPeer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt},
              proto::DocumentMessage{3, {1, 1}, 0, 1, online()->bytes}});
    for (int i = 0; i < 600; ++i) {
        peer.wait(100ms);
        peer.hear();
    }
    REQUIRE(peer.channel.liveness() == Liveness::unknown);
    REQUIRE(peer.channel.handle_input(
        at(peer.time), encode(proto::ChannelPacket{{peer.memory, 1000, 0}, {proto::LeaseMessage{30'000}}})));
    CHECK(peer.channel.liveness() == Liveness::live);
    CHECK(peer.hear_all<proto::LeaseMessage>().size() == 1);
}

TEST_CASE("what is over for a peer out of reach is bounded, and what still counts comes first when it is back") {
    ChannelPeer peer;
    auto& watcher = peer.channel.watcher();
    const auto standing = watcher.watch(alice, bob);
    std::uint64_t memory = 1000;
    bool session = false;
    bool leases = false;
    SUBCASE("with no session") {}
    SUBCASE("with a session in which nobody answers") {
        session = true;
    }
    SUBCASE("with a peer that says it is alive, and acknowledges nothing") {
        session = leases = true;
    }
    std::size_t most = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto fetched = uri("user" + std::to_string(i) + "@a.example");
        const auto watch = watcher.watch(fetched, bob);
        const auto query = watcher.query(fetched);
        if (session) {
            peer.hear();
            peer.wait(20s);
        }
        if (leases) peer.say({proto::LeaseMessage{30'000}}, memory);
        watcher.unwatch(watch);
        watcher.cancel_query(query);
        if (peer.channel.is_overgrown()) peer.channel.forget_peer(++memory);
        most = std::max(most, peer.channel.leftovers());
    }
    CHECK(most <= limits::channel_leftovers + 8);
    CHECK(watcher.queries() == 0);
    CHECK(watcher.ending() <= limits::channel_leftovers + 8);
    if (session) {
        CHECK(memory > 1000);
        peer.channel.forget_peer(++memory);
    }
    peer.channel.session_made();
    bool asked = false;
    for (std::size_t packets = 0; !asked && packets < 200; ++packets) {
        const auto bytes = peer.channel.poll_output(at(peer.time));
        REQUIRE(bytes);
        for (const auto& one : told<proto::WatchMessage>(*bytes)) asked = asked || one.watch == standing;
        CHECK(packets < 2);
    }
    CHECK(asked);
}

TEST_CASE("who claims anew and anew to remember nothing is asked again a few times only") {
    ChannelPeer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::LeaseMessage{30'000}});
    peer.hear();
    std::size_t asked = 0;
    const auto again = [&] {
        ++peer.memory;
        const auto taken =
            peer.channel.handle_input(at(peer.time), encode(proto::ChannelPacket{{peer.memory, 0, 0}, {}}));
        if (!taken) CHECK(taken.error().reason == proto::Reason::rate_limited);
        for (const auto& one : peer.hear_all<proto::WatchMessage>()) asked += one.watch == watch ? 1 : 0;
        return taken.has_value();
    };
    for (int i = 0; i < 1'000; ++i) {
        peer.time += 1ms;
        again();
    }
    CHECK(asked >= 1);
    CHECK(asked <= limits::memories_burst_per_peer + limits::memories_per_second_per_peer);
    peer.time += 1s;
    CHECK(again());  // a real one is taken in, if a little later
}

TEST_CASE("what costs something counts towards the peer's rate, though it wants no acknowledgement") {
    ChannelPeer peer;
    peer.say({proto::LeaseMessage{30'000}});
    const auto send = [&](proto::ChannelMessage message) {
        const auto bytes = encode(proto::ChannelPacket{{peer.memory, 1000, 0}, {std::move(message)}});
        return peer.channel.handle_input(at(peer.time), bytes).has_value();
    };
    const proto::ChannelMessage announced = proto::SourcesMessage{proto::announcement | 1, false, {}};
    for (int i = 1; i < 2 * limits::channel_packets_per_second_per_peer; ++i) CHECK(send(announced));
    CHECK_FALSE(send(announced));
    CHECK(send(proto::LeaseMessage{30'000}));
    CHECK(send(proto::AckMessage{1, 0}));
    CHECK(send(proto::LeaveMessage{}));
}

TEST_CASE("every question that was acknowledged is answered, however slowly the answers are taken") {
    ChannelPeer peer;
    auto& source = peer.channel.source();
    const std::uint64_t questions = 3'000;
    std::set<std::uint64_t> asking, answered;
    for (std::uint64_t number = 1; number <= questions; ++number) asking.insert(number);
    std::map<std::uint64_t, std::vector<std::uint64_t>> unacknowledged;  // questions, by packet
    std::map<std::uint64_t, std::vector<std::uint64_t>> arrived;         // answers, by packet
    for (int round = 0; round < 10'000 && answered.size() < questions; ++round) {
        for (auto next = asking.begin(); next != asking.end() && unacknowledged.size() < 20;) {
            std::vector<std::uint64_t> some;
            std::vector<proto::ChannelMessage> messages;
            for (; next != asking.end() && some.size() < 10; ++next) {
                some.push_back(*next);
                messages.push_back(proto::QueryMessage{*next, alice});
            }
            peer.say(std::move(messages));
            unacknowledged[peer.number] = some;
        }
        while (auto event = peer.channel.poll_event())
            if (const auto* query = std::get_if<InboundQuery>(&*event))
                source.answer_query({query->query, true, {proto::Bytes(500), proto::Bytes(500)}});
        source.announce({1, 2, 3});
        CHECK(source.answers() <= limits::tombstones_per_peer);
        for (const auto& bytes : peer.hear()) {
            for (const auto& ack : told<proto::AckMessage>(bytes))
                for (auto it = unacknowledged.begin(); it != unacknowledged.end();) {
                    const auto behind = ack.largest - it->first - 1;
                    if (it->first != ack.largest &&
                        (it->first > ack.largest || behind > 63 || !(ack.below >> behind & 1))) {
                        ++it;
                        continue;
                    }
                    for (auto number : it->second) asking.erase(number);
                    it = unacknowledged.erase(it);
                }
            for (const auto& answer : told<proto::SourcesMessage>(bytes))
                if ((answer.query & proto::announcement) == 0)
                    arrived[proto::decode_channel_packet(bytes)->header.number].push_back(answer.query);
        }
        unacknowledged.clear();  // given up: what is still in `asking` is asked again
        for (int taken = 0; taken < 3 && !arrived.empty(); ++taken) {  // of each round's packets three arrive
            for (auto number : arrived.begin()->second) answered.insert(number);
            peer.say({proto::AckMessage{arrived.begin()->first, 0}});
            arrived.erase(arrived.begin());
        }
        arrived.clear();
        peer.wait(50ms);
    }
    for (std::uint64_t number = 1; number <= questions; ++number) {
        CAPTURE(number);
        REQUIRE(answered.contains(number));
    }
}

TEST_CASE("packets in flight are bounded, whatever is to be sent") {
    ChannelPeer peer;
    for (std::uint64_t i = 1; i <= 200; ++i) {
        const auto name = uri("user" + std::to_string(i) + "@a.example");
        peer.say({proto::WatchMessage{i, 1, name, bob, std::nullopt}});
        peer.channel.source().answer(i, {WatchState::active, 0, {}}, std::nullopt,
                                     {{1, i}, online("phone", std::string(900, 'x') + std::to_string(i))});
    }
    CHECK(peer.hear().size() <= proto::limits::channel_window_first + 1);
    CHECK(peer.hear().empty());
}

TEST_CASE("a watch whose names fit no packet is left out, and nobody waits behind it") {
    ChannelPeer peer;
    const auto longest = [](const std::string& domain) {
        std::string user;
        while (user.size() + 2 <= limits::user_bytes) user += "\xc3\xbc";
        return uri(user + "@" + domain);
    };
    peer.say({proto::LeaseMessage{30'000}});  // an acknowledgement is owed, which takes room as well
    peer.channel.watcher().watch(longest("a.example"), longest("b.example"));
    const auto second = peer.channel.watcher().watch(alice, bob);
    const auto asked = peer.hear_all<proto::WatchMessage>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].watch == second);
    CHECK(peer.counters.messages_too_large == 1);
    CHECK(peer.hear().empty());
}

TEST_CASE(
    "a watch beyond the peer's room is answered: try again; and so is every one, as fast as the peer hears of it") {
    Outbox outbox;
    const ChannelTrace trace;
    ChannelSource source(outbox, trace, 2);
    std::vector<SourceEvent> events;
    const auto watch = [&](std::uint64_t number) {
        return source.receive(proto::WatchMessage{number, 1, alice, bob, std::nullopt}, events);
    };
    const auto answered = [&] {
        std::map<std::uint64_t, std::string> out;
        while (auto slot = outbox.pop()) {
            PacketBuilder packet(proto::ChannelHeader{1, 1, 1});
            CHECK(source.write(*slot, packet));
            for (const auto& one : told<proto::WatchStateMessage>(packet.take_bytes())) {
                CHECK(one.state == WatchState::terminated);
                out[one.watch] = one.reason;
            }
        }
        return out;
    };
    CHECK((watch(1) && watch(2) && watch(3)));
    CHECK(source.watches() == 2);
    CHECK(events.size() == 2);
    CHECK(answered() == std::map<std::uint64_t, std::string>{{3, "giveup"}});
    source.lost({{SlotKind::state, 3}, 1, 0});
    CHECK(answered() == std::map<std::uint64_t, std::string>{{3, "giveup"}});
    for (std::uint64_t number = 4; number < limits::tombstones_per_peer + 3; ++number) CHECK(watch(number));
    CHECK(source.turned_away() == limits::tombstones_per_peer);
    CHECK_FALSE(watch(1'000'000));  // too many wait: its packet is not acknowledged
    source.acknowledged({{SlotKind::state, 3}, 1, 0});
    CHECK(watch(1'000'000));
    CHECK(answered().size() == limits::tombstones_per_peer);
    source.receive(proto::UnwatchMessage{1}, events);
    CHECK(source.ended() == 1);
    CHECK(watch(2'000'000));
    CHECK(source.watches() == 2);
}

TEST_CASE("who asks faster than it may is not acknowledged, and is taken in when it asks again") {
    ChannelPeer peer;
    std::size_t begun = 0;
    std::uint64_t asked = 0;
    const std::size_t burst = 2 * limits::watches_per_second_per_peer;
    while (asked < burst + 1'000) {
        std::vector<proto::ChannelMessage> messages;
        for (int i = 0; i < 10; ++i) messages.push_back(proto::WatchMessage{++asked, 1, alice, bob, {}});
        peer.say(std::move(messages));
        begun += peer.events<InboundWatch>();
    }
    CHECK(begun == burst);
    CHECK_FALSE(peer.acknowledges(peer.number));
    peer.time += 1s;
    peer.say({proto::WatchMessage{asked, 1, alice, bob, {}}});
    CHECK(peer.events<InboundWatch>() == 1);
    CHECK(peer.acknowledges(peer.number));
}

TEST_CASE("packets beyond a peer's rate are refused by name; acknowledgements are not counted") {
    ChannelPeer peer;
    const int burst = 2 * limits::channel_packets_per_second_per_peer;
    for (int i = 0; i < burst; ++i) peer.say({proto::LeaseMessage{30'000}});
    const auto one = encode(proto::ChannelPacket{{peer.memory, 1000, ++peer.number}, {proto::LeaseMessage{30'000}}});
    const auto refused = peer.channel.handle_input(at(peer.time), one);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == proto::Reason::rate_limited);
    CHECK(peer.channel.handle_input(at(peer.time),
                                    encode(proto::ChannelPacket{{peer.memory, 1000, 0}, {proto::AckMessage{1, 0}}})));
    peer.time += 1s;
    CHECK(peer.channel.handle_input(at(peer.time), one));
}

TEST_CASE("who may be in reach again is asked at once, and soon once more") {
    ChannelPeer peer;
    peer.channel.watcher().watch(alice, bob);
    peer.hear();
    peer.say({proto::LeaseMessage{30'000}});
    for (int i = 0; i < 600; ++i) {
        peer.wait(1s);
        peer.hear();
    }
    REQUIRE(peer.channel.liveness() == Liveness::unknown);
    peer.channel.ask_now(at(peer.time));
    CHECK(peer.hear_all<proto::WatchMessage>().size() == 1);
    std::size_t again = 0;
    for (int i = 0; i < 5; ++i) {
        peer.wait(1s);
        again += peer.hear_all<proto::WatchMessage>().size();
    }
    CHECK(again == 1);
}

TEST_CASE("a lease that is due leaves though what waited before it is over") {
    ChannelPeer peer;
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    peer.hear();
    peer.say({proto::AckMessage{1, 0}});
    peer.hear();
    peer.wait(15750ms);
    peer.channel.watcher().unwatch(peer.channel.watcher().watch(alice, bob));
    CHECK(peer.hear_all<proto::LeaseMessage>().size() == 1);
}

TEST_CASE("whom we follow is asked whether it is back, gone with a word or without") {
    ChannelPeer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.hear();
    peer.say({proto::AckMessage{1, 0}, proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt}});
    peer.hear();
    SUBCASE("with") {
        peer.say({proto::LeaveMessage{}});
    }
    SUBCASE("without") {}
    for (int i = 0; i < 35; ++i) {
        peer.wait(1s);
        if (i < 34) peer.hear();
    }
    REQUIRE(peer.channel.liveness() == Liveness::unknown);
    peer.hear();
    std::size_t asked = 0;
    for (int i = 0; i < 60; ++i) {
        peer.wait(1s);
        asked += peer.hear_all<proto::LeaseMessage>().size();
    }
    CHECK(asked >= 2);
    CHECK(asked <= 6);
}
