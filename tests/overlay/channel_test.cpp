// One channel by itself, and two against each other, packet by packet.
#include "overlay/channel.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

namespace {

const auto alice = uri("alice@a.example");
const auto bob = uri("bob@b.example");

template <typename Message>
std::vector<Message> told(const proto::Bytes& bytes) {
    std::vector<Message> out;
    const auto packet = proto::decode_channel_packet(bytes);
    for (const auto& message : packet->messages)
        if (const auto* one = std::get_if<Message>(&message)) out.push_back(*one);
    return out;
}

/// A peer that says whatever the test wants.
struct Peer {
    ChannelCounters counters;
    Channel channel{1000, 30s, ChannelTrace(nullptr, {}, &counters)};
    proto::SeededRandom random{1};
    proto::Duration time{0};
    std::uint64_t number = 0;
    std::uint64_t memory = 5;

    void say(std::vector<proto::ChannelMessage> messages, std::uint64_t to = 1000) {
        REQUIRE(
            channel.handle_input(at(time), encode(proto::ChannelPacket{{memory, to, ++number}, std::move(messages)})));
    }
    /// All that the channel sends now.
    std::vector<proto::Bytes> hear() {
        std::vector<proto::Bytes> out;
        while (auto bytes = channel.poll_output(at(time))) out.push_back(std::move(*bytes));
        return out;
    }
    template <typename Message>
    std::vector<Message> hear_all() {
        std::vector<Message> out;
        for (const auto& bytes : hear())
            for (const auto& one : told<Message>(bytes)) out.push_back(one);
        return out;
    }
    bool acknowledges(std::uint64_t wanted) {
        for (const auto& ack : hear_all<proto::AckMessage>())
            if (ack.largest == wanted) return true;
        return false;
    }
    template <typename Event>
    std::size_t events() {
        std::size_t n = 0;
        while (auto event = channel.poll_event()) n += std::holds_alternative<Event>(*event) ? 1 : 0;
        return n;
    }
    void wait(proto::Duration span) {
        time += span;
        channel.handle_timeout(at(time), random);
    }
};

}  // namespace

TEST_CASE("a document on a stream that is not known yet comes again: its packet is not acknowledged") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.hear();
    const auto bytes = online()->bytes;
    peer.say({proto::DocumentMessage{3, {1, 1}, 0, 1, bytes}});
    CHECK_FALSE(peer.acknowledges(1));
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt}});
    CHECK(peer.acknowledges(2));
    peer.say({proto::DocumentMessage{3, {1, 1}, 0, 1, bytes}});
    CHECK(peer.acknowledges(3));
    CHECK(peer.channel.watcher().find(watch)->document->digest == online()->digest);
}

TEST_CASE("an older document never replaces a newer one, an older answer never a newer one") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{watch, 2, WatchState::active, "", 3, std::nullopt},
              proto::DocumentMessage{3, {2, 5}, 0, 1, online("phone", "new")->bytes}});
    peer.say({proto::DocumentMessage{3, {2, 4}, 0, 1, online("phone", "old")->bytes}});
    peer.say({proto::DocumentMessage{3, {1, 9}, 0, 1, online("phone", "old")->bytes}});
    peer.say({proto::DocumentMessage{3, {2, 5}, 0, 1, online("phone", "other")->bytes}});
    peer.say({proto::GoneMessage{3, {2, 4}}});
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::terminated, "rejected", 0, std::nullopt}});
    const auto* seen = peer.channel.watcher().find(watch);
    CHECK(seen->state == WatchState::active);
    REQUIRE(seen->document);
    CHECK(seen->document->digest == online("phone", "new")->digest);
}

