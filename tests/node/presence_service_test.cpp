#include "node/presence_service.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
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

/// One node, one translator that watches and publishes.
struct One {
    NodeWorld world{{"a.example", "b.example"}, 10ms};
    RecordingTranslator sip{"sip"};
    NodeWorld::Provider& a = world["a.example"];

    explicit One(const ServiceLimits& limits = {}, Handling handling = Handling::confirm) {
        a.service.limits = limits;
        a.service.default_handling = handling;
        a.translators.push_back(&sip);
        world.start(a);
    }
    PresenceService& service() { return a.node->service(); }
    void turn(const std::function<void(proto::Now)>& work) { world.turn(a, work); }

    translators::WatchId watch(const proto::PresentityUri& watcher = ann,
                               const proto::PresentityUri& presentity = alice) {
        translators::WatchId id = 0;
        turn([&](proto::Now now) { id = service().watch(now, sip, watcher, presentity).value(); });
        return id;
    }
    std::string publish(proto::DocumentPtr document, std::string etag = {}) {
        translators::PublishReceipt receipt;
        turn([&](proto::Now now) { receipt = service().publish(now, {alice, etag, std::move(document), {}}).value(); });
        return receipt.etag;
    }
    void set_rules(RuleSet rules) {
        turn([&](proto::Now now) { REQUIRE(service().set_rules(now, alice, std::move(rules))); });
    }
    const translators::View& last() const {
        REQUIRE(!sip.told.empty());
        return sip.told.back().view;
    }
};

}  // namespace

TEST_CASE("a watcher is pending, then approved, then follows every change") {
    One one;
    one.publish(online("phone", "first"));
    one.watch();
    REQUIRE(one.sip.told.size() == 1);
    CHECK(one.last().state == WatchState::pending);
    CHECK(one.last().document == nullptr);
    REQUIRE(one.service().watchers(alice).size() == 1);
    CHECK(one.service().watchers(alice)[0].watcher == ann);
    CHECK(one.service().status().pending == 1);

    one.turn([&](proto::Now now) { REQUIRE(one.service().decide(now, alice, ann, Handling::allow)); });
    REQUIRE(one.sip.told.size() == 2);
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document->presence().services[0].notes[0].text == "first");
    CHECK(one.last().liveness == translators::Liveness::live);

    one.publish(online("desk"));
    CHECK(one.last().document->presence().services.size() == 2);
}

TEST_CASE("several changes of a turn are told once; a change that is none is not told") {
    One one({}, Handling::allow);
    one.watch();
    auto told = one.sip.told.size();
    one.turn([&](proto::Now now) {
        auto first = one.service().publish(now, {alice, {}, online("phone", "one"), {}});
        REQUIRE(one.service().publish(now, {alice, first->etag, online("phone", "two"), {}}));
    });
    CHECK(one.sip.told.size() == told + 1);
    CHECK(one.last().document->presence().services[0].notes[0].text == "two");
    one.turn([&](proto::Now now) {
        auto etag = one.service().publications(alice).at(0).etag;
        REQUIRE(one.service().publish(now, {alice, etag, online("phone", "two"), {}}));
    });
    CHECK(one.sip.told.size() == told + 1);
}

TEST_CASE("a user's publication that runs out leaves an offline user, and later nothing known") {
    One one({}, Handling::allow);
    one.publish(online());
    one.watch();
    REQUIRE(one.last().document);
    one.world.run_for(proto::limits::publication_default_expires + 1s);
    CHECK(one.last().state == WatchState::active);
    REQUIRE(one.last().document);
    CHECK_FALSE(one.last().document->presence().is_open());
    one.world.run_for(proto::limits::farewell);
    CHECK(one.last().document == nullptr);
}

