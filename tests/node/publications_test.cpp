#include "node/publications.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

#include "node/compose.hpp"
#include "proto/limits.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/reason.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using proto::Reason;

namespace {

struct Table {
    MemoryStore store;
    proto::SeededRandom random{7};
    ServiceLimits limits;
    Publications publications{store, random, limits};

    Table() = default;
    explicit Table(const ServiceLimits& l) : limits(l) {}

    proto::Result<translators::PublishReceipt> publish(proto::Now now, proto::DocumentPtr document,
                                                       std::string etag = {},
                                                       std::optional<std::chrono::seconds> expires = {}) {
        return publications.publish(now, {alice, std::move(etag), std::move(document), expires});
    }
    void restart(proto::Now now) {
        publications.~Publications();
        new (&publications) Publications(store, random, limits);
        publications.load(now);
    }
};

/// The wall clock is so much ahead of the steady one.
proto::Now ahead(proto::Duration steady, proto::Duration by) {
    proto::Now now = at(steady);
    now.wall += by;
    return now;
}

}  // namespace

TEST_CASE("RFC 3903 section 4: initial, refresh, modify, remove; a new entity tag each time") {
    Table t;
    auto first = t.publish(at(0s), online("phone", "one"));
    REQUIRE(first);
    CHECK(first->expires == proto::limits::publication_default_expires);
    auto refreshed = t.publish(at(10s), nullptr, first->etag, 600s);
    REQUIRE(refreshed);
    CHECK(refreshed->etag != first->etag);
    CHECK(refreshed->expires == 600s);
    CHECK(reason(t.publish(at(11s), nullptr, first->etag)) == Reason::condition_failed);
    auto modified = t.publish(at(12s), online("phone", "two"), refreshed->etag);
    REQUIRE(modified);
    CHECK(t.publications.document(alice)->presence().services[0].notes[0].text == "two");
    auto removed = t.publish(at(13s), nullptr, modified->etag, 0s);
    REQUIRE(removed);
    CHECK(removed->expires == 0s);
    CHECK(t.publications.document(alice)->digest == offline_document(alice)->digest);
    CHECK(t.publications.presentities() == 0);
    CHECK(t.publications.count() == 0);
    CHECK(t.publications.list(alice).empty());
}

TEST_CASE("a farewell is kept for its time, over restarts, and makes way for whatever comes next") {
    Table t;
    auto first = t.publish(at(0s), online("phone", "one"), {}, 100s);
    t.publications.handle_timeout(at(100s));
    CHECK(t.publications.document(alice)->digest == offline_document(alice)->digest);
    t.store.commit();
    t.restart(at(200s));
    REQUIRE(t.publications.document(alice));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
    REQUIRE(t.publish(at(300s), online("phone", "back"), {}, 100s));
    CHECK(t.publications.document(alice)->presence().services.size() == 1);
    CHECK(t.publications.document(alice)->presence().is_open());
    t.publications.handle_timeout(at(400s));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
    t.publications.handle_timeout(at(400s + proto::limits::farewell));
    CHECK(t.publications.document(alice) == nullptr);
    CHECK(t.publications.next_timeout() == proto::never);
}

TEST_CASE("an attached server that falls silent says nothing about its users") {
    Table t;
    REQUIRE(t.publications.set(at(0s), "sip.attach", alice, online("phone", "one"), 100s));
    t.publications.handle_timeout(at(100s));
    CHECK(t.publications.document(alice) == nullptr);
}

TEST_CASE("a publication runs out when it said, and not before") {
    Table t;
    REQUIRE(t.publish(at(0s), online(), {}, 100s));
    CHECK(t.publications.next_timeout() <= at(100s).steady);
    t.publications.handle_timeout(at(99s));
    CHECK(t.publications.document(alice));
    t.publications.take_changed();
    t.publications.handle_timeout(at(100s));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
    CHECK(t.publications.take_changed() == std::vector{alice});
    t.publications.handle_timeout(at(99s + proto::limits::farewell));
    CHECK(t.publications.document(alice));
    t.publications.handle_timeout(at(100s + proto::limits::farewell));
    CHECK_FALSE(t.publications.document(alice));
}

