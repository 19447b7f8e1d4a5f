// What an operator changes while the node runs: the node's own rules, and the domains it publishes for.
#include <doctest/doctest.h>

#include "node/presence_service.hpp"
#include "tests/support/node_world.hpp"
#include "tests/support/people.hpp"
#include "tests/support/recording_translator.hpp"
#include "tests/support/rules.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using proto::Reason;
using translators::WatchState;

namespace {

ServiceSettings policy(std::set<std::string, std::less<>> domains, RuleSet rules, Handling handling) {
    ServiceSettings settings;
    settings.domains = std::move(domains);
    settings.rules = std::move(rules);
    settings.default_handling = handling;
    return settings;
}
const ServiceSettings allowing = policy({}, {}, Handling::allow);
const ServiceSettings allowing_for_b = policy({"b.example"}, {}, Handling::allow);

struct PolicyWorld {
    NodeWorld world{{"a.example", "b.example"}, 10ms};
    RecordingTranslator sip{"sip"};
    NodeWorld::Provider& a = world["a.example"];

    PolicyWorld() {
        a.translators.push_back(&sip);
        world.start(a);
    }
    PresenceService& service() { return a.node->service(); }
    void turn(const std::function<void(proto::Now)>& work) { world.turn(a, work); }
    void set_policy(ServiceSettings settings) {
        turn([&](proto::Now now) { a.node->set_policy(now, std::move(settings)); });
    }
    void watch(const proto::PresentityUri& watcher, const proto::PresentityUri& presentity) {
        turn([&](proto::Now now) { REQUIRE(service().watch(now, sip, watcher, presentity)); });
    }
    proto::Result<translators::PublishReceipt> publish(const proto::PresentityUri& presentity) {
        proto::Result<translators::PublishReceipt> receipt;
        turn([&](proto::Now now) { receipt = service().publish(now, {presentity, {}, online(), {}}); });
        return receipt;
    }
    const translators::View& last() const {
        REQUIRE(!sip.told.empty());
        return sip.told.back().view;
    }
};

}  // namespace

TEST_CASE("the node's rules and default change under the watches there are") {
    PolicyWorld one;
    REQUIRE(one.publish(alice));
    one.watch(ann, alice);
    CHECK(one.last().state == WatchState::pending);

    one.set_policy(allowing);
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document != nullptr);
    const auto told = one.sip.told.size();
    one.set_policy(allowing);
    CHECK(one.sip.told.size() == told);  // nothing changed, nobody is told

    one.set_policy(policy({}, one_rule("a.example", Handling::block), Handling::allow));
    CHECK(one.last().state == WatchState::terminated);
    CHECK(one.last().document == nullptr);
    one.turn([&](proto::Now now) {
        REQUIRE(one.service().set_rules(now, alice, one_rule("ann@a.example", Handling::polite_block)));
    });
    CHECK(one.last().state == WatchState::active);  // the user's own rule decides first
    one.set_policy({});
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document->presence().services.at(0).basic == proto::Basic::closed);
}

TEST_CASE("a domain delegated to a running node is served from then on, until it is taken back") {
    PolicyWorld one;
    one.watch(ann, bob);
    CHECK(one.service().watchers(bob).empty());
    CHECK(one.publish(bob).error().reason == Reason::not_found);

    one.set_policy(allowing_for_b);
    CHECK(one.service().serves(alice));  // its own stays, named or not
    REQUIRE(one.service().watchers(bob).size() == 1);
    REQUIRE(one.publish(bob));
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document != nullptr);

    one.set_policy(allowing);
    CHECK(one.publish(bob).error().reason == Reason::not_found);
    CHECK(one.service().watchers(bob).empty());
    CHECK(one.last().document == nullptr);

    one.set_policy(allowing_for_b);
    CHECK(one.last().document != nullptr);  // what was published there had not run out
}

TEST_CASE("watchers from elsewhere hear of both") {
    NodeWorld world{{"a.example", "b.example"}, 10ms};
    RecordingTranslator here{"sip"};
    RecordingTranslator there{"sip"};
    auto& a = world["a.example"];
    auto& b = world["b.example"];
    a.translators.push_back(&here);
    b.translators.push_back(&there);
    world.start_all();
    world.run_for(2s);
    world.turn(a, [&](proto::Now now) { REQUIRE(a.node->service().publish(now, {alice, {}, online(), {}})); });
    world.turn(b, [&](proto::Now now) { REQUIRE(b.node->service().watch(now, there, bob, alice)); });
    const auto state = [&] { return there.told.empty() ? WatchState::terminated : there.told.back().view.state; };
    CHECK(world.run_until([&] { return state() == WatchState::pending && a.node->service().status().pending == 1; },
                          30s));
    world.turn(a, [&](proto::Now now) { a.node->set_policy(now, allowing); });
    CHECK(world.run_until([&] { return state() == WatchState::active && there.told.back().view.document; }, 30s));
    world.turn(a, [&](proto::Now now) {
        a.node->set_policy(now, policy({}, one_rule("*", Handling::block), Handling::allow));
    });
    CHECK(world.run_until([&] { return state() == WatchState::terminated; }, 30s));
}

TEST_CASE("whoever observes the watchers of a user is told when the user's domain is taken back") {
    PolicyWorld one;
    one.set_policy(allowing_for_b);
    one.turn([&](proto::Now) {
        REQUIRE(one.service().observe_watchers(one.sip, bob));
        REQUIRE(one.service().observe_watchers(one.sip, alice));
    });
    CHECK(one.sip.watcher_news.empty());
    one.set_policy(allowing);
    REQUIRE(one.sip.watcher_news.size() == 1);
    CHECK(one.sip.watcher_news.at(0).presentity == bob);
    CHECK(one.sip.watcher_news.at(0).changes.empty());
    CHECK(!one.service().serves(bob));
}