TEST_CASE("rules act at once: block ends, polite block shows an offline user, allow shows everything again") {
    One one({}, Handling::allow);
    one.publish(online());
    one.watch();
    one.set_rules(one_rule("ann@a.example", Handling::polite_block));
    CHECK(one.last().state == WatchState::active);
    CHECK(!one.last().document->presence().is_open());
    CHECK(one.last().liveness == translators::Liveness::live);
    auto told = one.sip.told.size();
    one.publish(online("desk"));
    CHECK_MESSAGE(one.sip.told.size() == told, "a politely blocked watcher noticed a change");
    one.set_rules(one_rule("a.example", Handling::block));
    CHECK(one.last().state == WatchState::terminated);
    CHECK(one.last().reason == "rejected");
    CHECK(one.last().document == nullptr);
    one.set_rules({});
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document->presence().services.size() == 2);
}

TEST_CASE("a user nobody has heard of can be watched, and is nothing until it publishes") {
    One one({}, Handling::allow);
    one.watch(ann, alice);
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document == nullptr);
    one.publish(online());
    CHECK(one.last().document);
}

TEST_CASE("what is not ours is refused by name") {
    One one;
    one.turn([&](proto::Now now) {
        auto stranger = one.service().watch(now, one.sip, uri("x@elsewhere.example"), alice);
        REQUIRE(!stranger);
        CHECK(stranger.error().reason == Reason::foreign_domain);
        auto nowhere = one.service().watch(now, one.sip, ann, uri("x@elsewhere.example"));
        REQUIRE(!nowhere);
        CHECK(nowhere.error().reason == Reason::not_admitted);
        auto foreign = one.service().publish(now, {uri("bob@b.example"), {}, online(), {}});
        REQUIRE(!foreign);
        CHECK(foreign.error().reason == Reason::not_found);
        CHECK(!one.service().set_rules(now, uri("bob@b.example"), {}));
    });
}

TEST_CASE("two names too long to be asked about together are refused by name, unless this node itself knows") {
    One one;
    const auto longest = [](const std::string& domain) {
        std::string user;
        while (user.size() + 2 <= proto::limits::user_bytes) user += "\xc3\xbc";
        return uri(user + "@" + domain);
    };
    one.turn([&](proto::Now now) {
        const auto both = one.service().watch(now, one.sip, longest("a.example"), longest("b.example"));
        REQUIRE(!both);
        CHECK(both.error().reason == Reason::too_large);
        CHECK(one.service().watch(now, one.sip, ann, longest("b.example")));
        CHECK(one.service().watch(now, one.sip, longest("a.example"), longest("a.example")));
    });
    CHECK(one.a.node->overlay_status().watches == 1);
}

TEST_CASE("watches are bounded, in all and by watcher, and an ended one makes room") {
    ServiceLimits limits;
    limits.watches = 2;
    limits.watches_per_watcher = 1;
    One one(limits);
    auto first = one.watch(ann, alice);
    one.turn([&](proto::Now now) {
        auto second = one.service().watch(now, one.sip, ann, ann);
        REQUIRE(!second);
        CHECK(second.error().reason == Reason::quota);
        one.service().unwatch(now, first);
        CHECK(one.service().watch(now, one.sip, ann, ann));
        CHECK(one.service().watch(now, one.sip, alice, ann));
        CHECK(!one.service().watch(now, one.sip, uri("third@a.example"), ann));
    });
    CHECK(one.service().watchers(alice).empty());
}

TEST_CASE("translators and observers with the same watcher share a follow, and each is told") {
    One one({}, Handling::allow);
    RecordingObserver http;
    one.watch();
    translators::WatchId second = 0;
    one.turn([&](proto::Now now) { second = one.service().watch(now, http, ann, alice).value(); });
    CHECK(one.sip.told.size() == 1);
    REQUIRE(http.told.size() == 1);
    one.publish(online());
    CHECK(http.told.size() == 2);
    CHECK(one.service().status().watchers == 1);
    one.turn([&](proto::Now now) { one.service().unwatch(now, second); });
    one.publish(online("desk"));
    CHECK(http.told.size() == 2);
    CHECK(one.sip.told.size() == 3);
}

