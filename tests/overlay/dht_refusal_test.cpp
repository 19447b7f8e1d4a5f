// What nodes and readers of the DHT refuse, whoever sends it: nothing wrong is kept or believed.
#include <doctest/doctest.h>

#include "overlay/dht_node.hpp"
#include "overlay/dht_packet.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "tests/support/dht_world.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using testing::DhtWorld;
using testing::Families;
using testing::Flying;
using testing::Wires;

namespace {

void replace(proto::Bytes& bytes, proto::BytesView what, proto::BytesView with) {
    const auto at = std::search(bytes.begin(), bytes.end(), what.begin(), what.end());
    REQUIRE(at != bytes.end());
    bytes.insert(bytes.erase(at, at + static_cast<std::ptrdiff_t>(what.size())), with.begin(), with.end());
}

bool carries(const proto::Bytes& bytes, const proto::Bytes& wire) {
    return std::search(bytes.begin(), bytes.end(), wire.begin(), wire.end()) != bytes.end();
}

/// What a member with a program of its own could do: its puts of `carrier`, a good record, leave as puts of `evil`
/// under the same key.
struct Attack {
    proto::Record carrier;
    proto::Bytes evil;
    std::uint64_t value_id = 0;
    std::uint8_t type = 112;

    void run(DhtWorld& world, std::size_t attacker) const {
        world.on_send = [this, attacker](Flying& flying) {
            const auto claims = read_dht_packet(flying.packet.bytes);
            if (flying.from == attacker && claims && claims->method == "put") rewrite(flying.packet.bytes);
        };
        world.put(attacker, carrier);
        world.members[attacker].node->cancel_put(world.now, world.key(carrier), carrier.value_id());
        world.on_send = [](Flying&) {};
    }
    void rewrite(proto::Bytes& packet) const {
        const auto body = [](std::uint8_t value_type, const proto::Bytes& data) {
            return proto::MsgpackWriter().str("type").uint(value_type).str("data").bin(data).take();
        };
        replace(packet, body(112, carrier.wire), body(type, evil));
        replace(packet, proto::MsgpackWriter().str("id").uint(carrier.value_id()).take(),
                proto::MsgpackWriter().str("id").uint(value_id).take());
    }
};

}  // namespace

TEST_CASE("forged, foreign, older and squatting records are refused where they would be stored") {
    DhtWorld world(24, 1);
    const auto good = world.record(4, "pres:alice@a.example", 7);
    const auto id = good.value_id();
    std::uint64_t counter = 0;
    const auto attack = [&](const proto::Bytes& evil, std::uint64_t value_id, std::uint8_t type, const char* refusal) {
        const auto before = world.count(refusal);
        Attack{world.record(6, "pres:alice@a.example", ++counter), evil, value_id, type}.run(world, 6);
        CHECK_MESSAGE(world.count(refusal) - before >= 7, refusal);
        CHECK(world.stored() == 1);  // the attacker's own copy of the carrier
    };
    auto forged = good.wire;
    forged.back() ^= 1;
    attack(forged, id, 112, "refused_bad_signature");
    const auto foreign = world.record(3, "pres:alice@a.example", 1);
    attack(foreign.wire, foreign.value_id(), 112, "refused_foreign_domain");
    const auto misplaced = world.record(6, "pres:anna@a.example", 1);
    attack(misplaced.wire, misplaced.value_id(), 112, "refused_foreign_domain");
    attack(good.wire, id + 1, 112, "refused_conflict");
    attack(proto::Bytes(limits::record_bytes + 1), id, 112, "refused_too_large");
    // Under the genuine key and value id, but of OpenDHT's type 0, another of its own, and one that nobody registered.
    for (const std::uint8_t type : {0, 3, 80}) attack(proto::Bytes(40), id, type, "refused_unsupported_type");

    world.put(4, good);
    CHECK(world.get(20, world.key(good)).front() == good.wire);
    const auto replicas = world.stored();
    CHECK(replicas >= 8);
    const auto older = world.record(4, "pres:alice@a.example", 6);
    const auto before = world.count("refused_older");
    Attack{world.record(6, "pres:alice@a.example", ++counter), older.wire, id}.run(world, 6);
    CHECK(world.count("refused_older") - before >= 7);
    CHECK(world.stored() == replicas);
    for (const auto& wire : world.get(20, world.key(good))) CHECK(wire != older.wire);
}

