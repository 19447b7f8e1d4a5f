// Two providers' nodes on a virtual network, with translators that speak no protocol: what one publishes the other
// sees.
#include <doctest/doctest.h>

#include "node/compose.hpp"
#include "proto/limits.hpp"
#include "tests/support/node_world.hpp"
#include "tests/support/people.hpp"
#include "tests/support/recording_translator.hpp"
#include "tests/support/rules.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using translators::Liveness;
using translators::WatchState;

namespace {

constexpr proto::Duration latency = 50ms;

/// Alice publishes at a.example; Xena watches from x.example.
struct Two {
    NodeWorld world{{"a.example", "x.example"}, latency};
    RecordingTranslator at_a{"sip"}, at_x{"xmpp"};
    NodeWorld::Provider& a = world["a.example"];
    NodeWorld::Provider& x = world["x.example"];
    translators::WatchId watch_id = 0;

    explicit Two(Handling handling = Handling::allow) {
        a.service.default_handling = handling;
        a.translators.push_back(&at_a);
        x.translators.push_back(&at_x);
        world.start_all();
        world.run_for(2s);
    }
    std::string publish(proto::DocumentPtr document, std::string etag = {},
                        std::optional<std::chrono::seconds> expires = {}) {
        std::string next;
        world.turn(a, [&](proto::Now now) {
            next = a.node->service().publish(now, {alice, etag, std::move(document), expires}).value().etag;
        });
        return next;
    }
    void watch() {
        world.turn(x, [&](proto::Now now) { watch_id = x.node->service().watch(now, at_x, xena, alice).value(); });
    }
    void set_rules(RuleSet rules) {
        world.turn(a, [&](proto::Now now) { REQUIRE(a.node->service().set_rules(now, alice, std::move(rules))); });
    }
    const translators::View& last() const {
        REQUIRE(!at_x.told.empty());
        return at_x.told.back().view;
    }
    std::string note() const {
        const auto& view = last();
        return view.document && !view.document->presence().services.empty() &&
                       !view.document->presence().services[0].notes.empty()
                   ? view.document->presence().services[0].notes[0].text
                   : "";
    }
    bool see(std::string_view text, proto::Duration within = 10s) {
        return world.run_until([&] { return note() == text; }, within);
    }
    bool reach(WatchState state, proto::Duration within = 10s) {
        return world.run_until([&] { return last().state == state; }, within);
    }
};

}  // namespace

TEST_CASE("a change at one node is told at the other after one network delay") {
    Two two;
    auto etag = two.publish(online("phone", "first"));
    two.watch();
    REQUIRE(two.see("first"));
    two.world.run_for(5s);
    auto before = two.world.now().steady;
    etag = two.publish(online("phone", "second"), etag);
    REQUIRE(two.see("second"));
    CHECK(two.world.now().steady - before == latency);
    CHECK(two.last().liveness == Liveness::live);
    CHECK(two.last().state == WatchState::active);
}

TEST_CASE("a change is told before it is committed, what a user decides is not") {
    Two two;
    two.publish(online("phone", "first"));
    two.watch();
    REQUIRE(two.see("first"));
    const auto settled = [&](auto work) {
        const auto now = two.world.now();
        work(now, two.a.node->service());
        const bool may_tell = two.a.node->settle(now);
        two.a.node->end_turn(now);
        return may_tell;
    };
    CHECK(settled([&](proto::Now now, PresenceService& service) {
        REQUIRE(service.publish(now, {alice, {}, online("laptop", "second"), {}}));
    }));
    CHECK_FALSE(settled([&](proto::Now now, PresenceService& service) {
        REQUIRE(service.set_rules(now, alice, one_rule("*", Handling::block)));
    }));
    CHECK_FALSE(settled(
        [&](proto::Now now, PresenceService& service) { REQUIRE(service.decide(now, alice, xena, Handling::allow)); }));
}

TEST_CASE("a node that dies after it told of a change and before it saved it: everybody is told what is so") {
    Two two;
    const auto etag = two.publish(online("phone", "first"));
    two.watch();
    REQUIRE(two.see("first"));
    two.a.dies_uncommitted = true;
    two.publish(online("phone", "second"), etag);
    REQUIRE_FALSE(two.a.node);
    REQUIRE(two.see("second"));  // on its way before the node died
    two.world.start(two.a);
    CHECK(two.see("first"));
    // The publisher, to whom nothing was confirmed, says it again under the tag that it has.
    two.publish(online("phone", "second"), etag);
    CHECK(two.see("second"));
}

TEST_CASE("watching before there is anything to see") {
    Two two;
    two.watch();
    two.world.run_for(10s);
    CHECK(two.last().document == nullptr);
    CHECK(two.last().state != WatchState::terminated);
    two.publish(online("phone", "at last"));
    CHECK(two.see("at last", 60s));
}

