// What one contact or one watcher can make a node keep: bounds on the way in.
#include <string>

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

void feed_error(XmppWorld& world, const std::string& contact, const std::string& condition) {
    world.feed("<presence type='error' from='" + contact + "' to='alice@a.example'><error type='cancel'><" + condition +
               " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
}

}  // namespace

TEST_CASE("an error is counted by its defined condition, and only between two who have to do with each other") {
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    for (int i = 0; i < 10; ++i) {
        feed_error(world, "juliet@x.example", "made-up-" + std::to_string(i));
        feed_error(world, "stranger@x.example", "made-up-" + std::to_string(i));
        feed_error(world, "stranger@x.example", "conflict");
    }
    CHECK(world.host.counters["xmpp_errors.undefined-condition"] == 10);
    for (const auto& [name, value] : world.host.counters)
        if (name.starts_with("xmpp_errors.")) CHECK(name == "xmpp_errors.undefined-condition");
}

TEST_CASE("a refusal is forgotten when it has stood its time, also when nobody has asked again") {
    XmppWorld world;
    world.connect();
    const auto name = [](int i) { return "nobody" + std::to_string(i) + "@x.example"; };
    for (int i = 0; i < 100; ++i) world.wanted(name(i), "alice@a.example");
    for (int i = 0; i < 50; ++i) feed_error(world, name(i), "item-not-found");
    for (int i = 50; i < 100; ++i)
        world.feed("<presence type='unsubscribed' from='" + name(i) + "' to='alice@a.example'/>");
    for (int i = 0; i < 99; ++i) world.unwanted(name(i), "alice@a.example");
    CHECK(world.translator->subscriptions() == 0);
    CHECK(world.translator->contacts() == 100);
    // It stands while it stands.
    world.sent.clear();
    world.wanted(name(0), "alice@a.example");
    CHECK(world.sent.empty());
    world.unwanted(name(0), "alice@a.example");
    world.wait(2h);
    CHECK(world.translator->contacts() == 1);  // somebody still asks for the last
    world.unwanted(name(99), "alice@a.example");
    CHECK(world.translator->contacts() == 0);
}

TEST_CASE("a refusal that comes when nobody asks any more is forgotten too") {
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    world.unwanted("juliet@x.example", "alice@a.example");
    world.feed("<presence type='unsubscribed' from='juliet@x.example' to='alice@a.example'/>");
    world.wait(2h);
    CHECK(world.translator->subscriptions() == 0);
    CHECK(world.translator->contacts() == 0);
}

TEST_CASE("a request that nobody answers and nobody waits for is taken back after a day") {
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    world.wanted("nurse@x.example", "alice@a.example");
    world.unwanted("juliet@x.example", "alice@a.example");
    world.wait(23h);
    CHECK(world.translator->subscriptions() == 2);
    world.sent.clear();
    world.wait(2h);
    CHECK(world.translator->subscriptions() == 1);
    REQUIRE(world.sent.size() == 1);
    CHECK(xm::to_wire(world.sent.front()) ==
          R"(<presence from="alice@a.example" to="juliet@x.example" type="unsubscribe"/>)");
}

TEST_CASE("many requests that nobody waits for are taken back in one hour, bit by bit") {
    XmppWorld world;
    world.connect();
    for (int i = 0; i < 5000; ++i) {
        const auto name = "n" + std::to_string(i) + "@x.example";
        world.wanted(name, "alice@a.example");
        world.unwanted(name, "alice@a.example");
    }
    CHECK(world.translator->subscriptions() == 5000);
    world.wait(25h + 10min);
    CHECK(world.translator->subscriptions() == 0);
    CHECK(world.translator->contacts() == 0);
}

