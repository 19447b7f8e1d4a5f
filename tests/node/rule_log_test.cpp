#include "node/rule_log.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>

#include "node/rule_book.hpp"
#include "proto/limits.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace std::chrono_literals;
using presmesh::testing::alice;
using presmesh::testing::at;
using presmesh::testing::bob;
using presmesh::testing::uri;
namespace limits = proto::limits;

namespace {

const proto::NodeId other_node{1};

/// A node of the domain, as far as its rules are concerned. What a message brings may come twice.
struct Keeper {
    explicit Keeper(std::uint64_t seed) : random(seed) { start(); }
    void start() {
        book.emplace(store, ServiceSettings{}, random);
        book->load();
        store.commit();
    }
    void rule(proto::Now now, const std::string& who, std::optional<Handling> handling) {
        std::vector<Rule> rules = book->rules(alice).rules();
        std::erase_if(rules, [&](const Rule& one) { return one.who() == who; });
        if (handling) rules.push_back(Rule::make(who, *handling).value());
        book->set_rules(now, alice, RuleSet::make(rules).value());
    }
    void hear(const Keeper& other, std::uint64_t since) {
        for (const auto& change : other.book->log().after(since).changes) book->take(change);
    }
    void hear_all(const Keeper& other) {
        for (std::uint64_t since = 0; since < other.book->log().head();) {
            const auto message = other.book->log().after(since);
            for (const auto& change : message.changes) book->take(change);
            since = message.upto;
        }
    }
    auto state() const { return std::pair(book->rules(alice).rules(), book->decisions(alice)); }

    MemoryStore store;
    proto::SeededRandom random;
    std::optional<RuleBook> book;
};

void check_both_block(const Keeper& one, const Keeper& other) {
    CHECK(one.book->handling(alice, bob) == Handling::block);
    CHECK(other.book->handling(alice, bob) == Handling::block);
}

}  // namespace

TEST_CASE("whatever three nodes are told, and whichever way they hear of it, they come to the same") {
    CHECK(rc::check([] {
        std::array<Keeper, 3> nodes{Keeper(1), Keeper(2), Keeper(3)};
        const auto any_node = [&]() -> Keeper& { return nodes.at(*rc::gen::inRange<std::size_t>(0, 3)); };
        for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
            auto& node = any_node();
            const auto now = at(1ms * *rc::gen::inRange(0, 20));  // clocks differ, and go back
            const auto handling = *rc::gen::element<std::optional<Handling>>(std::nullopt, Handling::block,
                                                                             Handling::polite_block, Handling::allow);
            switch (*rc::gen::inRange(0, 4)) {
                case 0:
                    node.rule(now, *rc::gen::element<std::string>("*", "b.example", "bob@b.example"), handling);
                    break;
                case 1:
                    RC_ASSERT(node.book->decide(now, alice, bob, handling).has_value());
                    break;
                case 2: {
                    auto& from = any_node();
                    node.hear(from, *rc::gen::inRange<std::uint64_t>(0, from.book->log().head() + 1));
                    break;
                }
                default:
                    node.store.commit();
                    node.start();
            }
        }
        for (int round = 0; round < 2; ++round)
            for (auto& node : nodes)
                for (const auto& from : nodes) node.hear_all(from);
        for (auto& node : nodes) {
            RC_ASSERT(node.state() == nodes[0].state());
            const auto before = node.state();
            node.store.commit();
            node.start();
            RC_ASSERT(node.state() == before);
        }
    }));
}

TEST_CASE("who knew of a rule overrules it, though the clock is behind") {
    Keeper one(1), two(2);
    one.rule(at(1h), "*", Handling::allow);
    two.hear_all(one);
    two.rule(at(0s), "*", Handling::block);
    one.hear_all(two);
    check_both_block(one, two);
}

TEST_CASE("of two that did not know of each other, at one time, the stricter holds") {
    Keeper one(1), two(2);
    one.rule(at(0s), "*", Handling::allow);
    two.rule(at(0s), "*", Handling::block);
    one.hear_all(two);
    two.hear_all(one);
    check_both_block(one, two);
}

TEST_CASE("what was kept before there was a log is told, and is older than any change") {
    Keeper old(1), changed(2);
    old.store.put(store_tables::rules, alice.canonical(),
                  RuleSet::make({Rule::make("*", Handling::allow).value()}).value().encode());
    old.store.commit();
    old.start();
    CHECK(old.book->log().head() == 1);
    Keeper empty(3);
    empty.hear_all(old);
    CHECK(empty.book->handling(alice, bob) == Handling::allow);
    changed.rule(at(0s), "*", Handling::block);
    changed.hear_all(old);
    old.hear_all(changed);
    check_both_block(old, changed);
}

