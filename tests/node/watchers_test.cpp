#include "node/watchers.hpp"

#include <doctest/doctest.h>

#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/recording_translator.hpp"
#include "tests/support/rules.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::WatchState;
using From = Watchers::From;

namespace {

const Relation bob_of_alice{alice, bob};

struct World {
    MemoryStore store;
    ServiceSettings settings;
    proto::SeededRandom random{1};
    RuleBook rules;
    Watchers watchers;
    World() : rules(store, settings, random), watchers(rules, settings.limits) {}
    explicit World(const ServiceSettings& s)
        : settings(s), rules(store, settings, random), watchers(rules, settings.limits) {}
    Standing standing(const Relation& relation = bob_of_alice) const {
        const auto* watcher = watchers.find(relation);
        REQUIRE(watcher);
        return watcher->standing;
    }
};

}  // namespace

TEST_CASE("a watcher nobody ruled about is pending until the user decides") {
    World w;
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    CHECK(w.standing() == Standing{});
    CHECK(w.watchers.pending() == 1);
    CHECK(w.watchers.take_changed() == std::vector{bob_of_alice});
    REQUIRE(w.rules.decide(at(0s), alice, bob, Handling::allow));
    w.watchers.authorize_again(bob_of_alice);
    CHECK(w.standing() == Standing{WatchState::active, false, {}});
    CHECK(w.watchers.pending() == 0);
    CHECK(w.watchers.take_changed() == std::vector{bob_of_alice});
    REQUIRE(w.rules.decide(at(0s), alice, bob, Handling::block));
    w.watchers.authorize_again(bob_of_alice);
    CHECK(w.standing() == Standing{WatchState::terminated, false, "rejected"});
}

TEST_CASE("a change of rules acts on the watchers it concerns, and on no other") {
    World w;
    const Relation carol{alice, uri("carol@c.example")};
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    REQUIRE(w.watchers.add(at(0s), carol, From::here));
    w.watchers.take_changed();
    w.rules.set_rules(at(0s), alice, one_rule("b.example", Handling::polite_block));
    w.watchers.authorize_again(alice);
    CHECK(w.watchers.take_changed() == std::vector{bob_of_alice});
    CHECK(w.standing() == Standing{WatchState::active, true, {}});
    CHECK(w.watchers.any_polite(alice));
    w.rules.set_rules(at(0s), alice, {});
    w.watchers.authorize_again(alice);
    CHECK(!w.watchers.any_polite(alice));
}

TEST_CASE("a watcher is gone when it is gone from everywhere") {
    World w;
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::here));
    CHECK(w.watchers.count() == 1);
    w.watchers.remove(bob_of_alice, From::elsewhere);
    CHECK(w.watchers.find(bob_of_alice));
    w.watchers.remove(bob_of_alice, From::here);
    CHECK(!w.watchers.find(bob_of_alice));
    CHECK(w.watchers.count() == 0);
    CHECK(w.watchers.pending() == 0);
}

TEST_CASE("pending watchers and watchers are bounded") {
    ServiceSettings settings;
    settings.limits.pending_per_presentity = 1;
    settings.limits.watchers_per_presentity = 2;
    World w(settings);
    w.rules.set_rules(at(0s), alice, one_rule("ok.example", Handling::allow));
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    CHECK(!w.watchers.add(at(0s), {alice, uri("eve@e.example")}, From::elsewhere));
    CHECK(w.watchers.count() == 1);
    CHECK(w.watchers.pending() == 1);
    REQUIRE(w.watchers.add(at(0s), {alice, uri("x@ok.example")}, From::elsewhere));
    CHECK(!w.watchers.add(at(0s), {alice, uri("y@ok.example")}, From::elsewhere));
}

