// One provider with two nodes: a user's devices publish where they are sent, and watchers elsewhere see one user. A
// node is taken out, or dies, and its users go to the other one: nobody sees a gap longer than the bound.
#include <doctest/doctest.h>

#include <algorithm>

#include "node/compose.hpp"
#include "tests/support/domain_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using translators::Liveness;
using translators::View;

namespace {

using Device = DomainWorld::Device;
using Provider = DomainWorld::Provider;

bool shows(const View& view, const std::string& device, const std::string& note) {
    if (!view.document || view.liveness == Liveness::unknown) return false;
    const auto services = view.document->presence().services;
    return std::any_of(services.begin(), services.end(), [&](const proto::Service& s) {
        return s.id == device && s.basic == proto::Basic::open && s.notes.size() == 1 && s.notes[0].text == note;
    });
}

/// How long nobody of a world was shown a device, at the longest: asked for twenty times a second.
class GapMeter {
  public:
    GapMeter(DomainWorld& w, const std::vector<Device>& devices) : w_(w), devices_(devices) {}

    void run_for(
        proto::Duration span, const std::function<void()>& each_step = [] {}) {
        for (const auto end = w_.world.now().steady + span; w_.world.now().steady < end;) {
            each_step();
            w_.world.run_for(50ms);
            look();
        }
    }
    proto::Duration longest() const { return longest_; }
    std::size_t without() const { return since_.size(); }

  private:
    void look() {
        const auto now = w_.world.now().steady;
        for (const Device& device : devices_)
            for (Provider* p : w_.all()) {
                if (!p->node) continue;
                const std::pair key{p, device.user};
                if (shows(w_.seen(*p, device.user), device.name, *device.meant)) {
                    since_.erase(key);
                } else {
                    const auto from = since_.try_emplace(key, now).first->second;
                    longest_ = std::max<proto::Duration>(longest_, now - from);
                }
            }
    }

    DomainWorld& w_;
    const std::vector<Device>& devices_;
    std::map<std::pair<Provider*, proto::PresentityUri>, proto::SteadyTime> since_;
    proto::Duration longest_{0};
};

/// Users whose only device is at the first node, watched everywhere.
std::vector<Device> users_at_first(DomainWorld& w, int count) {
    std::vector<Device> devices;
    for (int i = 0; i < count; ++i) {
        devices.push_back({uri("user" + std::to_string(i) + "@a.example"), "phone", &w.a1});
        w.say(devices.back(), "here");
        w.watch(devices.back().user);
    }
    w.world.run_for(10s);
    for (const Device& device : devices)
        for (Provider* p : w.all())
            if (p->node) REQUIRE(shows(w.seen(*p, device.user), "phone", "here"));
    return devices;
}

}  // namespace

TEST_CASE("devices at two nodes of a provider are one user, the same to every watcher") {
    DomainWorld w;
    const auto alice = uri("alice@a.example");
    Device phone{alice, "phone", &w.a1}, laptop{alice, "laptop", &w.a2};
    w.watch(alice);
    const auto all_see = [&](const std::string& on_phone, const std::string& on_laptop) {
        w.world.run_for(2s);
        for (Provider* p : w.all()) {
            const View& view = w.seen(*p, alice);
            CHECK(view.liveness == Liveness::live);
            CHECK(node::same_view(view, w.seen(w.x, alice)));
            CHECK(shows(view, "phone", on_phone) == !on_phone.empty());
            CHECK(shows(view, "laptop", on_laptop) == !on_laptop.empty());
            REQUIRE(view.document);
            const auto devices = static_cast<std::size_t>(!on_phone.empty()) + (on_laptop.empty() ? 0U : 1U);
            CHECK(view.document->presence().services.size() == std::max<std::size_t>(devices, 1));
        }
    };
    w.say(phone, "out");
    w.say(laptop, "at the desk");
    w.world.run_for(30s);
    all_see("out", "at the desk");
    w.say(phone, "on the way");
    all_see("on the way", "at the desk");
    w.remove(phone);
    all_see("", "at the desk");
    w.say(phone, "back");
    w.remove(laptop);
    all_see("back", "");
    w.remove(phone);
    all_see("", "");
}

