// Records are put and found through real OpenDHT objects, and what is over leaves nothing behind.
#include "overlay/dht_node.hpp"

#include <doctest/doctest.h>

#include "overlay/dht_packet.hpp"
#include "proto/limits.hpp"
#include "tests/support/dht_world.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using testing::DhtWorld;
using testing::Families;
using testing::Flying;
using testing::Wires;

TEST_CASE("put at one node, found from others, each record once; edits replace") {
    DhtWorld world(30, 1);
    CHECK(world.members[7].node->status().good_peers > 5);
    const auto record = world.record(4, "pres:alice@a.example", 1);
    world.put(4, record);
    CHECK(world.stored() >= 8);
    for (const std::size_t reader : {3u, 11u, 29u}) CHECK(world.get(reader, world.key(record)) == Wires{record.wire});
    const auto newer = world.record(4, "pres:alice@a.example", 2);
    world.put(4, newer);
    CHECK(world.get(17, world.key(record)) == Wires{newer.wire});
    CHECK(world.count("refused_wrong_kademlia_id") == 0);
    CHECK(world.count("refused_malformed") == 0);
    CHECK(world.count("refused_unsupported_type") == 0);
}

TEST_CASE("who puts a record keeps a copy only when near its key, as any node would") {
    DhtWorld world(30, 1);
    const auto& node = *world.members[4].node;
    std::vector<proto::Record> records;
    std::size_t kept = 0;
    for (int i = 0; i < 24; ++i) {
        records.push_back(world.record(4, "pres:user" + std::to_string(i) + "@a.example", 1));
        const auto key = world.key(records.back());
        kept += world.nearer(key, 4, 0) < 8 ? 1 : 0;
        world.put(4, records.back());
        CHECK(node.status().stored_records == kept);
    }
    CHECK(kept > 0);
    CHECK(kept < records.size());
    for (const auto& record : records) CHECK(world.get(9, world.key(record)) == Wires{record.wire});
    // Written again, newer, it goes the same way.
    const auto newer = world.record(4, "pres:user3@a.example", 2);
    world.put(4, newer);
    CHECK(node.status().stored_records == kept);
    CHECK(world.get(17, world.key(newer)) == Wires{newer.wire});
    world.run(25h);
    CHECK(world.stored() == 0);
}

TEST_CASE("a node that listens for its own record is never told that it is gone while others have it") {
    // Where both families are spoken OpenDHT counts the own copy among those that a listener has heard of.
    for (const auto families : {Families::ipv4, Families::both}) {
        CAPTURE(static_cast<int>(families));
        DhtWorld world(30, 1, families);
        auto& member = world.members[4];
        for (int i = 0; i < 6; ++i) {
            const auto who = "pres:user" + std::to_string(i) + "@a.example";
            const auto key = world.key(world.record(4, who, 1));
            const auto listen = member.node->listen(world.now, key);
            world.run(20s);
            for (std::uint64_t version = 1; version <= 5; ++version) {
                world.put(4, world.record(4, who, version));
                world.run(1min);
            }
            CHECK(member.found[listen].front() == world.record(4, who, 1).wire);
            CHECK(world.get(9, key) == Wires{world.record(4, who, 5).wire});
        }
        CHECK(member.gone.empty());
    }
}

TEST_CASE("a copy dropped at one shard stays at another of the node that is near the key") {
    DhtWorld world(16, 2);
    auto& node = *world.members[3].node;
    std::vector<proto::Record> records;
    for (int i = 0; i < 12; ++i) {
        records.push_back(world.record(3, "pres:user" + std::to_string(i) + "@b.example", 1));
        world.put(3, records.back());
    }
    const auto kept = std::count_if(records.begin(), records.end(), [&](const proto::Record& record) {
        const auto key = world.key(record);
        const std::size_t putting = world.nearer(key, 3, key[19] % 2);
        const std::size_t other = world.nearer(key, 3, 1 - key[19] % 2);
        return putting < 8 || other - (putting < other ? 1 : 0) < 8;  // a shard puts not to itself
    });
    CHECK(node.status().stored_records == kept);
    CHECK(kept > 0);
    CHECK(kept < 12);
    for (const auto& record : records) CHECK(world.get(3, world.key(record)) == Wires{record.wire});
    for (auto& record : records) {
        record = world.record(3, "pres:user" + std::to_string(&record - records.data()) + "@b.example", 2);
        world.put(3, record);
    }
    // A node may still have the older version: who reads takes the newest.
    for (const auto& record : records) {
        const auto found = world.get(2, world.key(record));
        CHECK(std::count(found.begin(), found.end(), record.wire) == 1);
    }
    world.run(25h);
    CHECK(world.stored() == 0);
}