TEST_CASE("one domain can not fill the places of a presentity's watchers, and its own users need none") {
    ServiceSettings settings;
    settings.limits.watchers_per_presentity = 4;
    World w(settings);
    const auto add = [&](const char* watcher, From from) {
        return w.watchers.add(at(0s), {alice, uri(watcher)}, from).has_value();
    };
    for (const auto handling : {Handling::block, Handling::allow}) {
        CAPTURE(to_string(handling));
        w.rules.set_rules(at(0s), alice, one_rule("*", handling));
        CHECK(add("one@b.example", From::elsewhere));
        CHECK(add("two@b.example", From::elsewhere));
        CHECK_FALSE(add("three@b.example", From::elsewhere));
        CHECK(add("one@b.example", From::elsewhere));  // again: it has its place
        CHECK(add("cecil@c.example", From::elsewhere));
        CHECK(add("dora@d.example", From::elsewhere));
        CHECK_FALSE(add("emil@e.example", From::elsewhere));
        for (const char* own : {"u@a.example", "v@a.example", "w@a.example", "x@a.example", "y@a.example"})
            CHECK(add(own, From::here));
        CHECK_FALSE(add("y@a.example", From::elsewhere));
        w.watchers.remove({alice, uri("y@a.example")}, From::elsewhere);  // has none
        CHECK_FALSE(add("emil@e.example", From::elsewhere));
        w.watchers.remove({alice, uri("one@b.example")}, From::elsewhere);
        CHECK(add("three@b.example", From::elsewhere));
        for (const auto& [watcher, entry] : w.watchers.list(alice)) {
            w.watchers.remove({alice, watcher}, From::here);
            w.watchers.remove({alice, watcher}, From::elsewhere);
        }
        CHECK(w.watchers.count() == 0);
    }
}

TEST_CASE("one domain can not fill a presentity's pending places") {
    ServiceSettings settings;
    settings.limits.pending_per_presentity = 3;
    settings.limits.pending_per_domain = 2;
    World w(settings);
    const auto add = [&](const char* watcher) {
        return w.watchers.add(at(0s), {alice, uri(watcher)}, From::elsewhere).has_value();
    };
    CHECK(add("one@b.example"));
    CHECK(add("two@b.example"));
    CHECK_FALSE(add("three@b.example"));
    CHECK(add("cecil@c.example"));
    CHECK_FALSE(add("dora@d.example"));  // all places are taken now
    w.watchers.remove({alice, uri("one@b.example")}, From::elsewhere);
    CHECK(add("three@b.example"));  // who leaves makes room, for its domain too
    w.rules.set_rules(at(0s), alice, one_rule("b.example", Handling::allow));
    w.watchers.authorize_again(alice);
    CHECK(w.watchers.pending() == 1);
    CHECK(add("four@b.example"));
    CHECK(add("five@b.example"));
    w.rules.set_rules(at(0s), alice, RuleSet{});
    w.watchers.authorize_again(alice);
    CHECK_FALSE(add("six@b.example"));
}

TEST_CASE("one domain can not fill the places of presentities that are watched; its own users need none") {
    ServiceSettings settings;
    settings.limits.presentities = 4;
    World w(settings);
    const auto nobody = [](int i) { return uri("nobody" + std::to_string(i) + "@a.example"); };
    for (int i = 0; i < 2; ++i) REQUIRE(w.watchers.add(at(0s), {nobody(i), bob}, From::elsewhere));
    CHECK(w.watchers.add(at(0s), {nobody(2), bob}, From::elsewhere).error().reason == proto::Reason::quota);
    const auto carol = uri("carol@c.example"), dan = uri("dan@d.example"), eve = uri("eve@a.example");
    for (int i = 3; i < 5; ++i) REQUIRE(w.watchers.add(at(0s), {nobody(i), carol}, From::elsewhere));
    CHECK(w.watchers.add(at(0s), {nobody(5), dan}, From::elsewhere).error().reason == proto::Reason::quota);
    for (int i = 5; i < 15; ++i) CHECK(w.watchers.add(at(0s), {nobody(i), eve}, From::here));
    // Who comes to one that is watched already takes no place; what is given back can be had again.
    CHECK(w.watchers.add(at(0s), {nobody(5), dan}, From::elsewhere));
    w.watchers.remove({nobody(5), eve}, From::here);
    w.watchers.remove({nobody(5), dan}, From::elsewhere);
    w.watchers.remove({nobody(0), bob}, From::elsewhere);
    CHECK(w.watchers.add(at(0s), {nobody(2), bob}, From::elsewhere));
    CHECK(!w.watchers.add(at(0s), {nobody(0), bob}, From::elsewhere));
}

