#include "node/compose.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <random>
#include <set>

#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/presence_gen.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;
using overlay::SourceView;
using overlay::WatchState;

namespace {

SourceView source(std::uint8_t number, Liveness liveness, proto::DocumentPtr document,
                  WatchState state = WatchState::active, std::string reason = {}) {
    SourceView view;
    view.node[0] = number;
    view.state = state;
    view.reason = std::move(reason);
    view.liveness = liveness;
    view.document = std::move(document);
    return view;
}

std::vector<std::string> ids(const proto::DocumentPtr& document) {
    std::vector<std::string> out;
    const auto presence = document->presence();
    for (const auto& s : presence.services) out.push_back(s.id);
    return out;
}

/// Documents with few different ids, contacts and stamps, so that every kind of collision comes up.
rc::Gen<Contribution> contribution_gen() {
    return rc::gen::map(
        rc::gen::tuple(presence_gen(), rc::gen::inRange(0, 4), rc::gen::inRange(0, 3), rc::gen::inRange(0, 2)),
        [](std::tuple<proto::Presence, int, int, int> from) {
            auto& [presence, origin, stamp, shared_ids] = from;
            if (shared_ids == 1)
                for (std::size_t i = 0; i < presence.services.size(); ++i)
                    presence.services[i].id = "s" + std::to_string(i);
            return Contribution{"o" + std::to_string(origin), proto::wall_from_seconds(stamp), document(presence)};
        });
}

template <typename Elements>
bool unique_ids(const Elements& elements) {
    std::set<std::string> seen;
    for (const auto& element : elements)
        if (!seen.insert(element.id).second) return false;
    return true;
}

}  // namespace

TEST_CASE("no document composes to none, one to itself") {
    CHECK(compose({}).document == nullptr);
    CHECK(compose({{"a", {}, nullptr}}).document == nullptr);
    auto only = online();
    CHECK(compose({{"a", {}, nullptr}, {"b", {}, only}}).document == only);
}

TEST_CASE("any order of contributions gives the same bytes") {
    CHECK(rc::check([](std::uint64_t seed) {
        auto contributions = *rc::gen::container<std::vector<Contribution>>(contribution_gen());
        auto first = compose(contributions);
        std::mt19937_64 shuffle(seed);
        std::shuffle(contributions.begin(), contributions.end(), shuffle);
        auto second = compose(contributions);
        RC_ASSERT(first.complete == second.complete);
        RC_ASSERT((first.document == nullptr) == (second.document == nullptr));
        if (first.document) RC_ASSERT(first.document->bytes == second.document->bytes);
    }));
}

TEST_CASE("a composed document has unique ids, and reads back") {
    CHECK(rc::check([] {
        auto whole = compose(*rc::gen::container<std::vector<Contribution>>(contribution_gen())).document;
        if (!whole) return;
        RC_ASSERT(unique_ids(whole->presence().services));
        RC_ASSERT(unique_ids(whole->presence().persons));
        RC_ASSERT(unique_ids(whole->presence().devices));
        auto read = proto::Document::read(whole->bytes);
        RC_ASSERT(read.has_value());
        RC_ASSERT((*read)->presence() == whole->presence());
    }));
}

TEST_CASE("two devices with one tuple id are both kept, the later origin renamed") {
    auto one = document({service("tuple", "phone")});
    auto two = document({service("tuple", "desk"), service("tuple-2", "other")});
    auto whole = compose({{"b", {}, two}, {"a", {}, one}}).document;
    CHECK(ids(whole) == std::vector<std::string>{"tuple", "tuple-3", "tuple-2"});
    CHECK(whole->presence().services[0].notes[0].text == "phone");
}