TEST_CASE("a node puts nothing that it would refuse from others") {
    DhtWorld world(12, 1);
    auto forged = world.record(4, "pres:alice@a.example", 7);
    forged.wire.back() ^= 1;
    world.put(4, forged);
    CHECK(world.count("refused_bad_signature") == 1);
    CHECK(world.stored() == 0);
}

TEST_CASE("an expired record put again byte for byte is not kept, not answered and not believed") {
    DhtWorld world(24, 1);
    const auto record = world.record(4, "pres:alice@a.example", 1, 1h);
    world.put(4, record);
    CHECK(world.stored() >= 8);
    world.members[4].node->cancel_put(world.now, world.key(record), record.value_id());
    world.run(50min);
    CHECK(world.get(20, world.key(record)) == Wires{record.wire});
    world.put(5, record);  // again while it is good, by a third party, so that OpenDHT's own copies live on
    world.run(30min);
    CHECK(world.stored() == 0);
    const auto before = world.count("refused_expired");
    Attack{world.record(6, "pres:alice@a.example", 1), record.wire, record.value_id()}.run(world, 6);
    CHECK(world.count("refused_expired") - before >= 7);
    bool answered = false;
    world.on_send = [&](Flying& flying) { answered = answered || carries(flying.packet.bytes, record.wire); };
    for (const auto& wire : world.get(21, world.key(record))) CHECK(wire != record.wire);
    CHECK_FALSE(answered);
}

TEST_CASE("what ran out can not be kept in OpenDHT's store by refreshing it") {
    DhtWorld world(12, 1);
    const auto record = world.record(4, "pres:alice@a.example", 1, 1h);
    world.put(4, record);
    world.members[4].node->cancel_put(world.now, world.key(record), record.value_id());
    std::size_t holder = 0;
    while (holder == 4 || holder == 6 || world.members[holder].node->status().stored_records == 0) ++holder;
    DhtNode& victim = *world.members[holder].node;
    const auto& attacker = world.members[6];
    const auto answered = [&](std::uint64_t value_id) {
        while (victim.poll_output()) {
        }
        proto::MsgpackWriter out;
        out.map(4).str("a").map(4).str("id").bin(proto::kademlia_id(attacker.kit.key.public_key(), 0));
        out.str("h").bin(world.key(record)).str("token").bin(proto::Bytes(8)).str("vid").uint(value_id);
        out.str("q").str("refresh").str("t").uint(77).str("y").str("q");
        victim.handle_input(world.now, {attacker.endpoint, 0, 0, out.bytes()}, attacker.kit.key.public_key());
        return victim.poll_output().has_value();
    };
    CHECK(answered(record.value_id()));  // by OpenDHT: the token is wrong
    world.run(61min);
    REQUIRE(world.stored() == 0);
    const auto before = world.count("refused_expired");
    CHECK_FALSE(answered(record.value_id()));
    CHECK(world.count("refused_expired") == before + 1);
    CHECK(answered(record.value_id() + 1));  // nothing is there: OpenDHT says so, and it is put anew
}

TEST_CASE("readers check again what storing nodes let through") {
    DhtWorld world(24, 1);
    const auto record = world.record(4, "pres:alice@a.example", 1);
    world.put(4, record);
    // Every answer that carries the record carries a changed one.
    world.on_send = [&](Flying& flying) {
        auto& bytes = flying.packet.bytes;
        const auto at = std::search(bytes.begin(), bytes.end(), record.wire.begin(), record.wire.end());
        if (at != bytes.end()) *(at + static_cast<std::ptrdiff_t>(record.wire.size()) - 1) ^= 1;
    };
    CHECK(world.get(20, world.key(record)).empty());
    CHECK(world.count("refused_bad_signature") >= 1);
}