TEST_CASE("a finished search is forgotten, one of a key that was listened to is not") {
    DhtWorld world(30, 1);
    auto& node = *world.members[4].node;
    world.run(2min);
    const auto before = node.status().searches;
    const auto record = world.record(6, "pres:alice@a.example", 1);
    const LookupId listen = node.listen(world.now, world.key(record));
    for (int i = 0; i < 10; ++i) {
        world.put(4, world.record(4, "pres:user" + std::to_string(i) + "@a.example", 1));
        node.get(world.now, world.key(world.record(2, "pres:other" + std::to_string(i) + "@a.example", 1)));
    }
    CHECK(node.status().searches >= before + 2);
    world.run(2min);
    CHECK(node.status().searches == before + 1);
    world.put(6, record);
    world.run(10s);
    CHECK(world.members[4].found[listen] == Wires{record.wire});
    CHECK(world.get(4, world.key(record)) == Wires{record.wire});
    world.run(2min);
    CHECK(node.status().searches == before + 1);
    const auto second = world.record(8, "pres:alice@a.example", 1);
    world.put(8, second);
    CHECK(world.members[4].found[listen] == Wires{record.wire, second.wire});
    node.cancel_listen(world.now, listen);
    CHECK(world.get(4, world.key(record)).size() == 2);
    world.run(2h);  // OpenDHT has forgotten it by itself
    CHECK(world.get(4, world.key(record)).size() == 2);
}

TEST_CASE("nodes that only a forgotten search knew are not remembered") {
    DhtWorld world(120, 1);
    auto& node = *world.members[4].node;
    world.run(2min);
    for (int i = 0; i < 10; ++i)
        node.get(world.now, world.key(world.record(2, "pres:other" + std::to_string(i) + "@a.example", 1)));
    world.run(5s);
    const auto met = node.status().known_nodes;
    world.run(2min);
    CHECK(node.status().known_nodes + 30 < met);
    CHECK(node.status().known_nodes >= node.status().good_peers);
}

TEST_CASE("a get that is cancelled asks nobody any more, and tells nothing") {
    DhtWorld world(120, 1);
    const auto record = world.record(6, "pres:alice@a.example", 1);
    world.put(6, record);
    world.run(2min);
    auto& member = world.members[4];
    const auto searches = member.node->status().searches;
    const auto cancelled = member.node->get(world.now, world.key(record));
    SUBCASE("at once") {}
    SUBCASE("on its way") {
        world.run(25ms);
    }
    member.node->cancel_get(world.now, cancelled);
    CHECK(member.node->status().searches == searches);
    world.run(1ms);  // what was under way
    std::size_t sent = 0;
    world.on_send = [&](Flying& flying) { sent += flying.from == 4 ? 1 : 0; };
    world.run(5s);
    CHECK(sent <= 3);  // of its own accord
    CHECK(member.found[cancelled].empty());
    CHECK(member.done.count(cancelled) == 0);
    member.node->cancel_get(world.now, cancelled);  // it is over
    sent = 0;
    CHECK(world.get(4, world.key(record)) == Wires{record.wire});
    CHECK(sent > 20);
    CHECK(world.count("refused_malformed") == 0);
}

TEST_CASE("what was found is told no more once its get is cancelled") {
    DhtWorld world(30, 1);
    const auto record = world.record(6, "pres:alice@a.example", 1);
    world.put(6, record);
    std::size_t holder = 0;
    while (world.nearer(world.key(record), holder, 0) >= 8) ++holder;
    auto& node = *world.members[holder].node;
    node.cancel_get(world.now, node.get(world.now, world.key(record)));  // it has the record itself
    CHECK_FALSE(node.poll_event());
}

TEST_CASE("a cancelled get leaves the other uses of its key alone") {
    DhtWorld world(30, 1);
    const auto record = world.record(6, "pres:alice@a.example", 1);
    world.put(6, record);
    auto& member = world.members[4];
    const auto cancelled = member.node->get(world.now, world.key(record));
    SUBCASE("another get") {
        const auto other = member.node->get(world.now, world.key(record));
        member.node->cancel_get(world.now, cancelled);
        world.run(10s);
        CHECK(member.found[other] == Wires{record.wire});
        CHECK(member.done.at(other));
    }
    SUBCASE("a put") {
        const auto own = world.record(4, "pres:alice@a.example", 1);
        member.node->put(world.now, world.key(own), own.value_id(), own.wire);
        member.node->cancel_get(world.now, cancelled);
        world.run(10s);
        CHECK(world.get(9, world.key(own)).size() == 2);
    }
    SUBCASE("a listen") {
        const auto listen = member.node->listen(world.now, world.key(record));
        member.node->cancel_get(world.now, cancelled);
        world.run(10s);
        const auto second = world.record(8, "pres:alice@a.example", 1);
        world.put(8, second);
        CHECK(member.found[listen] == Wires{record.wire, second.wire});
    }
    CHECK(member.found[cancelled].empty());
    CHECK(member.done.count(cancelled) == 0);
}

