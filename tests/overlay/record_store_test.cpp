// What a node keeps for others and what it refuses, rule by rule.
#include "overlay/record_store.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using proto::Reason;

namespace {

struct StoreWorld {
    testing::FederationKit kit{3};
    proto::WallTime now = proto::wall_from_seconds(testing::kit_epoch_s);
    StoreWorld() {
        for (const char* domain : {"a.example", "b.example", "c.example"}) kit.add_domain(domain);
    }
    Place place(const proto::Record& record) const { return {record.dht_key(kit.share()->key), record.value_id()}; }
    proto::Record record(const testing::NodeKit& node, const std::string& who, std::uint64_t counter,
                         proto::Duration lifetime = 20h) const {
        return testing::record_of(node, *kit.share(), who, counter, lifetime);
    }
};

Reason refusal(const proto::Result<void>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().reason;
}

}  // namespace

TEST_CASE("a record is kept, a newer one replaces it, an older or equal one never does") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    const auto node = world.kit.node("a.example");
    const auto first = world.record(node, "pres:alice@a.example", 5);
    CHECK(store.offer(world.now, world.place(first), first.wire));
    CHECK(store.offer(world.now, world.place(first), first.wire));  // the same bytes again
    CHECK(store.records() == 1);
    CHECK(store.bytes() == first.wire.size());
    const auto newer = world.record(node, "pres:alice@a.example", 6);
    CHECK(world.place(newer) == world.place(first));
    CHECK(store.offer(world.now, world.place(newer), newer.wire));
    CHECK(refusal(store.offer(world.now, world.place(first), first.wire)) == Reason::older);
    const auto equal = world.record(node, "pres:alice@a.example", 6, 19h);
    CHECK(refusal(store.offer(world.now, world.place(equal), equal.wire)) == Reason::older);
    CHECK(store.records() == 1);
    CHECK(store.refused() == 2);
    CHECK(store.refused(Reason::older) == 2);
}

TEST_CASE("forged, foreign, misplaced, oversize and squatting records are refused by name") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    const auto a = world.kit.node("a.example");
    const auto b = world.kit.node("b.example");
    const auto good = world.record(a, "pres:alice@a.example", 5);
    for (std::size_t at = 0; at < good.wire.size(); ++at) {
        auto forged = good.wire;
        forged[at] ^= 1;
        CHECK_FALSE(store.offer(world.now, world.place(good), forged));
    }
    auto last = good.wire;
    last.back() ^= 1;
    CHECK(refusal(store.offer(world.now, world.place(good), last)) == Reason::bad_signature);
    const auto foreign = world.record(b, "pres:alice@a.example", 5);
    CHECK(refusal(store.offer(world.now, world.place(foreign), foreign.wire)) == Reason::foreign_domain);
    Place elsewhere = world.place(good);
    elsewhere.key[3] ^= 1;
    CHECK(refusal(store.offer(world.now, elsewhere, good.wire)) == Reason::foreign_domain);
    Place squatted = world.place(good);
    ++squatted.value_id;
    CHECK(refusal(store.offer(world.now, squatted, good.wire)) == Reason::conflict);
    CHECK(refusal(store.offer(world.now, world.place(good), proto::Bytes(limits::record_bytes + 1))) ==
          Reason::too_large);
    CHECK(store.records() == 0);
}

TEST_CASE("what was found good once is looked at again in all but its signature") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    const auto node = world.kit.node("a.example");
    const auto good = world.record(node, "pres:alice@a.example", 5, 1h);
    const auto place = world.place(good);
    CHECK(store.offer(world.now, place, good.wire));
    CHECK(store.read(world.now, place, good.wire));
    for (std::size_t at = 0; at < good.wire.size(); ++at) {
        auto forged = good.wire;
        forged[at] ^= 1;
        CHECK_FALSE(store.offer(world.now, place, forged));
        CHECK_FALSE(store.read(world.now, place, forged));
    }
    CHECK(store.read(world.now + 1h, place, good.wire).error().reason == Reason::expired);
    Place elsewhere = place;
    elsewhere.key[3] ^= 1;
    CHECK(store.read(world.now, elsewhere, good.wire).error().reason == Reason::foreign_domain);
    CHECK(store.read(world.now, {place.key, place.value_id + 1}, good.wire).error().reason == Reason::conflict);
    world.kit.revoke(node);
    store.set_federation(world.now, world.kit.share());
    CHECK(store.read(world.now, place, good.wire).error().reason == Reason::revoked);
}

TEST_CASE("a delegate's record is kept, and no longer once the delegation is gone") {
    StoreWorld world;
    const auto b = world.kit.node("b.example");
    const auto record = world.record(b, "pres:alice@a.example", 1);
    const auto before = world.kit.share();
    world.kit.delegate("a.example", "b.example");
    RecordStore store(world.kit.share());
    CHECK(store.offer(world.now, world.place(record), record.wire));
    CHECK(store.set_federation(world.now, before) == std::vector{world.place(record)});
    CHECK(store.records() == 0);
}

