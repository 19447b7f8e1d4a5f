// One client, or one member's node, that does far too much: the others' changes arrive as if nothing were, and cost no
// more work; what it says last arrives in the end. Every turn takes a node time here, and so does every step in it, so
// that work which is not bounded shows as delay.
#include <doctest/doctest.h>

#include <algorithm>

#include "proto/limits.hpp"
#include "sim/sanitized.hpp"
#include "tests/support/node_world.hpp"
#include "tests/support/recording_translator.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

constexpr proto::Duration latency = 50ms;
constexpr int good_users = 100;
constexpr proto::Duration step = 1ms;
constexpr proto::Duration good_pause = 50ms;  // between two changes of good users, who take turns
constexpr proto::Duration lasts = sim::sanitized ? 10s : 20s;

proto::PresentityUri good(int user) {
    return uri("good" + std::to_string(user) + "@a.example");
}

/// What is seen at x.example of a.example's users.
struct Eyes final : node::Observer {
    struct Change {
        proto::SteadyTime made{};
        std::string note;
    };
    std::map<translators::WatchId, int> user_of;
    std::map<int, Change> expected;
    std::map<translators::WatchId, std::string> last;
    std::vector<proto::Duration> delays;
    std::uint64_t told = 0;
    void view_changed(proto::Now now, translators::WatchId watch, const translators::View& view) override {
        ++told;
        if (!view.document) return;
        const auto presence = view.document->presence();
        if (presence.services.empty()) return;
        const auto& notes = presence.services.front().notes;
        last[watch] = notes.empty() ? "" : notes.front().text;
        const auto user = user_of.find(watch);
        if (user == user_of.end()) return;
        auto& change = expected[user->second];
        if (change.note == last[watch] && change.made != proto::SteadyTime{})
            delays.push_back(now.steady - std::exchange(change.made, {}));
    }
};

/// a.example's good users change, x.example's users see it, and m.example means no good.
struct Rates {
    NodeWorld world{{"a.example", "m.example", "x.example"}, latency};
    NodeWorld::Provider& a = world["a.example"];
    NodeWorld::Provider& m = world["m.example"];
    NodeWorld::Provider& x = world["x.example"];
    Eyes eyes;
    Eyes other_eyes;  // for what is no good user's
    std::map<std::string, std::string> tags;
    int changes = 0;

    Rates() {
        for (auto* provider : {&a, &m, &x}) provider->service.default_handling = Handling::allow;
        m.service.limits.changes.interval = 0s;  // it keeps no pace
        world.start_all();
        world.run_for(2s);
        for (int user = 0; user < good_users; ++user) {
            publish(a, good(user), "first");
            world.turn(x, [&](proto::Now now) {
                const auto watch = x.node->service().watch(now, eyes, uri("watcher@x.example"), good(user)).value();
                eyes.user_of[watch] = user;
            });
        }
        world.run_for(60s);
        world.per_turn = 20us;
        world.per_step = 30us;
    }

    void publish(NodeWorld::Provider& at, const proto::PresentityUri& who, const std::string& note) {
        world.turn(at, [&](proto::Now now) {
            auto& tag = tags[who.canonical()];
            tag = at.node->service().publish(now, {who, tag, online("phone", note), 1h}).value().etag;
        });
    }

    struct Result {
        proto::Duration p50, p99, most;
        std::size_t seen = 0;
        std::size_t work_a = 0, work_x = 0;  // steps and counts in the nodes
    };
    /// Good users change in turn; `evil` is called every `step`.
    Result run(const std::function<void(int)>& evil) {
        const auto work_a = a.diagnostics.calls, work_x = x.diagnostics.calls;
        for (int i = 0; i < lasts / step; ++i) {
            if (i % (good_pause / step) == 0) {
                const int user = changes % good_users;
                const auto note = "change " + std::to_string(++changes);
                eyes.expected[user] = {world.now().steady, note};
                publish(a, good(user), note);
            }
            evil(i);
            world.run_for(step);
        }
        world.run_for(10s);
        Result out;
        out.work_a = a.diagnostics.calls - work_a;
        out.work_x = x.diagnostics.calls - work_x;
        auto delays = std::exchange(eyes.delays, {});
        std::sort(delays.begin(), delays.end());
        REQUIRE(!delays.empty());
        out.seen = delays.size();
        out.p50 = delays[delays.size() / 2];
        out.p99 = delays[delays.size() * 99 / 100];
        out.most = delays.back();
        return out;
    }
    Result quiet() {
        return run([](int) {});
    }
};