TEST_CASE("resources too large for one document are still shown, with less") {
    const std::string large(40'000, 'x');
    for (const auto& child : {"<x xmlns='urn:x'>" + large + "</x>", "<status>" + large + "</status>"}) {
        XmppWorld world;
        world.connect();
        world.wanted("juliet@x.example", "alice@a.example");
        world.feed("<presence type='subscribed' from='juliet@x.example' to='alice@a.example'/>");
        const auto feed = [&](const std::string& resource, const std::string& content) {
            world.feed("<presence from='juliet@x.example/" + resource + "' to='alice@a.example'>" + content +
                       "</presence>");
        };
        const auto published = [&] { return world.host.documents.at(world.uri("juliet@x.example"))->presence(); };
        feed("balcony", child);
        CHECK(published().services.size() == 1);
        feed("chamber", child);
        REQUIRE(published().services.size() == 2);
        feed("balcony", "<show>dnd</show>" + child);
        REQUIRE(published().services.size() == 2);
        CHECK(published().services[0].show == proto::Show::dnd);
        CHECK(world.host.counters[child.starts_with("<x") ? "xmpp_dropped.extensions" : "xmpp_dropped.notes"] == 2);
        // When they fit again, nothing is left out.
        world.feed("<presence type='unavailable' from='juliet@x.example/chamber' to='alice@a.example'/>");
        CHECK(published().services[0].extensions.size() + published().services[0].notes.size() == 1);
    }
}

TEST_CASE("one domain's unanswered requests leave room for another's") {
    XmppWorld world;
    const auto alice = world.uri("alice@a.example");
    for (std::size_t i = 0; i < proto::limits::xmpp_requests_per_domain + 10; ++i)
        world.translator->wanted(world.now, world.uri("n" + std::to_string(i) + "@x.example"), alice);
    CHECK(world.translator->subscriptions() == proto::limits::xmpp_requests_per_domain);
    world.wanted("juliet@x.example", "bob@k.example");
    CHECK(world.translator->subscriptions() == proto::limits::xmpp_requests_per_domain + 1);
}

TEST_CASE("one resource's news to somebody who was never asked about is not taken for all there is") {
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    world.feed("<presence type='subscribed' from='juliet@x.example' to='alice@a.example'/>");
    world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'/>");
    world.feed("<presence from='juliet@x.example/chamber' to='alice@a.example'/>");
    world.boot();  // whoever watched comes back later
    world.connect();
    world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'><show>away</show></presence>");
    world.sent.clear();
    world.wanted("juliet@x.example", "alice@a.example");
    REQUIRE(world.sent.size() == 1);
    CHECK(world.sent.front().get("type") == "probe");
    world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'><show>away</show></presence>");
    world.feed("<presence from='juliet@x.example/chamber' to='alice@a.example'/>");
    CHECK(world.host.documents.at(world.uri("juliet@x.example"))->presence().services.size() == 2);
}

TEST_CASE(
    "a server that says nothing of a contact is asked by the word that it answers where it knows of the approval") {
    // ejabberd is silent of who is offline and of who took the approval back while the stream was away. A `subscribe`
    // it answers by itself where the approval stands; where not, the contact is asked.
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    world.feed("<presence type='subscribed' from='juliet@x.example' to='alice@a.example'/>");
    world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'/>");
    world.drop();
    world.connect();
    world.sent.clear();
    world.wait(35s);
    REQUIRE(world.sent.size() == 2);
    CHECK(world.sent[0].get("type") == "probe");
    CHECK(world.sent[1].get("type") == "subscribe");
    CHECK(world.host.documents.at(world.uri("juliet@x.example"))->presence().services.at(0).basic ==
          proto::Basic::closed);
    // She is asked anew, and allows it.
    world.feed("<presence type='subscribed' from='juliet@x.example' to='alice@a.example'/>");
    world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'/>");
    CHECK(world.host.documents.at(world.uri("juliet@x.example"))->presence().services.at(0).basic ==
          proto::Basic::open);
    // Or refuses.
    world.feed("<presence type='unsubscribed' from='juliet@x.example' to='alice@a.example'/>");
    CHECK(world.host.decisions.at({"juliet@x.example", "alice@a.example"}).first == tr::WatchState::terminated);
}

TEST_CASE(
    "after an end that the server may not have seen everything is asked again, for it may send a share to nobody") {
    // ejabberd takes a second stream of a component and gives each of the two some of the stanzas.
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    world.feed("<presence type='subscribed' from='juliet@x.example' to='alice@a.example'/>");
    const auto balcony = [&](std::string show) {
        world.feed("<presence from='juliet@x.example/balcony' to='alice@a.example'>" + show + "</presence>");
    };
    balcony("");
    const auto probes_in = [&](proto::Duration time) {
        int probes = 0;
        for (proto::Duration passed{}; passed < time; passed += 1s) {
            world.wait(1s);
            for (const auto& stanza : std::exchange(world.sent, {})) {
                if (stanza.get("type") != "probe") continue;
                ++probes;
                balcony("<show>away</show>");
            }
        }
        return probes;
    };
    bool seen = false;
    SUBCASE("the server ended it") {
        world.drop("closed-by-server");
        seen = true;
    }
    SUBCASE("the network ended it") {
        world.drop("connection-reset");
    }
    SUBCASE("we stopped") {
        world.translator->stop(world.now);
        world.boot();
        world.wanted("juliet@x.example", "alice@a.example");
        seen = true;
    }
    SUBCASE("we stopped, after the network had ended it") {
        world.drop("connection-reset");
        world.connect();
        world.translator->stop(world.now);
        world.boot();
        world.wanted("juliet@x.example", "alice@a.example");
    }
    SUBCASE("we were cut off, perhaps with the machine") {
        world.boot();
        world.wanted("juliet@x.example", "alice@a.example");
    }
    world.connect();
    CHECK(probes_in(30s) == 1);
    CHECK(probes_in(2min) == (seen ? 0 : 1));
    CHECK(probes_in(1h) == (seen ? 0 : 2));
    world.drop("closed-by-server");
    world.connect();
    CHECK(probes_in(2h) == 1);
}