TEST_CASE(
    "a publication runs out by the wall clock where that ran ahead: the machine stood still, or the clock was set") {
    Table t;
    t.restart(at(0s));
    CHECK(t.publications.next_timeout() == proto::never);
    REQUIRE(t.publish(at(0s), online("phone"), {}, 1h));
    REQUIRE(t.publish(at(0s), online("desk"), {}, 3h));
    CHECK(t.publications.next_timeout() == at(proto::limits::wall_looked_at).steady);
    t.publications.handle_timeout(ahead(1s, 2h));
    REQUIRE(t.publications.document(alice));
    CHECK(t.publications.document(alice)->presence().is_open());
    CHECK(t.publications.count() == 1);
    t.publications.handle_timeout(ahead(59min, 2h));
    CHECK(t.publications.count() == 1);
    t.publications.handle_timeout(ahead(1h, 2h));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
}

TEST_CASE("a wall clock that runs ahead little by little is followed too, one that is set back changes nothing") {
    Table t;
    t.restart(at(0s));
    REQUIRE(t.publish(at(0s), online(), {}, 1h));
    t.publications.handle_timeout(ahead(10min, 40s));
    t.publications.handle_timeout(ahead(20min, 80s));
    t.publications.handle_timeout(ahead(1h - 80s, 80s));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
    REQUIRE(t.publish(ahead(2h, -1h), online(), {}, 1h));
    t.publications.handle_timeout(ahead(2h, -1h));
    t.publications.handle_timeout(ahead(3h - 1s, -1h));
    CHECK(t.publications.document(alice)->presence().is_open());
    t.publications.handle_timeout(ahead(3h, -1h));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
}

TEST_CASE("what is restored by a clock that is days late runs out when the clock is set") {
    Table t;
    REQUIRE(t.publish(at(0s), online(), {}, 1h));
    REQUIRE(t.publications.set(at(0s), "xmpp", uri("bob@a.example"), online(), 1h));
    t.store.commit();
    t.restart(ahead(1h, -72h));
    REQUIRE(t.publications.document(alice)->presence().is_open());
    REQUIRE(t.publications.document(uri("bob@a.example")));
    t.publications.handle_timeout(ahead(1h + 10s, 1h));
    CHECK_FALSE(t.publications.document(alice)->presence().is_open());
    CHECK_FALSE(t.publications.document(uri("bob@a.example")));
}

TEST_CASE(
    "what an attached server says in this run goes by the steady clock: its translator knows when it falls silent") {
    Table t;
    t.restart(at(0s));
    REQUIRE(t.publications.set(at(0s), "xmpp", alice, online(), 1h));
    t.publications.handle_timeout(ahead(10s, 72h));
    REQUIRE(t.publications.document(alice));
    t.publications.handle_timeout(ahead(1h, 72h));
    CHECK_FALSE(t.publications.document(alice));
}

TEST_CASE("expiry is clamped from above and refused from below") {
    Table t;
    CHECK(reason(t.publish(at(0s), online(), {}, 59s)) == Reason::interval_too_brief);
    CHECK(t.publish(at(0s), online(), {}, 1000h)->expires == 24h);
    CHECK(reason(t.publish(at(0s), nullptr)) == Reason::malformed);
    CHECK(reason(t.publish(at(0s), nullptr, "no-such-tag")) == Reason::condition_failed);
}

TEST_CASE("bounds: publications of one presentity, presentities, and the whole document") {
    ServiceLimits limits;
    limits.presentities = 1;
    Table t(limits);
    for (int i = 0; i < 32; ++i) REQUIRE(t.publish(at(0s), online("s" + std::to_string(i))));
    CHECK(reason(t.publish(at(0s), online("one-more"))) == Reason::quota);
    auto other = t.publications.publish(at(0s), {uri("bob@a.example"), {}, online(), {}});
    CHECK(reason(other) == Reason::quota);
}