TEST_CASE("a node is taken out: its users go elsewhere, and are missed no longer than they take") {
    DomainWorld w;
    auto devices = users_at_first(w, 20);
    GapMeter gaps(w, devices);
    gaps.run_for(1s);
    CHECK(gaps.longest() == 0s);
    w.stop(w.a1);
    std::size_t moved = 0;
    // The last of them notices ten seconds later.
    gaps.run_for(60s, [&] {
        while (moved < devices.size() && gaps.longest() > moved * 500ms) w.refresh(devices[moved++]);
    });
    CHECK(moved == devices.size());
    CHECK(gaps.without() == 0);
    CHECK(gaps.longest() < 11s);
    w.come_back(w.a1);
    gaps.run_for(60s);
    CHECK(gaps.without() == 0);
    for (const Device& device : devices)
        for (Provider* p : w.all()) CHECK(node::same_view(w.seen(*p, device.user), w.seen(w.x, device.user)));
}

TEST_CASE("a node dies: whoever goes elsewhere within the bound is never missed") {
    for (const bool keeps_disk : {true, false}) {
        CAPTURE(keeps_disk);
        DomainWorld w;
        auto devices = users_at_first(w, 20);
        GapMeter gaps(w, devices);
        w.crash(w.a1, keeps_disk);
        std::size_t moved = 0;
        gaps.run_for(60s, [&] {
            if (moved < devices.size()) w.refresh(devices[moved++]);
        });
        CHECK(gaps.without() == 0);
        CHECK(gaps.longest() <= 1s);
        for (auto& device : devices) w.say(device, "moved");
        w.world.run_for(1s);
        for (const Device& device : devices)
            for (Provider* p : {&w.a2, &w.x}) CHECK(shows(w.seen(*p, device.user), "phone", "moved"));
        w.come_back(w.a1);  // with what was published there before
        gaps.run_for(60s);
        CHECK(gaps.without() == 0);
        for (const Device& device : devices)
            for (Provider* p : w.all()) {
                CHECK(shows(w.seen(*p, device.user), "phone", "moved"));
                CHECK(w.seen(*p, device.user).document->presence().services.size() == 1);
            }
    }
}

TEST_CASE(
    "a node dies: whoever does not move is unknown within the bound, also where another device once was elsewhere") {
    DomainWorld w;
    const auto alice = uri("alice@a.example");
    Device phone{alice, "phone", &w.a1}, laptop{alice, "laptop", &w.a2};
    w.watch(alice);
    w.say(phone, "here");
    w.say(laptop, "here");
    w.world.run_for(10s);
    w.remove(laptop);
    w.world.run_for(10s);
    REQUIRE(shows(w.seen(w.x, alice), "phone", "here"));
    w.crash(w.a1, true);
    w.world.run_for(35s);
    for (Provider* p : {&w.a2, &w.x}) {
        CAPTURE(p->name);
        CHECK(w.seen(*p, alice).liveness == Liveness::unknown);  // and not "offline": nobody said so
    }
    // Who says so later is believed, whatever the dead node said last.
    w.say(phone, "elsewhere");
    w.world.run_for(2s);
    REQUIRE(shows(w.seen(w.x, alice), "phone", "elsewhere"));
    w.remove(phone);
    w.world.run_for(2s);
    for (Provider* p : {&w.a2, &w.x}) {
        CAPTURE(p->name);
        CHECK(w.seen(*p, alice).liveness == Liveness::live);
        REQUIRE(w.seen(*p, alice).document);
        CHECK(!w.seen(*p, alice).document->presence().is_open());
    }
}

TEST_CASE("a node comes to a provider: who goes there from one that lives on is found there") {
    DomainWorld w(true);
    auto devices = users_at_first(w, 5);
    w.world.run_for(20min);  // what was asked at first is long done
    w.come_back(w.a2);
    w.world.run_for(10s);
    GapMeter gaps(w, devices);
    for (auto& device : devices) {
        const auto left = device;
        device.at = &w.a2;  // the provider's own balancing sends them there
        device.etag.clear();
        w.say(device, "here");
        auto ending = left;
        w.remove(ending);
    }
    gaps.run_for(60s);
    CHECK(gaps.without() == 0);
    CHECK(gaps.longest() <= 30s);
}