TEST_CASE("what has come of a long document is let go when something newer overtakes the rest") {
    Peer peer;
    std::map<std::uint64_t, std::uint64_t> watch_of;  // by stream
    const auto begin = [&](std::uint64_t stream) {
        const auto user = uri("user" + std::to_string(stream) + "@a.example");
        watch_of[stream] = peer.channel.watcher().watch(user, bob);
        peer.hear();
        peer.say({proto::WatchStateMessage{watch_of[stream], 1, WatchState::active, "", stream, std::nullopt}});
    };
    const auto held = online("phone", "held");
    const auto large = online("phone", std::string(1'500, 'x'));
    const auto part = [&](std::uint64_t stream, std::uint16_t index) {
        const auto cut = large->bytes.begin() + limits::document_part_bytes;
        const auto bytes = index == 0 ? proto::Bytes(large->bytes.begin(), cut) : proto::Bytes(cut, large->bytes.end());
        return proto::DocumentMessage{stream, {1, 2}, index, 2, bytes};
    };
    for (std::uint64_t stream = 1; stream <= limits::streams_receiving_parts; ++stream) {
        begin(stream);
        peer.say({proto::DocumentMessage{stream, {1, 1}, 0, 1, held->bytes}, part(stream, 0)});
    }
    CHECK(peer.channel.watcher().documents_in_parts() == limits::streams_receiving_parts);
    begin(100);
    peer.say({part(100, 0)});
    CHECK_FALSE(peer.acknowledges(peer.number));
    for (std::uint64_t stream = 1; stream <= limits::streams_receiving_parts; ++stream) {
        const proto::Sequence newer{1, 3};
        if (stream % 3 == 0) peer.say({proto::DocumentMessage{stream, newer, 0, 1, online("phone", "small")->bytes}});
        if (stream % 3 == 1) peer.say({proto::CurrentMessage{stream, newer, held->digest}});
        if (stream % 3 == 2) peer.say({proto::GoneMessage{stream, newer}});
    }
    CHECK(peer.channel.watcher().documents_in_parts() == 0);
    for (const std::uint16_t index : {0, 1}) peer.say({part(100, index)});
    CHECK(peer.acknowledges(peer.number));
    REQUIRE(peer.channel.watcher().find(watch_of[100])->document);
    CHECK(peer.channel.watcher().find(watch_of[100])->document->digest == large->digest);
    // What comes late of something older does not take away what has come of the newest.
    begin(101);
    peer.say({part(101, 0)});
    peer.say({proto::DocumentMessage{101, {1, 1}, 0, 1, held->bytes}});
    peer.say({part(101, 1)});
    REQUIRE(peer.channel.watcher().find(watch_of[101])->document);
    CHECK(peer.channel.watcher().find(watch_of[101])->document->digest == large->digest);
}

TEST_CASE("what was said to hold is asked for whole when it is not held after all") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.hear();
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt},
              proto::CurrentMessage{3, {1, 1}, online()->digest}});
    const auto asked = peer.hear_all<proto::WatchMessage>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].watch == watch);
    CHECK(asked[0].revision == 2);
    CHECK_FALSE(asked[0].held);
}

TEST_CASE("a stream that was left and is named again is asked for whole: what it showed does not come by itself") {
    Peer peer;
    const auto document = online();
    const auto first = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{first, 1, WatchState::active, "", 3, std::nullopt},
              proto::DocumentMessage{3, {1, 1}, 0, 1, document->bytes}});
    const auto second = peer.channel.watcher().watch(alice, uri("carol@b.example"));
    peer.channel.watcher().unwatch(first);
    peer.hear();
    peer.say({proto::WatchStateMessage{second, 2, WatchState::active, "", 3, std::nullopt}});
    const auto asked = peer.hear_all<proto::WatchMessage>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].watch == second);
    CHECK(asked[0].revision == 2);
    CHECK_FALSE(asked[0].held);
    peer.say({proto::DocumentMessage{3, {1, 1}, 0, 1, document->bytes}});
    REQUIRE(peer.channel.watcher().find(second)->document);
    CHECK(peer.channel.watcher().find(second)->document->digest == document->digest);
    // A stream that was never left is not.
    const auto third = peer.channel.watcher().watch(alice, uri("dave@b.example"));
    peer.hear();
    peer.say({proto::WatchStateMessage{third, 3, WatchState::active, "", 4, std::nullopt}});
    CHECK(peer.hear_all<proto::WatchMessage>().empty());
}