TEST_CASE("an attended presentity: the server is asked, and its answer holds until it is taken back") {
    World w;
    RecordingTranslator server("xmpp");
    server.attended_domain = "a.example";
    w.watchers.set_translators({&server});
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    auto wants = w.watchers.take_wants();
    REQUIRE(wants.size() == 1);
    CHECK(wants[0].wanted);
    CHECK(wants[0].translator == &server);
    CHECK(w.standing() == Standing{});
    w.watchers.decide(server, bob_of_alice, {WatchState::active, false, {}});
    CHECK(w.standing().state == WatchState::active);
    w.watchers.decide(server, bob_of_alice, {WatchState::pending, false, {}});
    CHECK(w.standing().state == WatchState::pending);
    RecordingTranslator stranger("other");
    w.watchers.decide(stranger, bob_of_alice, {WatchState::active, false, {}});
    CHECK(w.standing().state == WatchState::pending);
    w.watchers.remove(bob_of_alice, From::elsewhere);
    wants = w.watchers.take_wants();
    REQUIRE(wants.size() == 1);
    CHECK(!wants[0].wanted);
}

TEST_CASE("an attended presentity: an explicit block holds against the server's word") {
    World w;
    RecordingTranslator server("xmpp");
    server.attended_domain = "a.example";
    w.watchers.set_translators({&server});
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    w.watchers.decide(server, bob_of_alice, {WatchState::active, false, {}});
    w.rules.set_rules(at(0s), alice, one_rule("b.example", Handling::polite_block));
    w.watchers.authorize_again(alice);
    CHECK(w.standing().polite);
    auto wants = w.watchers.take_wants();
    REQUIRE(wants.size() == 2);
    CHECK(!wants[1].wanted);
    // An allow of ours is no reason to go past the server's users.
    w.rules.set_rules(at(0s), alice, one_rule("b.example", Handling::allow));
    w.watchers.authorize_again(alice);
    CHECK(w.standing().state == WatchState::pending);
}

TEST_CASE("a server's own users are not asked for at the server") {
    World w;
    RecordingTranslator server("xmpp");
    server.attended_domain = "a.example";
    w.watchers.set_translators({&server});
    REQUIRE(w.watchers.add(at(0s), {alice, uri("ann@a.example")}, From::here));
    CHECK(w.watchers.take_wants().empty());
}

namespace {

/// "bob@b.example active approved new", one for each change of alice's watchers since the last call.
std::vector<std::string> news_of(Watchers& watchers) {
    static const std::vector<std::string> events{"subscribe", "approved", "deactivated", "probation",
                                                 "rejected",  "timeout",  "giveup",      "noresource"};
    std::vector<std::string> out;
    for (const auto& [presentity, changes] : watchers.take_news()) {
        CHECK(presentity == alice);
        for (const auto& [status, arrived] : changes)
            out.push_back(status.watcher.canonical() + " " + std::string(to_string(status.state)) + " " +
                          events.at(static_cast<std::size_t>(status.event)) + (arrived ? " new" : ""));
    }
    return out;
}
using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("watcher information: nothing is noted of who nobody asks about") {
    World w;
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    CHECK(w.watchers.take_news().empty());
    w.watchers.observe(alice);
    REQUIRE(w.watchers.add(at(0s), {bob, alice}, From::here));
    CHECK(w.watchers.take_news().empty());
    w.watchers.unobserve(alice);
    w.watchers.remove(bob_of_alice, From::elsewhere);
    CHECK(w.watchers.take_news().empty());
}

TEST_CASE("watcher information: RFC 3857's states and the events between them") {
    World w;
    w.watchers.observe(alice);
    REQUIRE(w.watchers.add(at(5s), bob_of_alice, From::elsewhere));
    const auto decide = [&](std::optional<Handling> decision) {
        REQUIRE(w.rules.decide(at(0s), alice, bob, decision));
        w.watchers.authorize_again(bob_of_alice);
    };
    CHECK(news_of(w.watchers) == Strings{"bob@b.example pending subscribe new"});
    CHECK(w.watchers.list_after(alice, {}, 9).at(0).since == at(5s).wall);
    decide(Handling::allow);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example active approved"});
    decide(Handling::polite_block);  // it is shown something else, which is no other state
    CHECK(news_of(w.watchers).empty());
    decide(std::nullopt);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example pending subscribe"});
    decide(Handling::block);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated rejected"});
    CHECK(w.watchers.list_after(alice, {}, 9).empty());
    w.watchers.remove(bob_of_alice, From::elsewhere);  // it was told when it was refused
    CHECK(news_of(w.watchers).empty());
    decide(Handling::allow);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    CHECK(news_of(w.watchers) == Strings{"bob@b.example active subscribe new"});
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::here));
    w.watchers.remove(bob_of_alice, From::elsewhere);  // one of its two ways
    CHECK(news_of(w.watchers).empty());
    w.watchers.remove(bob_of_alice, From::here);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated timeout"});
    decide(std::nullopt);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    news_of(w.watchers);
    w.watchers.remove(bob_of_alice, From::elsewhere);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated giveup"});
}