TEST_CASE("what users decide at one node of a provider holds at its other node, when the first is gone as well") {
    DomainWorld w;
    w.confirm();
    const auto alice = uri("alice@a.example");
    Device phone{alice, "phone", &w.a1};
    w.watch(alice);
    w.say(phone, "here");
    w.world.run_for(30s);
    CHECK(w.seen(w.x, alice).state == translators::WatchState::pending);
    w.decide(w.a1, alice, node::Handling::allow);
    w.world.run_for(2s);
    REQUIRE(shows(w.seen(w.x, alice), "phone", "here"));
    w.crash(w.a1, true);
    w.refresh(phone);  // at the other node
    w.world.run_for(30s);
    CHECK(shows(w.seen(w.x, alice), "phone", "here"));
    // Taken back where it was not made, while that node is away.
    w.decide(w.a2, alice, node::Handling::block);
    w.world.run_for(2s);
    CHECK(w.seen(w.x, alice).state == translators::WatchState::terminated);
    w.come_back(w.a1);
    w.world.run_for(30s);
    CHECK(w.handling(w.a1, alice) == node::Handling::block);
    CHECK(w.handling(w.a2, alice) == node::Handling::block);
    Device laptop{alice, "laptop", &w.a1};
    w.say(laptop, "at the desk");
    w.world.run_for(30s);
    CHECK(w.seen(w.x, alice).state == translators::WatchState::terminated);
    CHECK_FALSE(shows(w.seen(w.x, alice), "laptop", "at the desk"));
}

TEST_CASE("a node without its disk, or that comes later, learns its users' rules from the others of its provider") {
    for (const bool comes_later : {false, true}) {
        CAPTURE(comes_later);
        DomainWorld w(comes_later);
        w.confirm();
        std::vector<proto::PresentityUri> users;
        for (int i = 0; i < 100; ++i) {
            users.push_back(uri("user" + std::to_string(i) + "@a.example"));
            w.decide(w.a1, users.back(), i % 2 == 0 ? node::Handling::allow : node::Handling::polite_block);
        }
        if (!comes_later) {
            w.world.run_for(1min);
            w.crash(w.a2, false);
        }
        w.come_back(w.a2);
        w.confirm();
        w.world.run_for(1min);
        for (std::size_t i = 0; i < users.size(); ++i)
            CHECK(w.handling(w.a2, users[i]) == (i % 2 == 0 ? node::Handling::allow : node::Handling::polite_block));
    }
}

TEST_CASE("a node whose disk is an older copy learns what it lost, and goes on telling") {
    DomainWorld w;
    const auto decide_some = [&](int from, int to) {
        for (int i = from; i < to; ++i)
            w.decide(w.a1, uri("user" + std::to_string(i) + "@a.example"), node::Handling::block);
        w.world.run_for(1min);
    };
    decide_some(0, 10);
    const auto copy = w.a1.store;
    decide_some(10, 20);
    w.crash(w.a1, true);
    w.a1.store = copy;
    w.come_back(w.a1);
    w.world.run_for(1min);
    const auto handled = w.a1.datagrams_handled;
    w.world.run_for(1min);
    CHECK(w.a1.datagrams_handled - handled < 60);
    decide_some(20, 21);
    for (int i = 0; i < 21; ++i)
        for (Provider* p : {&w.a1, &w.a2})
            CHECK(w.handling(*p, uri("user" + std::to_string(i) + "@a.example")) == node::Handling::block);
}

TEST_CASE("a node whose disk is an older copy, and that grew past what was lost before the other asked") {
    DomainWorld w;
    const auto user = [](int i) { return uri("user" + std::to_string(i) + "@a.example"); };
    const auto decide_some = [&](int from, int to) {
        for (int i = from; i < to; ++i) w.decide(w.a1, user(i), node::Handling::block);
        w.world.run_for(1min);
    };
    decide_some(0, 10);
    const auto copy = w.a1.store;
    decide_some(10, 20);
    w.crash(w.a1, true);
    w.crash(w.a2, true);
    w.a1.store = copy;
    w.come_back(w.a1);
    decide_some(20, 32);
    w.come_back(w.a2);
    w.world.run_for(1min);
    decide_some(32, 33);
    const auto handled = w.a1.datagrams_handled;
    w.world.run_for(1min);
    CHECK(w.a1.datagrams_handled - handled < 60);
    for (int i = 0; i < 33; ++i)
        for (Provider* p : {&w.a1, &w.a2}) {
            CAPTURE(i);
            CHECK(w.handling(*p, user(i)) == node::Handling::block);
        }
}