TEST_CASE("a publication that would make the whole too large is refused and changes nothing") {
    Table t;
    REQUIRE(t.publish(at(0s), online("a", std::string(40'000, 'x'))));
    auto before = t.publications.document(alice);
    CHECK(reason(t.publish(at(0s), online("b", std::string(40'000, 'y')))) == Reason::too_large);
    CHECK(t.publications.document(alice) == before);
    CHECK(t.publications.count() == 1);
}

TEST_CASE("an attached server has one publication per presentity, beside those with entity tags") {
    Table t;
    REQUIRE(t.publish(at(0s), online("sip")));
    REQUIRE(t.publications.set(at(0s), "xmpp", alice, online("tablet"), 600s));
    REQUIRE(t.publications.set(at(1s), "xmpp", alice, online("laptop"), 600s));
    CHECK(t.publications.document(alice)->presence().services.size() == 2);
    CHECK(t.publications.count() == 2);
    REQUIRE(t.publications.set(at(2s), "xmpp", alice, nullptr, 600s));
    CHECK(t.publications.count() == 1);
}

TEST_CASE("a change is told once, and not at all when the document stays the same") {
    Table t;
    auto first = t.publish(at(0s), online());
    CHECK(t.publications.take_changed().size() == 1);
    auto second = t.publish(at(1s), online(), first->etag);
    CHECK(t.publications.take_changed().empty());
    REQUIRE(t.publish(at(2s), online("phone", "new"), second->etag));
    REQUIRE(t.publish(at(2s), online("desk")));
    CHECK(t.publications.take_changed() == std::vector{alice});
}

TEST_CASE("a crash loses nothing that was committed and had not run out") {
    Table t;
    auto kept = t.publish(at(0s), online("kept"), {}, 600s);
    REQUIRE(t.publish(at(0s), online("short"), {}, 60s));
    REQUIRE(t.publications.set(at(0s), "xmpp", alice, online("server"), 600s));
    t.store.commit();
    REQUIRE(t.publish(at(1s), online("uncommitted"), {}, 600s));
    t.store.crash();
    t.restart(at(61s));
    CHECK(t.publications.take_changed() == std::vector{alice});
    CHECK(t.publications.count() == 2);
    CHECK(t.publications.document(alice)->presence().services.size() == 2);
    // The entity tag the client holds is still good, and the expiry is the old one.
    CHECK(t.publish(at(62s), nullptr, kept->etag));
    t.publications.handle_timeout(at(599s));
    CHECK(t.publications.count() == 2);
    t.publications.handle_timeout(at(600s));
    CHECK(t.publications.count() == 1);
}

// Every operation against the simplest table there could be, with restarts in between.
TEST_CASE("publications behave as a map from entity tag to document and expiry") {
    struct Entry {
        std::string service;
        std::chrono::seconds ends;
    };
    CHECK(rc::check([] {
        Table t;
        std::map<std::string, Entry> model;
        std::vector<std::string> tags{"never-given"};
        std::chrono::seconds now = 0s;
        for (int step = *rc::gen::inRange(1, 60); step > 0; --step) {
            now += std::chrono::seconds{*rc::gen::inRange(0, 90)};
            t.publications.handle_timeout(at(now));
            std::erase_if(model, [&](const auto& e) { return e.second.ends <= now; });

            enum { initial, refresh, modify, take_back, restart };
            const int what = *rc::gen::inRange<int>(initial, restart + 1);
            if (what == restart) {
                t.store.commit();
                t.store.crash();
                t.restart(at(now));
                continue;
            }
            const std::string tag = what == initial ? "" : *rc::gen::elementOf(tags);
            const auto expires = what == take_back ? 0s : std::chrono::seconds{*rc::gen::inRange(60, 300)};
            const bool with_document = what == initial || what == modify;
            std::string service_id = "s" + std::to_string(step);
            auto receipt = t.publish(at(now), with_document ? online(service_id) : nullptr, tag, expires);
            RC_ASSERT(receipt.has_value() == (what == initial || model.contains(tag)));
            if (!receipt) continue;
            if (!with_document) service_id = model[tag].service;
            model.erase(tag);
            if (what != take_back) model[receipt->etag] = {service_id, now + expires};
            tags.push_back(receipt->etag);
        }
        std::set<std::string> expected, shown, expected_tags, shown_tags;
        for (const auto& [tag, entry] : model) expected.insert(entry.service), expected_tags.insert(tag);
        if (auto whole = t.publications.document(alice))
            for (const auto presence = whole->presence(); const auto& s : presence.services)
                if (s.basic != proto::Basic::closed) shown.insert(s.id);
        for (const auto& info : t.publications.list(alice)) shown_tags.insert(info.etag);
        RC_ASSERT(shown == expected);
        RC_ASSERT(shown_tags == expected_tags);
        RC_ASSERT(t.publications.count() == model.size());
    }));
}

TEST_CASE("every element is marked with when it was published as it is, over changes beside it and over a restart") {
    Table t;
    const auto published = [&](std::size_t i) {
        return *t.publications.document(alice)->presence().services.at(i).published - at(0s).wall;
    };
    auto receipt = t.publish(at(0s), document({service("a", "one"), service("b", "one")}));
    REQUIRE(receipt);
    receipt = t.publish(at(5s), document({service("a", "one"), service("b", "two")}), receipt->etag);
    REQUIRE(receipt);
    CHECK(published(0) == 0s);
    CHECK(published(1) == 5s);
    t.restart(at(9s));
    CHECK(published(0) == 0s);
    CHECK(published(1) == 5s);
    auto server = t.publications.set(at(10s), "xmpp", alice, online("c"), 300s);
    REQUIRE(server);
    REQUIRE(t.publications.set(at(20s), "xmpp", alice, online("c"), 300s));
    const auto all = t.publications.document(alice)->presence().services;
    const auto c = std::find_if(all.begin(), all.end(), [](const auto& s) { return s.id == "c"; });
    REQUIRE(c != all.end());
    CHECK(*c->published - at(0s).wall == 10s);
}

TEST_CASE("what is published last is the newest, also within one instant and after the clock was set back") {
    const auto word = [](const char* note, const char* contact) {
        auto said = service("phone", note);
        said.contact = contact;
        return document({said});
    };
    Table t;
    const auto shown = [&] { return t.publications.document(alice)->presence().services; };
    // A device that forgot its entity tag, over and over: each publication has a random name.
    for (int i = 0; i < 8; ++i) {
        const auto note = std::to_string(i);
        REQUIRE(t.publish(at(5s), word(note.c_str(), "sip:phone@a.example")));
        CHECK(shown().size() == 1);
        CHECK(shown()[0].notes[0].text == note);
    }
    auto earlier = at(5s);
    earlier.wall -= 1h;
    auto receipt = t.publish(earlier, word("set back", "sip:phone@a.example"));
    REQUIRE(receipt);
    CHECK(shown()[0].notes[0].text == "set back");
    REQUIRE(t.publish(earlier, word("modified", "sip:phone@a.example"), receipt->etag));
    CHECK(shown()[0].notes[0].text == "modified");
    REQUIRE(t.publications.set(earlier, "xmpp", alice, word("by its server", "sip:phone@a.example"), 300s));
    CHECK(shown()[0].notes[0].text == "by its server");
    t.restart(earlier);
    REQUIRE(t.publish(earlier, word("after a restart", "sip:phone@a.example")));
    CHECK(shown()[0].notes[0].text == "after a restart");
}

TEST_CASE("publications of one instant compose in the order they began") {
    Table t;
    for (int i = 0; i < 8; ++i) {
        auto said = service("phone", std::to_string(i));
        said.contact = "sip:phone" + std::to_string(i) + "@a.example";
        REQUIRE(t.publish(at(5s), document({said})));
    }
    const auto all = t.publications.document(alice)->presence().services;
    REQUIRE(all.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) CHECK(all[i].notes[0].text == std::to_string(i));
}