TEST_CASE("pending until the user approves; denied is terminated") {
    Two two(Handling::confirm);
    two.publish(online("phone", "secret"));
    two.watch();
    auto& service = two.a.node->service();
    REQUIRE(two.world.run_until([&] { return service.status().pending == 1; }, 10s));
    two.world.run_for(1s);
    CHECK(two.last().state == WatchState::pending);
    CHECK(two.last().document == nullptr);
    REQUIRE(service.watchers(alice).size() == 1);
    CHECK(service.watchers(alice)[0].remote);
    two.world.turn(two.a, [&](proto::Now now) { REQUIRE(service.decide(now, alice, xena, Handling::allow)); });
    CHECK(two.see("secret"));
    two.world.turn(two.a, [&](proto::Now now) { REQUIRE(service.decide(now, alice, xena, Handling::block)); });
    REQUIRE(two.reach(WatchState::terminated));
    CHECK(two.last().reason == "rejected");
    CHECK(two.last().document == nullptr);
}

TEST_CASE("a politely blocked watcher sees an offline user, and never notices a change") {
    Two two(Handling::polite_block);
    auto etag = two.publish(online("phone", "here"));
    two.watch();
    REQUIRE(two.reach(WatchState::active));
    REQUIRE(two.world.run_until([&] { return two.last().document != nullptr; }, 10s));
    two.world.run_for(5s);
    CHECK(two.last().document->digest == offline_document(alice)->digest);
    auto told = two.at_x.told.size();
    etag = two.publish(online("phone", "changed"), etag);
    two.world.run_for(2s);
    two.publish(nullptr, etag, 0s);
    two.world.run_for(2s);
    two.publish(online("phone", "back"));
    two.world.run_for(2s);
    CHECK(two.at_x.told.size() == told);
    for (const auto& t : two.at_x.told) CHECK((!t.view.document || !t.view.document->presence().is_open()));
    two.set_rules(one_rule("x.example", Handling::allow));
    CHECK(two.see("back"));
    two.set_rules({});
    REQUIRE(two.world.run_until([&] { return !two.last().document->presence().is_open(); }, 10s));
}

TEST_CASE("a publication that runs out is told as offline, by a node that lives") {
    Two two;
    two.publish(online("phone", "soon gone"), {}, 60s);
    two.watch();
    REQUIRE(two.see("soon gone"));
    REQUIRE(two.world.run_until([&] { return !two.last().document->presence().is_open(); }, 120s));
    CHECK(two.last().liveness == Liveness::live);
    CHECK(two.last().state == WatchState::active);
}

TEST_CASE(
    "a crash makes a presentity unknown within the bound, never offline; a restart makes it live again by itself") {
    Two two;
    two.publish(online("phone", "here"), {}, 3600s);
    two.watch();
    REQUIRE(two.see("here"));
    two.world.run_for(10s);
    auto crashed = two.world.now().steady;
    two.world.crash(two.a);
    REQUIRE(two.world.run_until([&] { return two.last().liveness == Liveness::unknown; }, 60s));
    CHECK(two.world.now().steady - crashed <= two.world.crash_bound);
    CHECK(two.last().state == WatchState::active);
    two.world.start(two.a);
    REQUIRE(two.world.run_until([&] { return two.last().liveness == Liveness::live && two.note() == "here"; }, 120s));
}

TEST_CASE("a watcher that leaves is forgotten at the source") {
    Two two;
    two.publish(online());
    two.watch();
    auto& service = two.a.node->service();
    REQUIRE(two.world.run_until([&] { return service.status().watchers == 1; }, 10s));
    two.world.turn(two.x, [&](proto::Now now) { two.x.node->service().unwatch(now, two.watch_id); });
    CHECK(two.world.run_until([&] { return service.status().watchers == 0; }, 10s));
}

TEST_CASE("an attached server is asked on behalf of a remote watcher, and its answer travels") {
    Two two(Handling::confirm);
    two.at_a.attended_domain = "a.example";
    auto& service = two.a.node->service();
    two.watch();
    REQUIRE(two.world.run_until([&] { return !two.at_a.wants.empty(); }, 10s));
    CHECK(two.at_a.wants[0].watcher == xena);
    two.world.turn(two.a, [&](proto::Now now) {
        REQUIRE(service.set_publication(now, two.at_a, alice, online("laptop", "from the server"), 300s));
        service.decide(now, two.at_a, alice, xena, WatchState::active, "");
    });
    CHECK(two.see("from the server"));
    two.world.turn(
        two.a, [&](proto::Now now) { service.decide(now, two.at_a, alice, xena, WatchState::terminated, "rejected"); });
    CHECK(two.reach(WatchState::terminated));
}