TEST_CASE("what a node verifies is known to whoever shares its cache") {
    DhtWorld world(12, 1);
    const auto record = world.record(4, "pres:alice@a.example", 7);
    world.put(4, record);
    CHECK(world.get(11, world.key(record)) == Wires{record.wire});
    CHECK(world.members[11].verified->records() == 1);
}

TEST_CASE("a reader refuses by name whatever lying nodes answer") {
    DhtWorld world(24, 1);
    const auto record = world.record(4, "pres:alice@a.example", 7);
    const auto foreign = world.record(3, "pres:alice@a.example", 7);
    const auto misplaced = world.record(4, "pres:anna@a.example", 7);
    const auto expired = world.record(4, "pres:alice@a.example", 8, 1s);
    world.put(4, record);
    struct Lie {
        const proto::Bytes& wire;
        std::uint8_t type;
        std::uint64_t value_id;
        std::string refusal;
    };
    const auto id = record.value_id();
    const proto::Bytes large(limits::record_bytes + 1);
    std::size_t reader = 0;
    for (const Lie& lie :
         {Lie{foreign.wire, 112, foreign.value_id(), "refused_foreign_domain"},
          Lie{misplaced.wire, 112, misplaced.value_id(), "refused_foreign_domain"},
          Lie{expired.wire, 112, id, "refused_expired"}, Lie{large, 112, id, "refused_too_large"},
          Lie{record.wire, 112, id + 1, "refused_conflict"}, Lie{record.wire, 3, id, "refused_unsupported_type"}}) {
        while (world.members[reader].node->status().stored_records > 0) ++reader;
        const Attack answer{record, lie.wire, lie.value_id, lie.type};
        world.on_send = [&](Flying& flying) {
            if (flying.packet.peer == world.members[reader].endpoint && carries(flying.packet.bytes, record.wire))
                answer.rewrite(flying.packet.bytes);
        };
        const auto before = world.count(lie.refusal);
        CHECK_MESSAGE(world.get(reader, world.key(record)).empty(), lie.refusal);
        CHECK_MESSAGE(world.count(lie.refusal) > before, lie.refusal);
        ++reader;
    }
}

TEST_CASE("a removed member's records are gone from nodes and answers") {
    DhtWorld world(24, 1);
    const auto of_b = world.record(3, "pres:bob@b.example", 1);
    world.put(3, of_b);
    CHECK(world.stored() >= 8);
    world.kit.remove_domain("b.example");
    for (std::size_t i = 0; i < world.members.size(); ++i) {
        if (i != 3) world.members[i].node->set_federation(world.now, world.kit.share());
    }
    CHECK(world.stored() == 1);  // the removed member does not care
    CHECK(world.get(20, world.key(of_b)).empty());
    world.put(3, of_b);
    CHECK(world.stored() == 1);
    CHECK(world.count("refused_not_admitted") >= 7);
}

TEST_CASE("a reader that has heard of a revocation believes no record of the node, whatever others keep") {
    DhtWorld world(24, 1);
    const auto record = world.record(3, "pres:bob@b.example", 1);
    world.put(3, record);
    world.kit.revoke(world.members[3].kit);
    world.members[20].node->set_federation(world.now, world.kit.share());
    CHECK(world.get(20, world.key(record)).empty());
    CHECK(world.count("refused_revoked") > 0);
    CHECK(world.get(21, world.key(record)) == Wires{record.wire});  // it has not heard of it
}