TEST_CASE("a log that begins anew for one node of a provider is told to the others from its beginning") {
    NodeWorld world{{"a.example/1", "a.example/2", "a.example/3"}, 50ms};
    auto& a1 = world["a.example/1"];
    auto& a2 = world["a.example/2"];
    auto& a3 = world["a.example/3"];
    const auto user = [](int i) { return uri("user" + std::to_string(i) + "@a.example"); };
    const auto decide_some = [&](int from, int to) {
        for (int i = from; i < to; ++i)
            world.turn(a1, [&](proto::Now now) {
                REQUIRE(a1.node->service().decide(now, user(i), uri("watcher@x.example"), node::Handling::block));
            });
        world.run_for(1min);
    };
    world.start_all();
    decide_some(0, 10);
    const auto copy = a1.store;
    world.crash(a3);
    decide_some(10, 20);  // the second node alone hears of these
    world.crash(a1);
    world.crash(a2);
    a1.store = copy;
    world.start(a1);
    world.start(a3);
    decide_some(20, 32);
    world.start(a2);
    world.run_for(10s);
    world.crash(a2);  // or the third would hear from it
    decide_some(32, 33);
    for (int i = 0; i < 33; ++i) {
        CAPTURE(i);
        CHECK(a3.node->service().decisions(user(i)).size() == 1);
    }
}

TEST_CASE("a block of one who does not watch just then, wherever it comes from, is sealed off at once") {
    const auto alice = uri("alice@a.example");
    const auto block = node::RuleSet::make({node::Rule::make("x.example", node::Handling::block).value()}).value();
    const auto rule = [&](DomainWorld& w, Provider& p) {
        w.world.turn(p, [&](proto::Now now) { REQUIRE(p.node->service().set_rules(now, alice, block)); });
    };
    const auto policy = [](DomainWorld& w, node::Handling handling) {
        w.a1.service.default_handling = handling;
        w.world.turn(w.a1, [&](proto::Now now) { w.a1.node->set_policy(now, w.a1.service); });
    };
    struct Way {
        std::string name;
        std::size_t records;
        std::function<void(DomainWorld&)> go;
    };
    const Way ways[] = {
        {"decided here", 1, [&](DomainWorld& w) { w.decide(w.a1, alice, node::Handling::block); }},
        {"decided at the other node", 1, [&](DomainWorld& w) { w.decide(w.a2, alice, node::Handling::block); }},
        {"a rule here", 1, [&](DomainWorld& w) { rule(w, w.a1); }},
        {"a rule at the other node", 1, [&](DomainWorld& w) { rule(w, w.a2); }},
        {"the node's policy", 1, [&](DomainWorld& w) { policy(w, node::Handling::block); }},
        {"the same policy again", 0, [&](DomainWorld& w) { policy(w, node::Handling::confirm); }},
    };
    for (const Way& way : ways) {
        CAPTURE(way.name);
        DomainWorld w;
        w.confirm();
        w.decide(w.a1, alice, node::Handling::allow);
        Device phone{alice, "phone", &w.a1};
        w.watch(alice);
        w.say(phone, "here");
        w.world.run_for(10s);
        REQUIRE(shows(w.seen(w.x, alice), "phone", "here"));
        w.stop(w.x);
        w.world.run_for(5min);
        const auto records = [&] {
            for (const auto& [name, n] : w.a1.node->overlay_status().counters)
                if (name == "record_puts") return n;
            return std::uint64_t{0};
        };
        const auto before = records();
        way.go(w);
        w.world.run_for(2s);
        CHECK(records() - before == way.records);
    }
}

TEST_CASE("rules are told among the nodes of a provider alone") {
    DomainWorld w;
    const auto alice = uri("alice@a.example");
    w.decide(w.a1, alice, node::Handling::block);
    w.world.run_for(1min);
    CHECK(w.handling(w.a2, alice) == node::Handling::block);
    CHECK(w.handling(w.x, alice) == node::Handling::allow);
}
