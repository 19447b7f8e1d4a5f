// What a forger makes, how it gets to others, and who notices when somebody takes it.
#include "sim/forger.hpp"

#include <doctest/doctest.h>

#include <deque>

#include "overlay/dht_fake.hpp"
#include "overlay/dht_packet.hpp"
#include "overlay/record_store.hpp"
#include "proto/msgpack_io.hpp"
#include "sim/attack.hpp"
#include "sim/probing_dht.hpp"
#include "sim/scenario_file.hpp"
#include "tests/support/record_kit.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;
using overlay::DhtPacket;
using proto::Bytes;
using proto::Reason;

namespace {

constexpr std::uint64_t forgers_seed = 1;

/// As OpenDHT writes it.
DhtPacket put_packet(const proto::DhtKey& key, std::uint64_t id, proto::BytesView wire) {
    proto::MsgpackWriter out;
    out.map(3).str("a").map(3).str("h").bin(key).str("id").bin(proto::DhtKey{1}).str("values").array(1);
    out.map(2).str("id").uint(id).str("dat").map(1).str("body").map(2).str("type").uint(112).str("data").bin(wire);
    out.str("q").str("put").str("y").str("q");
    return {{}, 0, 0, out.take()};
}

/// Believes whatever it is told, and puts with a packet.
class NaiveDht final : public PassingDht {
  public:
    explicit NaiveDht(overlay::DhtFakeWorld& world) : PassingDht(std::make_unique<overlay::DhtFake>(world)) {}
    void put(proto::Now, const proto::DhtKey& key, std::uint64_t id, proto::BytesView wire) override {
        packets.push_back(put_packet(key, id, wire));
    }
    std::optional<DhtPacket> poll_output() override { return pop(packets); }
    std::optional<overlay::DhtEvent> poll_event() override { return pop(events); }
    std::deque<DhtPacket> packets;
    std::deque<overlay::DhtEvent> events;

  private:
    template <class T>
    static std::optional<T> pop(std::deque<T>& queue) {
        if (queue.empty()) return std::nullopt;
        auto first = std::move(queue.front());
        queue.pop_front();
        return first;
    }
};

struct Forgers {
    testing::FederationKit kit{3};
    testing::NodeKit victim, forger;
    ForgersMark mark{forgers_seed};
    proto::Now now{proto::SteadyTime{1h}, proto::wall_from_seconds(testing::kit_epoch_s)};
    Forgers() : victim(node("a.example")), forger(node("evil.example")) {}
    testing::NodeKit node(const std::string& domain) {
        kit.add_domain(domain);
        return kit.node(domain);
    }
    Insider insider() const {
        return {forger.key, forger.certificate, kit.share(), proto::Endpoint::v4(0x0a000009, 4000)};
    }
    proto::Record record() const { return testing::record_of(victim, *kit.share(), "pres:alice@a.example", 5); }
    proto::Record domain_record() const {
        auto record = this->record();
        record.kind = proto::RecordKind::domain;
        record.presentity = {};
        record.digest = {};
        record.sealed_summary.clear();
        REQUIRE(proto::sign(record, victim.key, victim.certificate));
        return record;
    }
    overlay::Place place(const proto::Record& record) const {
        return {record.dht_key(kit.share()->key), record.value_id()};
    }
};

}  // namespace

TEST_CASE("each forgery is well formed and marked, and refused for the one thing that it may not") {
    const Forgers world;
    for (const auto& record : {world.record(), world.domain_record()}) {
        const auto place = world.place(record);
        const auto forgeries = forgeries_of(record, world.insider(), world.mark);
        std::vector<std::pair<bool, Reason>> seen;
        for (const bool before : {true, false}) {
            overlay::RecordStore store(world.kit.share());
            if (!before) REQUIRE(store.offer(world.now.wall, place, record.wire));
            seen.clear();
            for (const auto& forgery : forgeries) {
                CHECK(world.mark.is_in(forgery.wire));
                const auto offered = store.offer(world.now.wall, {place.key, forgery.value_id}, forgery.wire);
                REQUIRE_FALSE(offered.has_value());
                seen.emplace_back(forgery.value_id == place.value_id, offered.error().reason);
            }
            CHECK(store.records() == (before ? 0 : 1));
        }
        const std::vector<std::pair<bool, Reason>> expected{{true, Reason::foreign_domain},
                                                            {false, Reason::foreign_domain},
                                                            {false, Reason::foreign_domain},
                                                            {true, Reason::bad_signature}};
        CHECK(seen == expected);
        CHECK_FALSE(world.mark.is_in(record.wire));
        if (record.kind == proto::RecordKind::presentity)
            for (const auto& forgery : forgeries) CHECK(forgery.wire.size() == record.wire.size());
        // But for the key that it lies under, the third is as good as any.
        CHECK(proto::read_record(forgeries[2].wire, *world.kit.share(), world.now.wall));
    }
}