TEST_CASE("one id and one contact are one service: the newest version wins") {
    auto make = [](std::string note, std::optional<std::int64_t> timestamp) {
        auto s = service("tuple", std::move(note));
        s.contact = "sip:alice@192.0.2.1";
        if (timestamp) s.timestamp = proto::wall_from_seconds(*timestamp);
        return document({s});
    };
    SUBCASE("by timestamp") {
        auto whole = compose({{"a", {}, make("new", 200)}, {"b", {}, make("old", 100)}}).document;
        REQUIRE(whole->presence().services.size() == 1);
        CHECK(whole->presence().services[0].notes[0].text == "new");
    }
    SUBCASE("by when its own node took it, whatever the node and whatever came later beside it") {
        const auto marked = [&](std::string note, std::int64_t seconds) {
            return *mark_published(make(std::move(note), {}), nullptr, proto::wall_from_seconds(seconds));
        };
        for (const bool newer_first : {true, false}) {
            auto old = marked("old", 100);
            auto fresh = marked("new", 200);
            auto whole = compose({{newer_first ? "a" : "b", {}, fresh}, {newer_first ? "b" : "a", {}, old}}).document;
            REQUIRE(whole->presence().services.size() == 1);
            CHECK(whole->presence().services[0].notes[0].text == "new");
        }
        CHECK(compose({{"a", {}, marked("same", 1)}, {"b", {}, marked("same", 2)}})
                  .document->presence()
                  .services.size() == 1);
    }
    SUBCASE("by the time of publication") {
        auto later = proto::wall_from_seconds(9);
        auto whole = compose({{"a", later, make("new", {})}, {"b", {}, make("old", {})}}).document;
        REQUIRE(whole->presence().services.size() == 1);
        CHECK(whole->presence().services[0].notes[0].text == "new");
    }
}

TEST_CASE("persons that agree are one, persons that disagree are all kept") {
    proto::Presence away, busy;
    away.persons.push_back({"p", proto::Activities{{"away"}, {}, {}, {}}, {}, {}, proto::wall_from_seconds(5), {}});
    busy.persons.push_back({"p", proto::Activities{{"busy"}, {}, {}, {}}, {}, {}, {}, {}});
    auto also_away = away;
    also_away.persons[0].id = "q";
    also_away.persons[0].timestamp = proto::wall_from_seconds(7);
    auto agreed = compose({{"a", {}, document(away)}, {"b", {}, document(also_away)}}).document;
    REQUIRE(agreed->presence().persons.size() == 1);
    CHECK(agreed->presence().persons[0].timestamp == proto::wall_from_seconds(7));
    auto disagreed = compose({{"a", {}, document(away)}, {"b", {}, document(busy)}}).document;
    REQUIRE(disagreed->presence().persons.size() == 2);
    CHECK(disagreed->presence().persons[1].id == "p-2");
}

TEST_CASE("what would pass the bounds leaves the later origins out, and says so") {
    std::vector<proto::Service> many;
    for (int i = 0; i < 40; ++i) many.push_back(service("s" + std::to_string(i), "a"));
    auto first = document(many);
    for (auto& s : many) s.notes[0].text = "b";
    auto whole = compose({{"a", {}, first}, {"b", {}, document(many)}});
    CHECK(!whole.complete);
    CHECK(whole.document == first);
}

TEST_CASE("a view: active wins over pending, pending over terminated") {
    auto doc = online();
    auto active = source(2, Liveness::live, doc);
    auto pending = source(1, Liveness::live, nullptr, WatchState::pending);
    auto rejected = source(3, Liveness::live, nullptr, WatchState::terminated, "rejected");
    CHECK(compose_view({pending, rejected, active}, alice).state == translators::WatchState::active);
    CHECK(compose_view({pending, rejected, active}, alice).document == doc);
    CHECK(compose_view({rejected, pending}, alice).state == translators::WatchState::pending);
    CHECK(compose_view({rejected}, alice).state == translators::WatchState::terminated);
    CHECK(compose_view({rejected}, alice).reason == "rejected");
    CHECK(compose_view({}, alice).state == translators::WatchState::pending);
    CHECK(compose_view({}, alice).liveness == translators::Liveness::unknown);
}

TEST_CASE("a view: what a node that is gone allowed is not shown when another one rejects the watcher") {
    const auto gone = source(1, Liveness::unknown, online("old"));
    const auto there = source(1, Liveness::stale, online("old"));
    const auto reject = [](Liveness liveness, std::string reason) {
        return source(2, liveness, nullptr, WatchState::terminated, std::move(reason));
    };
    const auto view = compose_view({gone, reject(Liveness::live, "rejected")}, alice);
    CHECK(view.state == translators::WatchState::terminated);
    CHECK(view.reason == "rejected");
    CHECK(view.document == nullptr);
    CHECK(compose_view({there, reject(Liveness::live, "rejected")}, alice).state == translators::WatchState::active);
    CHECK(compose_view({gone, reject(Liveness::unknown, "rejected")}, alice).state == translators::WatchState::active);
    CHECK(compose_view({gone, reject(Liveness::live, "giveup")}, alice).state == translators::WatchState::active);
}

