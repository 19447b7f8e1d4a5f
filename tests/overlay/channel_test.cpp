// What one channel takes in, shows and forgets, packet by packet.
#include "overlay/channel.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/channel_peer.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

TEST_CASE("a document on a stream that is not known yet comes again: its packet is not acknowledged") {
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
    const auto document = online();
    peer.say({proto::WatchMessage{1, 1, alice, bob, document->digest}});
    peer.channel.source().answer(1, {WatchState::active, 0, {}}, std::nullopt, {{1, 1}, document});
    CHECK(peer.hear_all<proto::CurrentMessage>().size() == 1);
    peer.say({proto::WatchMessage{1, 2, alice, bob, std::nullopt}});
    CHECK(peer.hear_all<proto::DocumentMessage>().size() == 1);
}

TEST_CASE("a late copy of an ended watch does not begin it again") {
    ChannelPeer peer;
    peer.say({proto::UnwatchMessage{1}});
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 0);
    peer.say({proto::WatchMessage{2, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 1);
    peer.say({proto::WatchMessage{2, 1, alice, bob, std::nullopt}});
    CHECK(peer.events<InboundWatch>() == 0);
}

TEST_CASE("a document does not overtake the answer that takes somebody's sight of it away") {
    const Answer allowed{WatchState::active, 0, {}};
    const StreamValue before{{1, 1}, online("phone", "before")};
    const StreamValue after{{1, 3}, online("phone", "after")};
    for (const auto& denied : {Answer{WatchState::terminated, 0, "rejected"}, Answer{WatchState::active, 1, {}}}) {
        ChannelPeer peer;
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
    ChannelPeer peer;
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
    ChannelPeer peer;
    peer.hear();
    peer.say({proto::WatchMessage{1, 1, alice, bob, std::nullopt}}, 999);
    CHECK(peer.events<InboundWatch>() == 0);
    const auto sent = peer.hear();
    REQUIRE(sent.size() == 1);
    CHECK(proto::decode_channel_packet(sent[0])->header.own == 1000);
    CHECK(told<proto::AckMessage>(sent[0]).empty());
}

TEST_CASE("a watch that the peer never heard of ends without a word") {
    ChannelPeer peer;
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

TEST_CASE("a document that cannot be read is counted, and not shown") {
    ChannelPeer peer;
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