TEST_CASE("a forger learns from what it is to keep, and sends each forgery in turn, once it begins") {
    Forgers world;
    overlay::DhtFakeWorld fake(world.kit.share(), 1ms);
    auto naive = std::make_unique<NaiveDht>(fake);
    auto& outlet = *naive;
    std::uint64_t sent = 0;
    ForgingDoor door(std::move(naive), world.now.wall + 10s, world.insider(), world.mark, sent);
    for (const auto& record : {world.record(), world.domain_record()}) {
        const auto [key, id] = world.place(record);
        const auto genuine = put_packet(key, id, record.wire);
        door.handle_input(world.now, genuine, world.victim.key.public_key());
        outlet.packets.push_back(genuine);
        CHECK(door.poll_output()->bytes == genuine.bytes);
    }
    door.handle_timeout(world.now);
    CHECK_FALSE(door.poll_output());
    world.now = {world.now.steady + 10s, world.now.wall + 10s};
    std::set<std::pair<std::uint64_t, Bytes>> left, expected;
    for (int i = 0; i < 8; ++i) {
        door.handle_timeout(world.now);
        const auto packet = door.poll_output();
        REQUIRE(packet);
        CHECK_FALSE(door.poll_output());
        const auto claims = overlay::read_dht_packet(packet->bytes);
        REQUIRE(claims);
        REQUIRE(claims->values.size() == 1);
        left.emplace(claims->values[0].id, Bytes(claims->values[0].data.begin(), claims->values[0].data.end()));
        CHECK(door.next_timeout() == world.now.steady + 1s);
        world.now = {world.now.steady + 1s, world.now.wall + 1s};
    }
    CHECK(sent == 8);
    for (const auto& record : {world.record(), world.domain_record()})
        for (const auto& forgery : forgeries_of(record, world.insider(), world.mark))
            expected.emplace(forgery.value_id, forgery.wire);
    CHECK(left == expected);
    // Asked for what it keeps, it answers with something else.
    const auto [key, id] = world.place(world.record());
    outlet.packets.push_back(put_packet(key, id, world.record().wire));
    CHECK(world.mark.is_in(door.poll_output()->bytes));
}

TEST_CASE("a forged record that a node finds, or hands on, does not pass unseen") {
    struct Court final : Audience {
        std::vector<std::pair<NodeIndex, bool>> taken;
        void seen(WatchNumber, Shown, const proto::DocumentPtr&) override {}
        void lookup_found(LookupNumber) override {}
        void lookup_done(LookupNumber, std::optional<unsigned>) override {}
        void forgery_taken(NodeIndex node, bool found) override { taken.emplace_back(node, found); }
    };
    const Forgers world;
    const auto record = world.record();
    const auto forged = forgeries_of(record, world.insider(), world.mark)[1];
    const auto pass = [&](const std::string& model, const Bytes& wire) {
        const auto scenario = parse_scenario("[attack]\nmodel = \"" + model + "\"\n", "s.toml");
        if (!scenario) FAIL(scenario.error().front());
        const auto attack = make_attack(*scenario, forgers_seed);
        overlay::DhtFakeWorld fake(world.kit.share(), 1ms);
        auto naive = std::make_unique<NaiveDht>(fake);
        auto& inlet = *naive;
        Court court;
        ProbingDht door(std::move(naive), 7, court, attack.get());
        inlet.events.push_back(overlay::RecordFound{1, wire});
        inlet.packets.push_back(put_packet(world.place(record).key, 5, wire));
        CHECK(door.poll_event());
        CHECK(door.poll_output());
        return court.taken;
    };
    CHECK(pass("forge", forged.wire) == std::vector<std::pair<NodeIndex, bool>>{{7, true}, {7, false}});
    CHECK(pass("forge", record.wire).empty());
    CHECK(pass("drop", forged.wire).empty());
    CHECK(pass("none", forged.wire).empty());
}
