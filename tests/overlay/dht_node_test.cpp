// Real OpenDHT objects on a queued network in virtual time: records are found, and nothing wrong is kept or believed.
#include "overlay/dht_node.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>

#include "overlay/dht_packet.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "tests/support/os_shim.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;

namespace {

struct Member {
    tests::NodeKit kit;
    proto::Endpoint endpoint;
    std::unique_ptr<DhtNode> node;
    proto::VerificationCachePtr verified = std::make_shared<proto::VerificationCache>();
    std::map<LookupId, std::vector<proto::Bytes>> found{};
    std::map<LookupId, bool> done{};
    std::vector<RecordGone> gone{};
};

struct Flying {
    proto::SteadyTime arrives;
    std::size_t from;
    DhtPacket packet;  ///< as sent: `peer` is the receiver
};

struct DhtWorld {
    tests::VirtualTime clock{11};
    tests::FederationKit kit{4};
    proto::Now now{proto::SteadyTime{1000s}, proto::wall_from_seconds(tests::kit_epoch_s)};
    std::vector<Member> members;
    std::deque<Flying> air;
    std::function<void(Flying&)> on_send = [](Flying&) {};
    std::size_t packets = 0;
    int shards;
    bool ipv6;
    RecordQuotas quotas;  ///< of all but the first node

    DhtWorld(std::size_t nodes, std::uint8_t shards_each, bool over_ipv6 = false, RecordQuotas lower = {})
        : shards(shards_each), ipv6(over_ipv6), quotas(lower) {
        clock.set(now);
        kit.add_domain("a.example");
        kit.add_domain("b.example");
        for (std::size_t i = 0; i < nodes; ++i) add(i % 2 == 0 ? "a.example" : "b.example", shards_each);
        for (std::size_t i = 1; i < nodes; ++i) members[i].node->bootstrap(now, members[0].endpoint);
        run(60s);
    }
    void add(const std::string& domain, std::uint8_t shards_of_it) {
        Member member{kit.node(domain), address(members.size() + 1), {}};
        DhtSettings settings;
        settings.node_key = member.kit.key.public_key();
        settings.federation = kit.share();
        settings.own = {member.endpoint};
        settings.shards = shards_of_it;
        settings.verified = member.verified;
        settings.ipv4 = !ipv6;
        settings.ipv6 = ipv6;
        if (!members.empty()) settings.quotas = quotas;
        member.node = std::make_unique<DhtNode>(settings);
        members.push_back(std::move(member));
    }
    proto::Endpoint address(std::size_t number) const {
        if (!ipv6) return proto::Endpoint::v4(0x0a000000 + static_cast<std::uint32_t>(number), 4000);
        return proto::Endpoint::parse("[2001:db8::" + std::to_string(number) + "]:4000").value();
    }
    void collect(std::size_t at) {
        Member& member = members[at];
        while (auto packet = member.node->poll_output()) {
            Flying flying{now.steady + 10ms, at, std::move(*packet)};
            on_send(flying);
            ++packets;
            air.push_back(std::move(flying));
        }
        while (auto event = member.node->poll_event()) {
            if (auto* one = std::get_if<RecordFound>(&*event)) member.found[one->lookup].push_back(one->wire);
            if (auto* one = std::get_if<LookupDone>(&*event)) member.done[one->lookup] = one->ok;
            if (auto* one = std::get_if<RecordGone>(&*event)) member.gone.push_back(*one);
        }
    }
    proto::SteadyTime next() const {
        proto::SteadyTime next = air.empty() ? proto::never : air.front().arrives;
        for (const Member& member : members) next = std::min(next, member.node->next_timeout());
        return next;
    }
    void advance_to(proto::SteadyTime to) {
        now.wall += to - now.steady;
        now.steady = to;
        clock.set(now);
    }
    void run(proto::Duration span) {
        const auto end = now.steady + span;
        for (std::size_t i = 0; i < members.size(); ++i) collect(i);
        while (next() <= end) {
            advance_to(std::max(now.steady, next()));
            while (!air.empty() && air.front().arrives <= now.steady) {
                const Flying flying = std::move(air.front());
                air.pop_front();
                deliver(flying);
            }
            for (std::size_t i = 0; i < members.size(); ++i) {
                if (members[i].node->next_timeout() <= now.steady) members[i].node->handle_timeout(now);
                collect(i);
            }
        }
        advance_to(end);
    }
    void deliver(const Flying& flying) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (members[i].endpoint != flying.packet.peer) continue;
            DhtPacket packet = flying.packet;
            packet.peer = members[flying.from].endpoint;
            std::swap(packet.own_shard, packet.peer_shard);
            members[i].node->handle_input(now, packet, members[flying.from].kit.key.public_key());
            collect(i);
        }
    }
    proto::Record record(std::size_t by, const std::string& who, std::uint64_t counter,
                         proto::Duration lifetime = 20h) const {
        return tests::record_of(members[by].kit, *kit.share(), who, counter, lifetime);
    }
    proto::DhtKey key(const proto::Record& record) const { return record.dht_key(kit.share()->key); }
    void put(std::size_t at, const proto::Record& record) {
        members[at].node->put(now, key(record), record.value_id(), record.wire);
        run(5s);
    }
    std::vector<proto::Bytes> get(std::size_t at, const proto::DhtKey& key) {
        const LookupId lookup = members[at].node->get(now, key);
        run(20s);
        CHECK(members[at].done.count(lookup) == 1);
        return members[at].found[lookup];
    }
    /// How many shards of all nodes are nearer to the key than this one.
    std::size_t nearer(const proto::DhtKey& key, std::size_t node, int shard) const {
        const auto distance = [&](const Member& member, int of) {
            auto id = proto::kademlia_id(member.kit.key.public_key(), static_cast<std::uint8_t>(of));
            for (std::size_t at = 0; at < id.size(); ++at) id[at] ^= key[at];
            return id;
        };
        std::size_t count = 0;
        for (const Member& member : members)
            for (int of = 0; of < shards; ++of) count += distance(member, of) < distance(members[node], shard) ? 1 : 0;
        return count;
    }
    std::size_t stored() const {
        std::size_t sum = 0;
        for (const Member& member : members) sum += member.node->status().stored_records;
        return sum;
    }
    std::uint64_t count(const std::string& name) const {
        std::uint64_t sum = 0;
        for (const Member& member : members) {
            for (const auto& [counter, value] : member.node->counters()) sum += counter == name ? value : 0;
        }
        return sum;
    }
};

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