TEST_CASE("eight shards a node reach each other and the same records") {
    DhtWorld world(4, 8);
    for (int i = 0; i < 8; ++i) {
        const auto record = world.record(2, "pres:user" + std::to_string(i) + "@a.example", 1);
        world.put(2, record);
        CHECK(world.get(1, world.key(record)) == Wires{record.wire});
    }
    CHECK(world.count("refused_wrong_kademlia_id") == 0);
}

TEST_CASE("a record put before the first peer is known is put when there is one") {
    DhtWorld world(24, 1);
    world.add("a.example", 1);
    const auto record = world.record(24, "pres:alice@a.example", 1);
    world.put(24, record);
    world.run(10min);
    CHECK(world.get(3, world.key(record)).empty());
    world.members[24].node->bootstrap(world.now, world.members[0].endpoint);
    world.run(90s);
    CHECK(world.get(3, world.key(record)) == Wires{record.wire});
    world.run(30min);  // and then it is left alone
    std::size_t puts = 0;
    world.on_send = [&](Flying& flying) {
        const auto claims = read_dht_packet(flying.packet.bytes);
        puts += claims && claims->method == "put" ? 1 : 0;
    };
    world.run(2h);
    CHECK(puts == 0);
}

TEST_CASE("a put that was replaced or taken back is not tried again") {
    DhtWorld world(24, 1);
    world.add("a.example", 1);
    const auto older = world.record(24, "pres:alice@a.example", 1);
    const auto newer = world.record(24, "pres:alice@a.example", 2);
    const auto ended = world.record(24, "pres:anna@a.example", 1);
    for (const auto& record : {older, newer, ended}) world.put(24, record);
    world.members[24].node->cancel_put(world.now, world.key(ended), ended.value_id());
    world.members[24].node->bootstrap(world.now, world.members[0].endpoint);
    std::vector<proto::Bytes> sent;
    world.on_send = [&](Flying& flying) {
        const auto claims = read_dht_packet(flying.packet.bytes);
        if (!claims) return;
        for (const auto& value : claims->values) sent.emplace_back(value.data.begin(), value.data.end());
    };
    world.run(5min);
    CHECK(sent.size() >= 7);
    for (const auto& wire : sent) CHECK(wire == newer.wire);
}

TEST_CASE("a node that has joined asks nobody to let it in") {
    DhtWorld world(24, 1);
    CHECK(world.members[5].node->status().good_peers >= 8);
    while (world.members[5].node->poll_output()) {
    }
    world.members[5].node->bootstrap(world.now, world.members[9].endpoint);
    CHECK_FALSE(world.members[5].node->poll_output().has_value());
}

TEST_CASE("a listener is told of a new source") {
    DhtWorld world(24, 1);
    const auto first = world.record(2, "pres:alice@a.example", 1);
    const auto second = world.record(4, "pres:alice@a.example", 1);
    world.put(2, first);
    const LookupId listen = world.members[9].node->listen(world.now, world.key(first));
    world.run(20s);
    CHECK(world.members[9].found[listen] == Wires{first.wire});
    world.put(4, second);
    world.run(10s);
    CHECK(world.members[9].found[listen] == Wires{first.wire, second.wire});
    world.members[9].node->cancel_listen(world.now, listen);
    world.members[9].node->cancel_listen(world.now, listen);
    const auto third = world.record(6, "pres:alice@a.example", 1);
    world.put(6, third);
    CHECK(world.members[9].found[listen].size() == 2);
}

TEST_CASE("a get asks the network although the key is listened to") {
    DhtWorld world(24, 1);
    const auto first = world.record(2, "pres:alice@a.example", 1);
    world.put(2, first);
    world.members[9].node->listen(world.now, world.key(first));
    world.run(20s);
    const auto newer = world.record(2, "pres:alice@a.example", 2);
    world.put(2, newer);  // an edit: listeners are not told
    CHECK(world.get(9, world.key(first)) == Wires{newer.wire});
}

TEST_CASE("the largest record with OpenDHT's header travels in one packet") {
    DhtWorld world(12, 1);
    std::size_t puts = 0;
    world.on_send = [&](Flying& flying) {
        const auto claims = read_dht_packet(flying.packet.bytes);
        REQUIRE(claims.has_value());
        CHECK(claims->message != "p");  // parts
        if (claims->method != "put") return;
        ++puts;
        REQUIRE(claims->values.size() == 1);
        // OpenDHT splits what is over 600 packed: {id, dat: {body: {type, data}}} around the bytes.
        const std::size_t header = 1 + 3 + 9 + 4 + 1 + 5 + 1 + 5 + 1 + 5 + 3;
        CHECK(limits::record_bytes + header <= 560);
    };
    world.put(4, world.record(4, "pres:alice@a.example", 1));
    // Eight hold it, and whoever put it may be one of the eight nearest.
    CHECK(puts + world.members[4].node->status().stored_records >= 8);
}