TEST_CASE("a view: an unknown source is shown only when there is no better one, and never as offline") {
    auto old = online("old");
    auto fresh = online("fresh");
    auto both = compose_view({source(1, Liveness::unknown, old), source(2, Liveness::live, fresh)}, alice);
    CHECK(both.document == fresh);
    CHECK(both.liveness == translators::Liveness::live);
    auto gone = compose_view({source(1, Liveness::unknown, old)}, alice);
    CHECK(gone.document == old);
    CHECK(gone.liveness == translators::Liveness::unknown);
    CHECK(gone.state == translators::WatchState::active);
    // A live node that knows nothing does not make the other's last word any fresher.
    auto silent = compose_view({source(1, Liveness::unknown, old), source(2, Liveness::live, nullptr)}, alice);
    CHECK(silent.liveness == translators::Liveness::unknown);
    CHECK(silent.document == old);
    auto doubt = compose_view({source(1, Liveness::stale, old), source(2, Liveness::live, fresh)}, alice);
    CHECK(ids(doubt.document) == std::vector<std::string>{"old", "fresh"});
    CHECK(doubt.liveness == translators::Liveness::live);
}

TEST_CASE("a view: who merely says that nothing is published any more is not shown beside where something is") {
    const auto here = online("phone");
    const auto farewell = offline_document(alice);
    auto other = compose_view({source(1, Liveness::live, farewell), source(2, Liveness::live, here)}, alice);
    CHECK(other.document == here);
    CHECK(other.liveness == translators::Liveness::live);
    auto doubt = compose_view({source(1, Liveness::live, farewell), source(2, Liveness::stale, here)}, alice);
    CHECK(doubt.document == here);
    CHECK(doubt.liveness == translators::Liveness::stale);
    auto nowhere = compose_view({source(1, Liveness::live, farewell), source(2, Liveness::live, farewell)}, alice);
    CHECK(nowhere.document == farewell);
}

TEST_CASE("a view: of a node that is gone and what another one said of itself, the later counts") {
    auto gone = source(1, Liveness::unknown, online("phone"));
    auto farewell = source(2, Liveness::live, offline_document(alice));
    gone.heard = proto::SteadyTime{100s};
    farewell.since = proto::SteadyTime{50s};  // another device of hers was there once
    CHECK(compose_view({gone, farewell}, alice).document == gone.document);
    CHECK(compose_view({gone, farewell}, alice).liveness == translators::Liveness::unknown);
    farewell.since = proto::SteadyTime{150s};  // she went there, and left
    CHECK(compose_view({gone, farewell}, alice).document == farewell.document);
    CHECK(compose_view({gone, farewell}, alice).liveness == translators::Liveness::live);
}

TEST_CASE("a view does not depend on the order of sources") {
    CHECK(rc::check([](std::uint64_t seed) {
        std::vector<SourceView> sources;
        for (auto& contribution : *rc::gen::container<std::vector<Contribution>>(contribution_gen()))
            sources.push_back(source(static_cast<std::uint8_t>(sources.size()),
                                     *rc::gen::element(Liveness::live, Liveness::stale, Liveness::unknown),
                                     *rc::gen::element(contribution.document, proto::DocumentPtr{}),
                                     *rc::gen::element(WatchState::active, WatchState::pending, WatchState::terminated),
                                     *rc::gen::element<std::string>("rejected", "noresource")));
        auto first = compose_view(sources, alice);
        std::mt19937_64 shuffle(seed);
        std::shuffle(sources.begin(), sources.end(), shuffle);
        RC_ASSERT(same_view(first, compose_view(sources, alice)));
    }));
}

TEST_CASE("polite blocking shows an ordinary offline document, always the same") {
    auto one = offline_document(uri("alice@a.example"));
    CHECK(one->bytes == offline_document(uri("sip:alice@a.example"))->bytes);
    CHECK(one->bytes != offline_document(uri("bob@a.example"))->bytes);
    CHECK(!one->presence().is_open());
    REQUIRE(one->presence().services.size() == 1);
    CHECK(one->presence().services[0].basic == proto::Basic::closed);
}
