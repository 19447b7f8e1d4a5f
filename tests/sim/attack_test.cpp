#include "sim/attack.hpp"

#include <doctest/doctest.h>

#include "sim/dice.hpp"
#include "sim/names.hpp"
#include "sim/run.hpp"
#include "sim/scenario_file.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;
using proto::Bytes;
using proto::Duration;
using proto::Endpoint;

namespace {

Scenario attacked(const std::string& attack, std::uint32_t nodes = 200) {
    auto read = parse_scenario("nodes = " + std::to_string(nodes) + "\n[attack]\n" + attack, "s.toml");
    if (!read) FAIL(read.error().front());
    return *read;
}

struct Field final : AttackField {
    struct Sent {
        Endpoint from;
        Endpoint to;
        Bytes bytes;
    };
    Duration at{};
    std::vector<Sent> sent;
    Duration elapsed() const override { return at; }
    std::uint32_t nodes() const override { return 200; }
    bool online(NodeIndex) const override { return true; }
    Endpoint endpoint_of(NodeIndex node) const override { return sim::endpoint_of(node); }
    void inject(const Endpoint& from, const Endpoint& to, Bytes bytes) override {
        sent.push_back({from, to, std::move(bytes)});
    }
};

std::uint32_t attackers(const Attack& attack, std::uint32_t nodes) {
    std::uint32_t count = 0;
    for (NodeIndex node = 0; node < nodes; ++node) count += attack.attacks(node);
    return count;
}

}  // namespace

TEST_CASE("a share of the nodes attacks, the same for the same seed, never the home of the most popular presentity") {
    CHECK(make_attack(attacked("model = \"none\""), 1) == nullptr);
    const auto scenario = attacked("model = \"drop\"\nshare = 0.25");
    const auto a = make_attack(scenario, 1), b = make_attack(scenario, 1), c = make_attack(scenario, 2);
    CHECK(attackers(*a, 200) == 50);
    CHECK_FALSE(a->attacks(home_of(scenario, 0)));
    bool differs = false;
    for (NodeIndex node = 0; node < 200; ++node) {
        CHECK(a->attacks(node) == b->attacks(node));
        differs = differs || a->attacks(node) != c->attacks(node);
    }
    CHECK(differs);
    CHECK(a->next() == Duration::max());
}

TEST_CASE("sybils are a share of the ids nearest the key, and have keys of their own for it") {
    const auto attack = make_attack(attacked("model = \"sybil\"\nshare = 0.5"), 1);
    CHECK(attackers(*attack, 200) == 4);
    const auto first = attack->node_key(1), second = attack->node_key(2);
    REQUIRE(first);
    REQUIRE(second);
    const auto a = proto::kademlia_id(first->public_key(), 0), b = proto::kademlia_id(second->public_key(), 0);
    CHECK(a != b);
    CHECK(a[0] == b[0]);  // both within log2(200) + 1 bits of the same key
    CHECK(make_attack(attacked("model = \"drop\""), 1)->node_key(1) == nullptr);
}

TEST_CASE("a replayer sends what it saw again, under the addresses it had, at its rate") {
    const auto scenario = attacked("model = \"replay\"\nshare = 0.005\nrate = 50");
    const auto attack = make_attack(scenario, 1);
    Field field;
    const auto other = endpoint_of(7);
    CHECK(attack->on_datagram(field, 3, true, other, {1, 2, 3}));
    CHECK(attack->next() == scenario.warmup);
    for (field.at = attack->next(); field.at < scenario.warmup + 2s; field.at = attack->next())
        attack->handle_timeout(field);
    CHECK(field.sent.size() == doctest::Approx(100).epsilon(0.1));
    CHECK(field.sent[0].from == endpoint_of(3));
    CHECK(field.sent[0].to == other);
    CHECK(field.sent[0].bytes == Bytes{1, 2, 3});
    CHECK(attack->datagrams() == field.sent.size());
}

TEST_CASE("strangers are no nodes, and send from outside of the nodes' network") {
    const auto scenario = attacked("model = \"strangers\"\nshare = 0.05\nrate = 10");
    const auto attack = make_attack(scenario, 1);
    CHECK(attackers(*attack, 200) == 0);
    Field field;
    for (field.at = attack->next(); field.at < scenario.warmup + 1s; field.at = attack->next())
        attack->handle_timeout(field);
    CHECK(field.sent.size() == doctest::Approx(100).epsilon(0.1));
    for (const auto& sent : field.sent) {
        CHECK(sent.from.address[12] != 10);
        CHECK_FALSE(sent.bytes.empty());
    }
}

TEST_CASE("whatever a tenth of the nodes tries: nothing forged is believed, nothing old comes back, and it shows") {
    const auto attacked = [](const std::string& model) {
        const std::string share = model == "sybil" ? "0.5" : "0.15";  // of the 8 ids nearest the key; of all nodes
        const auto scenario = read_scenario(
            "attacked", {"nodes=32", "workload.presentities=48", "duration=50s", "warmup=25s", "settle=20s",
                         "churn.model=exponential:2m", "attack.share=" + share, "attack.model=" + model});
        if (!scenario) FAIL(scenario.error().front());
        return *run(*scenario, 3);
    };
    const auto calm = attacked("none");
    CHECK(calm.attackers == 0);
    CHECK(calm.attack_datagrams + calm.attack_dropped == 0);
    for (const std::string model : {"sybil", "drop", "replay", "rollback", "flood", "strangers", "forge"}) {
        CAPTURE(model);
        const auto seen = attacked(model);
        CHECK(seen.forged_accepted == 0);
        CHECK(seen.resurrected == 0);
        for (const auto& violation : seen.violations) MESSAGE(violation.kind << ": " << violation.what);
        CHECK(seen.changes > 50);
        CHECK(seen.attackers == (model == "sybil" ? 4 : 5));
        const bool sends = model != "sybil" && model != "drop";
        CHECK((seen.attack_datagrams > 0) == sends);
        CHECK((seen.attack_dropped > 0) == (!sends || model == "rollback"));
        if (sends && model != "flood") CHECK(seen.refused > calm.refused + seen.attack_datagrams / 10);
        CHECK(seen.trace_hash != calm.trace_hash);
    }
}