TEST_CASE("a watch begun while its follow is held back ends up with what the others see") {
    ServiceLimits limits;
    limits.told = {1, 2s};
    One one(limits, Handling::allow);
    one.publish(online());
    one.watch();
    one.set_rules(one_rule("ann@a.example", Handling::block));
    CHECK(one.last().state == WatchState::active);  // held back
    RecordingObserver late;
    one.turn([&](proto::Now now) { REQUIRE(one.service().watch(now, late, ann, alice)); });
    REQUIRE(late.told.size() == 1);
    one.set_rules({});
    one.world.run_for(5s);
    CHECK(one.last().state == WatchState::active);
    CHECK(late.told.back().view.state == WatchState::active);
    CHECK(late.told.back().view.document);
}

TEST_CASE("who is told may call back") {
    One one({}, Handling::allow);
    one.sip.on_view = [&](proto::Now now, translators::WatchId id, const translators::View& view) {
        if (!view.document) REQUIRE(one.service().publish(now, {alice, {}, online(), {}}));
        if (view.document) one.service().unwatch(now, id);
    };
    one.watch();
    CHECK(one.sip.told.size() == 2);
    CHECK(one.service().status().watches == 0);
}

TEST_CASE("a translator that answers every view with a change can not hold a turn for ever") {
    ServiceLimits unpaced;
    unpaced.changes.interval = unpaced.told.interval = 0s;
    One one(unpaced, Handling::allow);
    int n = 0;
    auto etag = one.publish(online());
    one.sip.on_view = [&](proto::Now now, translators::WatchId, const translators::View&) {
        etag = one.service().publish(now, {alice, etag, online("phone", std::to_string(++n)), {}}).value().etag;
    };
    one.watch();
    CHECK(n > 1);
    CHECK(n <= static_cast<int>(proto::limits::turn_rounds));
    CHECK(one.a.node->next_timeout() <= one.world.now().steady);
    one.sip.on_view = {};
    one.turn([&](proto::Now now) { one.a.node->handle_timeout(now); });
    CHECK(one.last().document->presence().services[0].notes[0].text == std::to_string(n));
    CHECK(one.a.node->next_timeout() > one.world.now().steady);
}

TEST_CASE("what a translator saves is its own, and survives a crash once committed") {
    One one;
    RecordingTranslator other("sip2");
    one.turn([&](proto::Now) {
        one.service().save(one.sip, "k", proto::as_bytes("v"));
        one.service().save(one.sip, "gone", proto::as_bytes("v"));
        one.service().save(other, "k", proto::as_bytes("w"));
    });
    one.turn([&](proto::Now) { one.service().erase(one.sip, "gone"); });
    one.service().save(one.sip, "late", proto::as_bytes("x"));
    one.world.crash(one.a);
    one.world.start(one.a);
    auto rows = one.service().load(one.sip);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].first == "k");
    CHECK(proto::as_text(rows[0].second) == "v");
    CHECK(one.service().load(other).size() == 1);
}

TEST_CASE("a crash loses no publication, no rule and no decision, and the epoch rises") {
    One one;
    auto etag = one.publish(online("phone", "kept"));
    one.turn([&](proto::Now now) {
        REQUIRE(one.service().set_rules(now, alice, one_rule("b.example", Handling::block)));
        REQUIRE(one.service().decide(now, alice, ann, Handling::allow));
    });
    auto epoch = one.a.node->epoch();
    one.world.crash(one.a);
    one.world.run_for(90s);
    one.world.start(one.a);
    CHECK(one.a.node->epoch() > epoch);
    CHECK(one.service().rules(alice) == one_rule("b.example", Handling::block));
    one.watch();
    CHECK(one.last().state == WatchState::active);
    CHECK(one.last().document->presence().services[0].notes[0].text == "kept");
    one.publish(nullptr, etag);
    one.world.run_for(proto::limits::publication_default_expires + 1s);
    CHECK_FALSE(one.last().document->presence().is_open());
}