constexpr std::size_t good_changes = lasts / good_pause;

void check_not_slower(const Rates::Result& calm, const Rates::Result& hard) {
    CHECK(calm.seen == good_changes);
    CHECK(hard.seen == good_changes);
    MESSAGE("p99 ", calm.p99.count(), " -> ", hard.p99.count(), " us, work at a ", calm.work_a, " -> ", hard.work_a,
            ", at x ", calm.work_x, " -> ", hard.work_x);
    CHECK(hard.p50.count() <= calm.p50.count() * 11 / 10);
    CHECK(hard.p99.count() <= calm.p99.count() * 11 / 10);
}

/// Watches that the node's peers asked for faster than they may.
std::uint64_t delayed(const NodeWorld::Provider& at) {
    for (const auto& [name, value] : at.node->overlay_status().counters)
        if (name == "channel_watches_delayed") return value;
    return 0;
}

struct Flood {
    Rates::Result calm, hard;
    std::uint64_t shown = 0;  ///< changes of it
};

/// A user of the provider, watched at x.example, changes at every step after a while of calm.
Flood flood(Rates& rates, NodeWorld::Provider& from, const proto::PresentityUri& who) {
    translators::WatchId watch = 0;
    rates.publish(from, who, "first");
    rates.world.turn(rates.x, [&](proto::Now now) {
        watch = rates.x.node->service().watch(now, rates.other_eyes, uri("watcher@x.example"), who).value();
    });
    rates.world.run_for(10s);
    Flood out;
    out.calm = rates.quiet();
    const auto told = rates.other_eyes.told;
    std::string last;
    out.hard = rates.run([&](int i) { rates.publish(from, who, last = "flood " + std::to_string(i)); });
    out.shown = rates.other_eyes.told - told;
    check_not_slower(out.calm, out.hard);
    CHECK(rates.other_eyes.last[watch] == last);
    return out;
}

}  // namespace

TEST_CASE("a client that changes a thousand times a second delays nobody, and its last state arrives") {
    Rates rates;
    const auto [calm, hard, shown] = flood(rates, rates.a, uri("bad@a.example"));
    CHECK(shown <= proto::limits::change_burst + (lasts + 10s) / proto::limits::change_interval + 1);
    // The far end does no more for the others' changes than it did, but for those few of the bad client's.
    CHECK(hard.work_x <= calm.work_x + 8 * shown);
    CHECK(hard.work_x <= calm.work_x * 11 / 10 + 8 * proto::limits::change_burst);
}

TEST_CASE("a member that floods changes without any pace delays nobody, and its last state arrives") {
    Rates rates;
    const auto shown = flood(rates, rates.m, uri("evil@m.example")).shown;
    CHECK(shown <= proto::limits::told_burst + (lasts + 10s) / proto::limits::told_interval + 1);
}

TEST_CASE("a member that floods watches delays nobody, and gets its answers in the end") {
    Rates rates;
    const auto calm = rates.quiet();
    // All at once, and far more than it may ask for in the time.
    int asked = 0;
    const auto hard = rates.run([&](int) {
        if (asked >= 100'000) return;
        rates.world.turn(rates.m, [&](proto::Now now) {
            for (int end = asked + 50; asked < end; ++asked)
                REQUIRE(rates.m.node->service()
                            .watch(now, rates.other_eyes, uri("u" + std::to_string(asked % 1000) + "@m.example"),
                                   good(asked / 1000))
                            .has_value());
        });
        rates.m.busy_until = {};  // its own time does not matter
    });
    check_not_slower(calm, hard);
    CHECK(delayed(rates.a) > 0);
    rates.world.run_for(60s);
    CHECK(rates.other_eyes.last.size() == static_cast<std::size_t>(asked));
}