TEST_CASE("stream numbers of an earlier run of the peer mean nothing") {
    Peer peer;
    const auto first = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{first, 1, WatchState::active, "", 3, std::nullopt}});
    peer.channel.watcher().unwatch(first);
    const auto second = peer.channel.watcher().watch(alice, bob);
    peer.memory = 6;
    peer.say({proto::LeaseMessage{30'000}}, 0);
    peer.hear();
    peer.say({proto::WatchStateMessage{second, 1, WatchState::active, "", 1, std::nullopt}});
    CHECK(peer.hear_all<proto::WatchMessage>().empty());
}

TEST_CASE("what an earlier run sent is refused, until another process of the peer is known to have started") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.hear();
    peer.say({proto::WatchMessage{1, 0, alice, bob, std::nullopt}});
    peer.hear();
    const auto old = encode(proto::ChannelPacket{{4, 1000, 1}, {proto::LeaseMessage{30'000}}});
    CHECK(peer.channel.handle_input(at(peer.time), old).error().reason == proto::Reason::older);
    peer.channel.peer_restarted(2000);
    REQUIRE(peer.channel.handle_input(at(peer.time), old));
    CHECK(peer.events<InboundUnwatch>() == 1);
    std::vector<std::uint64_t> asked;
    for (const auto& bytes : peer.hear()) {
        CHECK(proto::decode_channel_packet(bytes)->header.own == 2000);  // so that it says again what it said before
        for (const auto& one : told<proto::WatchMessage>(bytes)) asked.push_back(one.watch);
    }
    CHECK(asked == std::vector{watch});
    // Once: what comes older still is of an earlier run again.
    const auto older = encode(proto::ChannelPacket{{3, 2000, 1}, {proto::LeaseMessage{30'000}}});
    CHECK_FALSE(peer.channel.handle_input(at(peer.time), older));
}

TEST_CASE("a source that is asked for the whole again sends the whole") {
    Peer peer;
    const auto document = online();
    peer.say({proto::WatchMessage{1, 1, alice, bob, document->digest}});
    peer.channel.source().answer(1, {WatchState::active, 0, {}}, std::nullopt, {{1, 1}, document});
    CHECK(peer.hear_all<proto::CurrentMessage>().size() == 1);
    peer.say({proto::WatchMessage{1, 2, alice, bob, std::nullopt}});
    CHECK(peer.hear_all<proto::DocumentMessage>().size() == 1);
}

TEST_CASE("a late copy of an ended watch does not begin it again") {
    Peer peer;
    peer.say({proto::UnwatchMessage{1}});
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 0);
    peer.say({proto::WatchMessage{2, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 1);
    peer.say({proto::WatchMessage{2, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 0);
}

TEST_CASE("unacknowledged, a document is sent again at a slowing pace, and only its newest") {
    Peer peer;
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
        Peer peer;
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
    Peer peer;
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
    Peer peer;
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

TEST_CASE("a document does not overtake the answer that takes somebody's sight of it away") {
    const Answer allowed{WatchState::active, 0, {}};
    const StreamValue before{{1, 1}, online("phone", "before")};
    const StreamValue after{{1, 3}, online("phone", "after")};
    for (const auto& denied : {Answer{WatchState::terminated, 0, "rejected"}, Answer{WatchState::active, 1, {}}}) {
        Peer peer;
        auto& source = peer.channel.source();
        const auto take_all = [&] {  // the newest document that came
            proto::Sequence newest;
            for (const auto& bytes : peer.hear()) {
                for (const auto& one : told<proto::DocumentMessage>(bytes)) newest = std::max(newest, one.sequence);
                peer.say({proto::AckMessage{proto::decode_channel_packet(bytes)->header.number, 0}});
            }
            return newest.counter;
        };
        peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
        peer.say({proto::WatchMessage{2, 1, alice, uri("carol@b.example"), std::nullopt}});
        for (const std::uint64_t watch : {1, 2}) source.answer(watch, allowed, std::nullopt, before);
        CHECK(take_all() == 1);

        source.answer(1, denied, std::nullopt, {{1, 2}, online("phone", "nothing")});
        CHECK(peer.hear_all<proto::WatchStateMessage>().size() == 1);  // and it is lost
        source.set_value(alice, 0, after);
        CHECK(peer.hear_all<proto::DocumentMessage>().empty());

        SUBCASE("the peer has the answer at last") {
            peer.wait(2s);
            CHECK(take_all() < 3);
        }
        SUBCASE("the peer ends that watch") {
            peer.say({proto::UnwatchMessage{1}});
        }
        SUBCASE("allowed again") {
            source.answer(1, allowed, std::nullopt, after);
            CHECK(take_all() < 3);
        }
        CHECK(take_all() == 3);
    }
}

TEST_CASE("a peer that has forgotten us: its watches end, ours are asked again with what we hold") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt},
              proto::DocumentMessage{3, {1, 1}, 0, 1, online()->bytes},
              proto::WatchMessage{1, 1, bob, alice, std::nullopt}});
    peer.events<InboundWatch>();
    peer.hear();
    peer.memory = 6;
    peer.say({proto::LeaseMessage{30'000}}, 0);
    CHECK(peer.events<InboundUnwatch>() == 1);
    const auto asked = peer.hear_all<proto::WatchMessage>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].held == online()->digest);
    // What was on its way from the earlier run is nothing any more.
    const auto late = encode(proto::ChannelPacket{{5, 1000, 9}, {proto::GoneMessage{3, {1, 2}}}});
    CHECK(peer.channel.handle_input(at(peer.time), late).error().reason == proto::Reason::older);
    CHECK(peer.channel.watcher().find(watch)->document != nullptr);
}

TEST_CASE("what was meant for an earlier us is not taken in, and answered so that the peer learns") {
    Peer peer;
    peer.hear();
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}}, 999);
    CHECK(peer.events<InboundWatch>() == 0);
    const auto sent = peer.hear();
    REQUIRE(sent.size() == 1);
    CHECK(proto::decode_channel_packet(sent[0])->header.own == 1000);
    CHECK(told<proto::AckMessage>(sent[0]).empty());
}

TEST_CASE("a watch that the peer never heard of ends without a word") {
    Peer peer;
    peer.channel.watcher().unwatch(peer.channel.watcher().watch(alice, bob));
    CHECK(peer.channel.watcher().ending() == 0);
    CHECK(peer.hear_all<proto::UnwatchMessage>().empty());
    const auto heard_of = peer.channel.watcher().watch(alice, bob);
    peer.hear();
    peer.channel.watcher().unwatch(heard_of);
    CHECK(peer.hear_all<proto::UnwatchMessage>().size() == 1);
    const auto query = peer.channel.watcher().query(alice);
    peer.channel.watcher().cancel_query(query);
    CHECK(peer.hear_all<proto::QueryMessage>().empty());
}

TEST_CASE("what is over for a peer out of reach is bounded, and what still counts comes first when it is back") {
    Peer peer;
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
    Peer peer;
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
    Peer peer;
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
    Peer peer;
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
    Peer peer;
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
    Peer peer;
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

TEST_CASE("a document that cannot be read is counted, and not shown") {
    Peer peer;
    const auto watch = peer.channel.watcher().watch(alice, bob);
    peer.say({proto::WatchStateMessage{watch, 1, WatchState::active, "", 3, std::nullopt},
              proto::DocumentMessage{3, {1, 1}, 0, 1, {0xff, 0xff}}});
    CHECK(peer.counters.documents_bad == 1);
    CHECK(peer.channel.watcher().find(watch)->document == nullptr);
}

TEST_CASE("bad packets are refused by name") {
    Channel channel(1, 30s);
    CHECK(channel.handle_input(at(0s), proto::Bytes{0xff}).error().reason == proto::Reason::malformed);
    const auto nobody = encode(proto::ChannelPacket{{0, 1, 1}, {}});
    CHECK(channel.handle_input(at(0s), nobody).error().reason == proto::Reason::malformed);
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
    Peer peer;
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
    Peer peer;
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

TEST_CASE("a lease that is due leaves though what waited before it is over") {
    Peer peer;
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    peer.hear();
    peer.say({proto::AckMessage{1, 0}});
    peer.hear();
    peer.wait(15750ms);
    peer.channel.watcher().unwatch(peer.channel.watcher().watch(alice, bob));
    CHECK(peer.hear_all<proto::LeaseMessage>().size() == 1);
}

TEST_CASE("whom we follow is asked whether it is back, gone with a word or without") {
    Peer peer;
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