TEST_CASE("an attended presentity: its server is told at the end of the turn, answers, and brings the state") {
    NodeWorld world({"a.example"}, 10ms);
    auto& a = world["a.example"];
    a.service.domains.insert("k.example");
    RecordingTranslator server("sip.k"), http("http");
    server.attended_domain = "k.example";
    a.translators = {&server, &http};
    world.start(a);
    const auto kate = uri("kate@k.example");
    auto& service = a.node->service();
    server.on_wanted = [&](proto::Now now, const auto& presentity, const auto& watcher) {
        CHECK(presentity == kate);
        REQUIRE(service.set_publication(now, server, kate, online(), 300s));
        service.decide(now, server, presentity, watcher, WatchState::active, "");
    };
    translators::WatchId id = 0;
    world.turn(a, [&](proto::Now now) {
        id = service.watch(now, http, ann, kate).value();
        CHECK(server.wants.empty());  // never from inside a call
    });
    REQUIRE(server.wants.size() == 1);
    REQUIRE(!http.told.empty());
    CHECK(http.told.back().view.state == WatchState::active);
    CHECK(http.told.back().view.document);
    world.turn(a, [&](proto::Now now) { service.unwatch(now, id); });
    REQUIRE(server.wants.size() == 2);
    CHECK(!server.wants[1].wanted);
}

TEST_CASE("the steps of the path are told by name, without content") {
    One one({}, Handling::allow);
    one.watch();
    one.a.diagnostics.steps.clear();
    one.publish(online("phone", "secret note"));
    REQUIRE(one.a.diagnostics.steps.size() == 2);
    CHECK(one.a.diagnostics.steps[0].step == "service.composed");
    CHECK(one.a.diagnostics.steps[1].step == "service.viewed");
    for (const auto& step : one.a.diagnostics.steps) CHECK(step.detail.find("secret") == std::string::npos);
}

TEST_CASE("watcher information: whoever observes a presentity's watchers is told of them, from wherever they watch") {
    One one;
    const auto bob = uri("bob@b.example");
    auto& b = one.world["b.example"];
    one.world.start(b);
    one.world.run_for(2s);
    one.turn([&](proto::Now) {
        REQUIRE(one.service().observe_watchers(one.sip, alice));
        REQUIRE(one.service().observe_watchers(one.sip, alice));  // which changes nothing
        CHECK(one.service().observe_watchers(one.sip, bob).error().reason == Reason::not_found);
    });
    one.watch(ann);
    REQUIRE(one.sip.watcher_news.size() == 1);
    CHECK(one.sip.watcher_news.at(0).presentity == alice);
    REQUIRE(one.sip.watcher_news.at(0).changes.size() == 1);
    CHECK(one.sip.watcher_news.at(0).changes.at(0).status.watcher == ann);
    CHECK(one.sip.watcher_news.at(0).changes.at(0).arrived);

    RecordingObserver observer;
    translators::WatchId remote = 0;
    one.world.turn(b, [&](proto::Now now) { remote = b.node->service().watch(now, observer, bob, alice).value(); });
    REQUIRE(one.world.run_until([&] { return one.sip.watcher_news.size() == 2; }, 10s));
    CHECK(one.sip.watcher_news.at(1).changes.at(0).status.watcher == bob);
    CHECK(one.sip.watcher_news.at(1).changes.at(0).status.state == WatchState::pending);
    one.turn([&](proto::Now now) { REQUIRE(one.service().decide(now, alice, bob, Handling::allow)); });
    REQUIRE(one.sip.watcher_news.size() == 3);
    CHECK(one.sip.watcher_news.at(2).changes.at(0).status.event == translators::WatcherEvent::approved);
    CHECK(one.service().watchers_after(alice, {}, 10).size() == 2);
    one.world.turn(b, [&](proto::Now now) { b.node->service().unwatch(now, remote); });
    REQUIRE(one.world.run_until([&] { return one.sip.watcher_news.size() == 4; }, 10s));
    CHECK(one.sip.watcher_news.at(3).changes.at(0).status.state == WatchState::terminated);

    one.turn([&](proto::Now) { one.service().unobserve_watchers(one.sip, alice); });
    one.watch(uri("amy@a.example"));
    CHECK(one.sip.watcher_news.size() == 4);
}
