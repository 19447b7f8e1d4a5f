#include "node/rules.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "node/rule_book.hpp"
#include "node/store.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace std::chrono_literals;
using presmesh::testing::alice;
using presmesh::testing::at;
using presmesh::testing::bob;
using presmesh::testing::uri;

namespace {

RuleSet rules(std::vector<std::pair<std::string, Handling>> list) {
    std::vector<Rule> made;
    for (auto& [who, handling] : list) made.push_back(Rule::make(who, handling).value());
    return RuleSet::make(made).value();
}

}  // namespace

TEST_CASE("the rule that names the watcher most exactly decides") {
    auto set =
        rules({{"*", Handling::block}, {"b.example", Handling::allow}, {"sip:bob@B.example", Handling::polite_block}});
    CHECK(set.find(bob) == Handling::polite_block);
    CHECK(set.find(uri("eve@b.example")) == Handling::allow);
    CHECK(set.find(uri("eve@c.example")) == Handling::block);
    CHECK(!rules({{"b.example", Handling::allow}}).find(uri("x@sub.b.example")));
}

TEST_CASE("a later rule replaces an earlier one; bad names are refused; there is a bound") {
    CHECK(rules({{"*", Handling::allow}, {"*", Handling::block}}).find(bob) == Handling::block);
    CHECK(!Rule::make("bob@", Handling::allow));
    CHECK(!Rule::make("not a domain", Handling::allow));
    std::vector<Rule> many;
    for (int i = 0; i < 1001; ++i) many.push_back(*Rule::make("d" + std::to_string(i) + ".example", Handling::allow));
    auto refused = RuleSet::make(many);
    REQUIRE(!refused);
    CHECK(refused.error().reason == proto::Reason::quota);
}

TEST_CASE("rules read back as written, and bad bytes are refused") {
    auto set =
        rules({{"*", Handling::block}, {"b.example", Handling::allow}, {"bob@b.example", Handling::polite_block}});
    CHECK(RuleSet::decode(set.encode()).value() == set);
    CHECK(rc::check([](const std::vector<std::uint8_t>& bytes) { static_cast<void>(RuleSet::decode(bytes)); }));
    auto bytes = set.encode();
    bytes.pop_back();
    CHECK(!RuleSet::decode(bytes));
}

TEST_CASE("a presentity sees itself; others by its rules, the node's, the default") {
    MemoryStore store;
    ServiceSettings settings;
    settings.rules = rules({{"b.example", Handling::polite_block}});
    proto::SeededRandom random(1);
    RuleBook book(store, settings, random);
    CHECK(book.handling(alice, alice) == Handling::allow);
    CHECK(book.handling(alice, bob) == Handling::polite_block);
    CHECK(book.handling(alice, uri("eve@c.example")) == Handling::confirm);
    book.set_rules(at(0s), alice, rules({{"bob@b.example", Handling::allow}}));
    CHECK(book.handling(alice, bob) == Handling::allow);
    CHECK(book.handling(alice, uri("eve@b.example")) == Handling::polite_block);
}

TEST_CASE("a decision answers where the rules say confirm, and only there") {
    MemoryStore store;
    proto::SeededRandom random(1);
    RuleBook book(store, {}, random);
    REQUIRE(book.decide(at(0s), alice, bob, Handling::allow));
    CHECK(book.handling(alice, bob) == Handling::allow);
    book.set_rules(at(0s), alice, rules({{"*", Handling::block}}));
    CHECK(book.handling(alice, bob) == Handling::block);
    book.set_rules(at(0s), alice, {});
    REQUIRE(book.decide(at(0s), alice, bob, std::nullopt));
    CHECK(book.handling(alice, bob) == Handling::confirm);
}

TEST_CASE("rules and decisions that were committed survive a crash") {
    MemoryStore store;
    const auto odd = uri("sip:a%25%40b@b.example");
    proto::SeededRandom random(1);
    {
        RuleBook book(store, {}, random);
        book.set_rules(at(0s), alice, rules({{"b.example", Handling::allow}}));
        REQUIRE(book.decide(at(0s), alice, odd, Handling::polite_block));
        REQUIRE(book.decide(at(0s), alice, uri("gone@c.example"), Handling::allow));
        store.commit();
        REQUIRE(book.decide(at(0s), alice, uri("gone@c.example"), std::nullopt));
        store.commit();
        book.set_rules(at(0s), uri("late@a.example"), rules({{"*", Handling::block}}));
        store.crash();
    }
    RuleBook book(store, {}, random);
    book.load();
    CHECK(book.handling(alice, bob) == Handling::allow);
    CHECK(book.handling(uri("late@a.example"), bob) == Handling::confirm);
    REQUIRE(book.decisions(alice).size() == 1);
    CHECK(book.decisions(alice)[0].who() == odd.canonical());
    CHECK(book.decisions(alice)[0].handling() == Handling::polite_block);
}