TEST_CASE("a packet that claims another node's id is dropped") {
    DhtWorld world(12, 1);
    testing::DhtMember& victim = world.members[1];
    proto::MsgpackWriter ping;
    const auto id = proto::kademlia_id(world.members[2].kit.key.public_key(), 0);
    ping.map(4).str("a").map(1).str("id").bin(id).str("q").str("ping").str("t").uint(77).str("y").str("q");
    const DhtPacket packet{world.members[2].endpoint, 0, 0, ping.bytes()};
    victim.node->handle_input(world.now, packet, world.members[2].kit.key.public_key());
    REQUIRE(victim.node->poll_output().has_value());  // its own: answered
    while (victim.node->poll_output()) {
    }
    victim.node->handle_input(world.now, packet, world.members[3].kit.key.public_key());
    CHECK_FALSE(victim.node->poll_output().has_value());
    DhtPacket other_shard = packet;
    other_shard.peer_shard = 1;
    victim.node->handle_input(world.now, other_shard, world.members[2].kit.key.public_key());
    CHECK_FALSE(victim.node->poll_output().has_value());
    CHECK(world.count("refused_wrong_kademlia_id") == 2);
    DhtPacket odd = packet;
    odd.peer.port = 4001;
    victim.node->handle_input(world.now, odd, world.members[2].kit.key.public_key());
    CHECK(world.count("refused_malformed") == 1);
    DhtPacket no_shard = packet;
    no_shard.own_shard = 5;
    victim.node->handle_input(world.now, no_shard, world.members[2].kit.key.public_key());
    CHECK(world.count("refused_not_found") == 1);
}

TEST_CASE("a put of what is no record by its size or type never reaches OpenDHT") {
    DhtWorld world(4, 1);
    DhtNode& victim = *world.members[1].node;
    const auto& attacker = world.members[2];
    const auto answered = [&](std::size_t size, std::uint8_t type) {
        proto::MsgpackWriter out;
        out.map(4).str("a").map(4).str("id").bin(proto::kademlia_id(attacker.kit.key.public_key(), 0));
        out.str("h").bin(proto::DhtKey{1}).str("token").bin(proto::Bytes(8)).str("values").array(1);
        out.map(2).str("id").uint(7).str("dat").map(1).str("body").map(2).str("type").uint(type).str("data");
        out.bin(proto::Bytes(size)).str("q").str("put").str("t").uint(77).str("y").str("q");
        victim.handle_input(world.now, {attacker.endpoint, 0, 0, out.bytes()}, attacker.kit.key.public_key());
        bool any = false;
        while (victim.poll_output()) any = true;
        return any;
    };
    world.run(10s);
    while (victim.poll_output()) {
    }
    CHECK(answered(limits::record_bytes, 112));  // by OpenDHT: the token is wrong
    CHECK_FALSE(answered(limits::record_bytes + 1, 112));
    CHECK_FALSE(answered(limits::record_bytes, 3));
    CHECK(world.count("refused_too_large") == 1);
    CHECK(world.count("refused_unsupported_type") == 1);
}

TEST_CASE("packets of one peer beyond its rate are dropped, those of others are not") {
    DhtWorld world(4, 1);
    DhtNode& victim = *world.members[1].node;
    const auto ping = [&](std::size_t from) {
        proto::MsgpackWriter out;
        const auto id = proto::kademlia_id(world.members[from].kit.key.public_key(), 0);
        out.map(4).str("a").map(1).str("id").bin(id).str("q").str("ping").str("t").uint(77).str("y").str("q");
        victim.handle_input(world.now, {world.members[from].endpoint, 0, 0, out.bytes()},
                            world.members[from].kit.key.public_key());
        std::size_t answers = 0;
        while (victim.poll_output()) ++answers;
        return answers;
    };
    world.run(10s);
    std::size_t answered = 0;
    for (int i = 0; i < 2 * limits::dht_packets_per_second_per_peer + 100; ++i) answered += ping(2) > 0 ? 1 : 0;
    CHECK(answered == 2 * limits::dht_packets_per_second_per_peer);
    CHECK(world.count("refused_rate_limited") == 100);
    CHECK(ping(3) > 0);
    world.run(1s);
    CHECK(ping(2) > 0);
}