TEST_CASE("watcher information: what passes within a turn is no news, what comes back is") {
    World w;
    w.watchers.observe(alice);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    w.watchers.remove(bob_of_alice, From::elsewhere);
    CHECK(news_of(w.watchers).empty());
    w.rules.set_rules(at(0s), alice, one_rule("b.example", Handling::block));
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));  // refused as soon as it came
    CHECK(news_of(w.watchers).empty());
    w.rules.set_rules(at(0s), alice, {});
    w.watchers.authorize_again(alice);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example pending subscribe"});
    w.watchers.remove(bob_of_alice, From::elsewhere);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::here));
    CHECK(news_of(w.watchers) == Strings{"bob@b.example pending subscribe"});
    w.watchers.remove(bob_of_alice, From::here);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::here));
    w.watchers.remove(bob_of_alice, From::here);
    CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated giveup"});
}

TEST_CASE("watcher information: a watcher for whom there is no place is none") {
    ServiceSettings settings;
    settings.limits.pending_per_presentity = 1;
    World w(settings);
    w.watchers.observe(alice);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    CHECK(!w.watchers.add(at(0s), {alice, uri("eve@e.example")}, From::elsewhere));
    CHECK(news_of(w.watchers) == Strings{"bob@b.example pending subscribe new"});
}

TEST_CASE("watcher information: an attached server's answers are events too") {
    World w;
    RecordingTranslator server("xmpp");
    server.attended_domain = "a.example";
    w.watchers.set_translators({&server});
    w.watchers.observe(alice);
    REQUIRE(w.watchers.add(at(0s), bob_of_alice, From::elsewhere));
    news_of(w.watchers);
    for (const auto* reason : {"deactivated", "probation", "rejected", "timeout", "giveup", "noresource"}) {
        w.watchers.decide(server, bob_of_alice, {WatchState::terminated, false, reason});
        CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated " + std::string(reason)});
        w.watchers.decide(server, bob_of_alice, {WatchState::active, false, {}});
        CHECK(news_of(w.watchers) == Strings{"bob@b.example active approved"});
    }
    w.watchers.decide(server, bob_of_alice, {WatchState::terminated, false, "because"});
    CHECK(news_of(w.watchers) == Strings{"bob@b.example terminated rejected"});
}

TEST_CASE("watcher information: a long list is had in parts") {
    World w;
    w.rules.set_rules(at(0s), alice, one_rule("blocked@b.example", Handling::block));
    for (const auto* watcher : {"a@b.example", "b@b.example", "blocked@b.example", "c@c.example"})
        REQUIRE(w.watchers.add(at(0s), {alice, uri(watcher)}, From::elsewhere));
    const auto names = [&](const proto::PresentityUri& after, std::size_t most) {
        Strings out;
        for (const auto& status : w.watchers.list_after(alice, after, most)) out.push_back(status.watcher.canonical());
        return out;
    };
    CHECK(names({}, 2) == Strings{"a@b.example", "b@b.example"});
    CHECK(names(uri("b@b.example"), 2) == Strings{"c@c.example"});
    CHECK(names(uri("c@c.example"), 2).empty());
    CHECK(w.watchers.list_after(bob, {}, 2).empty());
}