using Wires = std::vector<proto::Bytes>;

}  // namespace

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
    // Written again, newer, it goes the same way; and the clock and the federation may be asked of all of them.
    const auto newer = world.record(4, "pres:user3@a.example", 2);
    world.put(4, newer);
    CHECK(node.status().stored_records == kept);
    CHECK(world.get(17, world.key(newer)) == Wires{newer.wire});
    world.run(25h);
    CHECK(world.stored() == 0);
}

TEST_CASE("a node that listens for its own record is told of each version, and never that it is gone") {
    DhtWorld world(30, 1);
    auto& member = world.members[4];
    for (int i = 0; i < 6; ++i) {
        const auto who = "pres:user" + std::to_string(i) + "@a.example";
        const auto key = world.key(world.record(4, who, 1));
        member.node->listen(world.now, key);
        world.run(20s);
        for (std::uint64_t version = 1; version <= 5; ++version) {
            world.put(4, world.record(4, who, version));
            world.run(1min);
        }
        CHECK(world.get(4, key) == Wires{world.record(4, who, 5).wire});
    }
    CHECK(member.gone.empty());
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
        world.get(4, world.key(world.record(2, "pres:other" + std::to_string(i) + "@a.example", 1)));
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
    Member& victim = world.members[1];
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

TEST_CASE("the quotas of a key and of a member hold whatever the address of the peer that puts") {
    for (const bool over_ipv6 : {false, true}) {
        CAPTURE(over_ipv6);
        DhtWorld world(8, 1, over_ipv6, {.per_key = 2, .per_member = 4, .in_all = 100});
        const auto kept = [&] { return world.members[5].node->status().stored_records; };
        const auto put = [&](const std::string& who) {  // from the node that bounds nothing, as another's source
            const auto record = tests::record_of(world.kit.node("a.example"), *world.kit.share(), who, 1);
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

TEST_CASE("packets read before OpenDHT sees them: one sender, plain whole values, no key twice") {
    const auto reason = [](const proto::MsgpackWriter& out) {
        const auto read = read_dht_packet(out.bytes());
        REQUIRE_FALSE(read.has_value());
        return read.error().reason;
    };
    const proto::DhtKey id{1}, other{2};
    proto::MsgpackWriter nobody;
    nobody.map(3).str("a").map(0).str("q").str("ping").str("y").str("q");
    CHECK(reason(nobody) == proto::Reason::malformed);
    proto::MsgpackWriter twice;
    twice.map(3).str("a").map(2).str("id").bin(id).str("id").bin(other).str("q").str("ping").str("y").str("q");
    CHECK(reason(twice) == proto::Reason::malformed);
    proto::MsgpackWriter two;
    two.map(3).str("a").map(1).str("id").bin(id).str("r").map(1).str("id").bin(other).str("y").str("q");
    CHECK(reason(two) == proto::Reason::malformed);
    const auto put = [&](auto write_value) {
        proto::MsgpackWriter out;
        out.map(3).str("a").map(2).str("id").bin(id).str("values").array(1);
        write_value(out);
        out.str("q").str("put").str("y").str("q");
        return out;
    };
    const auto good = put([](auto& out) {
        out.map(2).str("id").uint(7).str("dat").map(1).str("body").map(2).str("type").uint(112).str("data").bin(
            proto::Bytes{1, 2});
    });
    const auto read = read_dht_packet(good.bytes());
    REQUIRE(read.has_value());
    CHECK(read->sender == id);
    const proto::Bytes content{1, 2};
    CHECK(read->values == std::vector{PutValue{7, 112, content}});
    CHECK(reason(put([](auto& out) { out.uint(1300); })) == proto::Reason::unsupported_type);  // in parts
    CHECK(reason(put([](auto& out) { out.map(2).str("id").uint(7).str("dat").bin(proto::Bytes{1}); })) ==
          proto::Reason::unsupported_type);  // encrypted
    CHECK(reason(put([](auto& out) {
              out.map(2).str("id").uint(7).str("dat").map(2).str("body").map(2).str("type").uint(112).str("data");
              out.bin(proto::Bytes{1}).str("sig").bin(proto::Bytes{1});
          })) == proto::Reason::unsupported_type);
    proto::MsgpackWriter large;
    large.map(1).str("y").bin(proto::Bytes(limits::dht_packet_bytes));
    CHECK(reason(large) == proto::Reason::too_large);
}