TEST_CASE("what has run out is forgotten and refused, whoever offers it") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    const auto node = world.kit.node("a.example");
    const auto record = world.record(node, "pres:alice@a.example", 1, 1h);
    CHECK(store.offer(world.now, world.place(record), record.wire));
    CHECK(store.next_expiry() == record.expires);
    CHECK(store.expire(world.now + 59min).empty());
    CHECK(store.expire(world.now + 1h) == std::vector{world.place(record)});
    CHECK(store.next_expiry() == proto::WallTime::max());
    CHECK(refusal(store.offer(world.now + 2h, world.place(record), record.wire)) == Reason::expired);
    CHECK(store.bytes() == 0);
}

TEST_CASE("what has run out takes its room for as long as OpenDHT keeps what it was given") {
    StoreWorld world;
    RecordStore store(world.kit.share(), {.per_key = 64, .per_member = 2, .in_all = 3});
    const auto a = world.kit.node("a.example");
    const auto b = world.kit.node("b.example");
    const auto offer = [&](const testing::NodeKit& node, const std::string& who, std::uint64_t counter,
                           proto::Duration age = 0s) {
        auto record = world.record(node, who, counter, 23h);
        record.issued += age;
        record.expires = record.issued + 1min;
        REQUIRE(proto::sign(record, node.key, node.certificate));
        return store.offer(world.now + age, world.place(record), record.wire);
    };
    CHECK(offer(a, "pres:alice@a.example", 1));
    CHECK(offer(a, "pres:anna@a.example", 1));
    CHECK(store.expire(world.now + 1h).size() == 2);
    CHECK(store.records() == 0);
    CHECK(store.emptied() == 2);
    CHECK(refusal(offer(a, "pres:arthur@a.example", 1, 1h)) == Reason::quota);
    CHECK(offer(b, "pres:bob@b.example", 1, 1h));
    CHECK(refusal(offer(b, "pres:berta@b.example", 1, 1h)) == Reason::quota);
    // One who comes back takes the place that is still his.
    CHECK(offer(a, "pres:alice@a.example", 2, 1h));
    CHECK(store.emptied() == 1);
    CHECK(refusal(offer(a, "pres:arthur@a.example", 1, 1h)) == Reason::quota);
    CHECK(store.expire(world.now + 2h).size() == 2);
    CHECK(store.expire(world.now + 1h + limits::record_lifetime).empty());
    CHECK(store.emptied() == 2);
    CHECK(offer(a, "pres:arthur@a.example", 1, 25h));
    store.expire(world.now + 3h + limits::record_lifetime);
    CHECK(store.emptied() == 1);
}

TEST_CASE("a removed member's and a revoked node's records go, the others stay") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    const auto a = world.kit.node("a.example");
    const auto b1 = world.kit.node("b.example");
    const auto b2 = world.kit.node("b.example");
    const auto of_a = world.record(a, "pres:alice@a.example", 1);
    const auto of_b1 = world.record(b1, "pres:bob@b.example", 1);
    const auto of_b2 = world.record(b2, "pres:bob@b.example", 1);
    for (const auto* record : {&of_a, &of_b1, &of_b2})
        CHECK(store.offer(world.now, world.place(*record), record->wire));
    world.kit.revoke(b1);
    CHECK(store.set_federation(world.now, world.kit.share()) == std::vector{world.place(of_b1)});
    CHECK(refusal(store.offer(world.now, world.place(of_b1), of_b1.wire)) == Reason::revoked);
    world.kit.remove_domain("a.example");
    CHECK(store.set_federation(world.now, world.kit.share()) == std::vector{world.place(of_a)});
    CHECK(refusal(store.offer(world.now, world.place(of_a), of_a.wire)) == Reason::not_admitted);
    CHECK(store.contains(world.place(of_b2)));
}

TEST_CASE("the quota of a key") {
    StoreWorld world;
    RecordStore store(world.kit.share());
    for (std::size_t i = 0; i < limits::records_per_key; ++i) {
        const auto record = world.record(world.kit.node("a.example"), "pres:alice@a.example", 1);
        CHECK(store.offer(world.now, world.place(record), record.wire));
    }
    const auto late = world.kit.node("a.example");
    const auto one_too_many = world.record(late, "pres:alice@a.example", 1);
    CHECK(refusal(store.offer(world.now, world.place(one_too_many), one_too_many.wire)) == Reason::quota);
    const auto elsewhere = world.record(late, "pres:anna@a.example", 1);
    CHECK(store.offer(world.now, world.place(elsewhere), elsewhere.wire));
}

TEST_CASE("the quota of a member, and of all together; a replacement needs no room") {
    StoreWorld world;
    RecordStore store(world.kit.share(), {.per_key = 64, .per_member = 2, .in_all = 3});
    const auto a = world.kit.node("a.example");
    const auto b = world.kit.node("b.example");
    const auto offer = [&](const testing::NodeKit& node, const std::string& who, std::uint64_t counter) {
        const auto record = world.record(node, who, counter);
        return store.offer(world.now, world.place(record), record.wire);
    };
    CHECK(offer(a, "pres:alice@a.example", 1));
    CHECK(offer(a, "pres:anna@a.example", 1));
    CHECK(refusal(offer(a, "pres:arthur@a.example", 1)) == Reason::quota);
    CHECK(offer(a, "pres:anna@a.example", 2));
    CHECK(offer(b, "pres:bob@b.example", 1));
    CHECK(refusal(offer(b, "pres:berta@b.example", 1)) == Reason::quota);
    CHECK(offer(b, "pres:bob@b.example", 2));
    CHECK(store.refused(Reason::quota) == 2);
    CHECK(store.records() == 3);
}