TEST_CASE("records put by one peer beyond its rate are dropped, those of others are not") {
    DhtWorld world(4, 1);
    DhtNode& victim = *world.members[1].node;
    const auto put = [&](std::size_t from) {
        const auto& member = world.members[from];
        proto::MsgpackWriter out;
        out.map(4).str("a").map(4).str("id").bin(proto::kademlia_id(member.kit.key.public_key(), 0));
        out.str("h").bin(proto::DhtKey{1}).str("token").bin(proto::Bytes(8)).str("values").array(1);
        out.map(2).str("id").uint(7).str("dat").map(1).str("body").map(2).str("type").uint(112).str("data");
        out.bin(proto::Bytes(300)).str("q").str("put").str("t").uint(77).str("y").str("q");
        victim.handle_input(world.now, {member.endpoint, 0, 0, out.bytes()}, member.kit.key.public_key());
        bool any = false;
        while (victim.poll_output()) any = true;
        return any;
    };
    world.run(10s);
    int passed = 0;
    for (int i = 0; i < 2 * limits::dht_records_per_second_per_peer + 50; ++i) passed += put(2) ? 1 : 0;
    CHECK(passed == 2 * limits::dht_records_per_second_per_peer);
    CHECK(world.count("refused_rate_limited") == 50);
    CHECK(put(3));
    world.run(1s);
    CHECK(put(2));
}

TEST_CASE("listens of one peer beyond its rate are dropped, those of others are not") {
    DhtWorld world(4, 1);
    DhtNode& victim = *world.members[1].node;
    std::uint8_t number = 0;
    const auto listen = [&](std::size_t from) {
        const auto& member = world.members[from];
        proto::MsgpackWriter out;
        out.map(4).str("a").map(4).str("id").bin(proto::kademlia_id(member.kit.key.public_key(), 0));
        out.str("h").bin(proto::DhtKey{++number}).str("sid").uint(1).str("token").bin(proto::Bytes(8));
        out.str("q").str("listen").str("t").uint(77).str("y").str("q");
        victim.handle_input(world.now, {member.endpoint, 0, 0, out.bytes()}, member.kit.key.public_key());
        bool any = false;
        while (victim.poll_output()) any = true;
        return any;
    };
    world.run(10s);
    while (victim.poll_output()) {
    }
    int passed = 0;
    for (int i = 0; i < limits::dht_listens_burst_per_peer + 50; ++i) passed += listen(2) ? 1 : 0;
    CHECK(passed == limits::dht_listens_burst_per_peer);  // answered by OpenDHT: the token is wrong
    CHECK(world.count("refused_rate_limited") == 50);
    CHECK(listen(3));
    world.run(1s);
    CHECK(listen(2));
}

TEST_CASE("the quotas of a key and of a member hold whatever the address of the peer that puts") {
    for (const auto families : {Families::ipv4, Families::ipv6}) {
        CAPTURE(static_cast<int>(families));
        DhtWorld world(8, 1, families, {.per_key = 2, .per_member = 4, .in_all = 100});
        const auto kept = [&] { return world.members[5].node->status().stored_records; };
        const auto put = [&](const std::string& who) {  // from the node that bounds nothing, as another's source
            const auto record = testing::record_of(world.kit.node("a.example"), *world.kit.share(), who, 1);
            const auto refused = world.count("refused_quota");
            world.put(0, record);
            return world.count("refused_quota") - refused;
        };
        CHECK(put("pres:alice@a.example") == 0);
        CHECK(put("pres:alice@a.example") == 0);
        CHECK(kept() == 2);
        CHECK(put("pres:alice@a.example") >= 6);
        CHECK(put("pres:anna@a.example") == 0);
        CHECK(put("pres:arthur@a.example") == 0);
        CHECK(kept() == 4);
        CHECK(put("pres:alan@a.example") >= 6);
        CHECK(kept() == 4);
    }
}