TEST_CASE("many changes are told in messages that fit, each once, the newest state of each") {
    Keeper one(1), two(2);
    for (int i = 0; i < 500; ++i)
        REQUIRE(one.book->decide(at(0s), alice, uri("watcher" + std::to_string(i) + "@b.example"), Handling::allow));
    REQUIRE(one.book->decide(at(0s), alice, uri("watcher7@b.example"), Handling::block));
    std::size_t told = 0;
    for (std::uint64_t since = 0; since < one.book->log().head();) {
        const auto message = one.book->log().after(since);
        REQUIRE(message.upto > since);
        CHECK(message.changes.size() <= limits::rules_per_message);
        const proto::ChannelPacket packet{{UINT64_MAX, UINT64_MAX, UINT64_MAX}, {message}};
        CHECK(encode(packet).size() <= limits::channel_datagram_bytes);
        for (const auto& change : message.changes) CHECK(two.book->take(change));
        told += message.changes.size();
        since = message.upto;
    }
    CHECK(told == 500);
    CHECK(two.state() == one.state());
    CHECK(one.book->log().after(one.book->log().head()).changes.empty());
}

TEST_CASE("a block told by another node is taken where the user's own rules and decisions are as many as may be") {
    Keeper node(1), other(2);
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < limits::rules_per_presentity; ++i) {
        rules.push_back(Rule::make("d" + std::to_string(i) + ".example", Handling::allow).value());
        REQUIRE(node.book->decide(at(0s), alice, uri("w" + std::to_string(i) + "@c.example"), Handling::allow));
    }
    node.book->set_rules(at(0s), alice, RuleSet::make(rules).value());
    other.rule(at(1s), "b.example", Handling::block);
    REQUIRE(other.book->decide(at(1s), alice, uri("carol@c.example"), Handling::block));
    node.hear_all(other);
    CHECK(node.book->handling(alice, bob) == Handling::block);
    CHECK(node.book->handling(alice, uri("carol@c.example")) == Handling::block);
    CHECK_FALSE(node.book->decide(at(2s), alice, uri("dan@c.example"), Handling::allow));
    node.store.commit();
    node.start();
    CHECK(node.book->handling(alice, bob) == Handling::block);
    CHECK(node.book->rules(alice).rules().size() == limits::rules_per_presentity + 1);
}

TEST_CASE("no change that is malformed, unknown or over the bound is taken") {
    Keeper node(1);
    const auto take = [&](bool decision, const std::string& who, std::optional<std::uint8_t> handling) {
        return node.book->take({alice, decision, who, handling, 1});
    };
    CHECK_FALSE(take(true, "b.example", 30));
    CHECK_FALSE(take(true, "*", 30));
    CHECK_FALSE(take(false, "Bob@b.example ", 30));
    CHECK_FALSE(take(false, "B.example", 30));
    CHECK_FALSE(take(false, "*", 31));
    CHECK(node.book->log().head() == 0);
    for (std::size_t i = 0; i < limits::rules_with_told; ++i) {
        REQUIRE(take(false, "d" + std::to_string(i) + ".example", 30));
        REQUIRE(take(true, "w" + std::to_string(i) + "@b.example", 30));
    }
    CHECK_FALSE(take(false, "another.example", 30));
    CHECK_FALSE(take(true, "another@b.example", 30));
    CHECK(take(false, "another.example", std::nullopt));
    CHECK(node.book->take({alice, false, "d7.example", std::uint8_t{0}, 2}));
    CHECK(node.book->rules(alice).rules().size() == limits::rules_with_told);
}

TEST_CASE("what was taken back is remembered up to its bound, the oldest forgotten first") {
    MemoryStore store;
    proto::SeededRandom random(1);
    RuleLog log(store, random);
    log.load();
    for (std::size_t i = 0; i < limits::rules_taken_back + 3; ++i)
        log.note(at(0s), {alice, false, "d" + std::to_string(i) + ".example"}, std::nullopt);
    CHECK(log.taken_back() == limits::rules_taken_back);
    CHECK_FALSE(log.knows({alice, false, "d2.example"}));
    CHECK(log.knows({alice, false, "d3.example"}));
    RuleLog again(store, random);
    again.load();
    CHECK(again.id() == log.id());
    CHECK(again.head() == log.head());
    CHECK(again.taken_back() == limits::rules_taken_back);
}

TEST_CASE("what a log held when it was loaded is known, of another log from then on it is nothing") {
    MemoryStore store;
    proto::SeededRandom random(1);
    RuleLog log(store, random);
    log.load();
    for (const char* who : {"b.example", "c.example"}) log.note(at(0s), {alice, false, who}, Handling::block);
    CHECK(log.loaded_head() == 0);
    RuleLog again(store, random);
    again.load();
    again.note(at(0s), {alice, false, "d.example"}, Handling::block);
    CHECK(again.head() == 3);
    CHECK(again.loaded_head() == 2);
    again.renew();
    CHECK(again.head() == 3);
    CHECK(again.loaded_head() == 0);
}

TEST_CASE("how far another node's log was heard is kept") {
    MemoryStore store;
    proto::SeededRandom random(1);
    RuleLog log(store, random);
    log.load();
    CHECK(log.seen(other_node) == proto::RulesAskMessage{});
    log.set_seen(other_node, {77, 5});
    RuleLog again(store, random);
    again.load();
    CHECK(again.seen(other_node) == proto::RulesAskMessage{77, 5});
}
