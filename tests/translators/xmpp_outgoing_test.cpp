// What a contact of the attached server is shown of one of the federation's users, as time goes by.
#include <doctest/doctest.h>

#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

tr::View live(proto::Presence presence) {
    return {tr::WatchState::active, "", tr::Liveness::live, proto::Document::make(std::move(presence)).value()};
}

/// The shows sent since, oldest first; "" for available.
std::vector<std::string> shows(XmppWorld& world) {
    std::vector<std::string> out;
    for (const auto& stanza : std::exchange(world.sent, {})) out.emplace_back(stanza.child_text("show", xm::ns_client));
    return out;
}

}  // namespace

TEST_CASE("a contact is told when activities begin and end, without a new document") {
    XmppWorld world;
    world.connect();
    world.feed("<presence type='subscribe' from='juliet@x.example' to='alice@a.example'/>");
    proto::Presence presence;
    presence.services.resize(1);
    presence.services[0].id = "desk";
    presence.services[0].basic = proto::Basic::open;
    presence.persons.resize(1);
    presence.persons[0].activities = proto::Activities{{"meeting"}, {}, world.now.wall + 1h, world.now.wall + 2h};
    world.sent.clear();
    world.show("alice@a.example", live(presence));
    CHECK(shows(world) == std::vector<std::string>{""});
    world.wait(1h - 1s);
    CHECK(shows(world).empty());
    world.wait(1s);
    CHECK(shows(world) == std::vector<std::string>{"dnd"});
    world.wait(1h);
    CHECK(shows(world) == std::vector<std::string>{""});
    world.wait(24h);
    CHECK(shows(world).empty());
}

TEST_CASE("activities that begin and end at once make no flood") {
    XmppWorld world;
    world.connect();
    world.feed("<presence type='subscribe' from='juliet@x.example' to='alice@a.example'/>");
    proto::Presence presence;
    presence.services.resize(60);
    for (int i = 0; i < 60; ++i) {
        auto& service = presence.services[static_cast<std::size_t>(i)];
        service.id = "s" + std::to_string(i);
        service.basic = proto::Basic::open;
        service.activities = proto::Activities{{"meeting"}, {}, world.now.wall + i * 1ms + 1ms, {}};
    }
    world.show("alice@a.example", live(presence));
    world.sent.clear();
    world.wait(1s);
    CHECK(shows(world).empty());
    world.wait(1s);
    CHECK(shows(world).size() == 60);
    CHECK(world.translator->next_timeout() > world.now.steady);
}

TEST_CASE("a resource that asks while a young watch knows nothing is shown what was shown before to others") {
    XmppWorld world;
    world.connect();
    world.feed("<presence type='subscribe' from='juliet@x.example' to='alice@a.example'/>");
    proto::Presence presence;
    presence.services.resize(1);
    presence.services[0].id = "desk";
    presence.services[0].basic = proto::Basic::open;
    world.show("alice@a.example", live(presence));
    world.sent.clear();
    world.show("alice@a.example", {tr::WatchState::active, "", tr::Liveness::live, nullptr});
    world.feed("<presence type='probe' from='juliet@x.example/phone' to='alice@a.example'/>");
    CHECK(world.sent.empty());  // it may come back yet
    world.show("alice@a.example", live(presence));
    REQUIRE(world.sent.size() == 1);
    CHECK(xm::to_wire(world.sent.front()) == R"(<presence from="alice@a.example/desk" to="juliet@x.example"/>)");
}

namespace {

proto::Presence devices(std::initializer_list<const char*> names) {
    proto::Presence presence;
    for (const auto* name : names) {
        presence.services.emplace_back();
        presence.services.back().id = name;
        presence.services.back().basic = proto::Basic::open;
    }
    return presence;
}

/// What juliet is told when her server's stream ends and comes back: "from type", in order.
std::vector<std::string> told_anew(XmppWorld& world) {
    world.drop();
    world.sent.clear();
    world.connect();
    std::vector<std::string> out;
    for (const auto& stanza : std::exchange(world.sent, {}))
        out.push_back(std::string(stanza.get("from")) + " " + std::string(stanza.get("type")));
    return out;
}

}  // namespace

TEST_CASE("what ended just before a stream did is said again on the next") {
    XmppWorld world;
    world.connect();
    world.feed("<presence type='subscribe' from='juliet@x.example' to='alice@a.example'/>");
    world.show("alice@a.example", live(devices({"desk", "phone"})));
    world.wait(20s);
    using Lines = std::vector<std::string>;
    SUBCASE("a device is gone") {
        world.show("alice@a.example", live(devices({"desk"})));
        const Lines all{"alice@a.example subscribed", "alice@a.example/phone unavailable", "alice@a.example/desk "};
        CHECK(told_anew(world) == all);
        CHECK(told_anew(world) == all);  // that stream did not last either
        world.show("alice@a.example", live(devices({"desk", "phone"})));
        CHECK(told_anew(world) ==
              Lines{"alice@a.example subscribed", "alice@a.example/desk ", "alice@a.example/phone "});
    }
    SUBCASE("the node is restarted besides") {
        world.show("alice@a.example", live(devices({"desk"})));
        world.boot();
        CHECK(told_anew(world) ==
              Lines{"alice@a.example subscribed", "alice@a.example/phone unavailable", "alice@a.example/desk "});
    }
    SUBCASE("nothing is known any more") {
        world.show("alice@a.example", {tr::WatchState::active, "", tr::Liveness::unknown, nullptr});
        CHECK(told_anew(world) == Lines{"alice@a.example subscribed", "alice@a.example/desk unavailable",
                                        "alice@a.example/phone unavailable"});
    }
    SUBCASE("she may see alice no more") {
        world.show("alice@a.example", {tr::WatchState::terminated, "rejected", tr::Liveness::live, nullptr});
        CHECK(world.translator->subscriptions() == 0);
        CHECK(told_anew(world) == Lines{"alice@a.example/desk unavailable", "alice@a.example/phone unavailable",
                                        "alice@a.example unsubscribed"});
        world.feed("<presence type='subscribe' from='juliet@x.example' to='alice@a.example'/>");
        for (const auto& line : told_anew(world)) CHECK(line != "alice@a.example unsubscribed");
    }
    SUBCASE("a device has another name each time: the last ones, and those of the last minutes") {
        const auto rename = [&](int number) {
            const auto name = "phone" + std::to_string(number);
            world.show("alice@a.example", live(devices({name.c_str()})));
        };
        for (int i = 0; i < 40; ++i) {
            rename(i);
            world.wait(1s);
        }
        const auto all = told_anew(world);
        CHECK(all.size() == 2 + proto::limits::xmpp_resources);
        CHECK(std::ranges::find(all, "alice@a.example/phone38 unavailable") != all.end());
        world.wait(110s);
        rename(40);
        world.wait(11s);
        rename(41);
        CHECK(told_anew(world) == Lines{"alice@a.example subscribed", "alice@a.example/phone39 unavailable",
                                        "alice@a.example/phone40 unavailable", "alice@a.example/phone41 "});
    }
    SUBCASE("a stream that goes on for minutes has brought it") {
        world.show("alice@a.example", live(devices({"desk"})));
        world.wait(3min);
        CHECK(told_anew(world) == Lines{"alice@a.example subscribed", "alice@a.example/desk "});
    }
}
