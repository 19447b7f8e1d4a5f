// Leases: a crash is noticed within the bound, a lossy network is no crash, a goodbye is heard at once.
#include "overlay/lease.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using overlay::Liveness;

TEST_CASE("a lease is asked about after half of its bound, in doubt after two thirds, over after all of it") {
    overlay::Lease lease(30s);
    CHECK(lease.liveness(at(0s)) == Liveness::unknown);
    CHECK_FALSE(lease.take_question(at(1h)));
    lease.heard(at(0s));
    lease.set_owed(at(0s), true);
    CHECK(lease.next_change(at(0s)) == at(16500ms).steady);
    CHECK_FALSE(lease.take_question(at(16499ms)));
    CHECK(lease.take_question(at(16500ms)));
    CHECK_FALSE(lease.take_question(at(17s)));  // once in a silence
    CHECK(lease.liveness(at(19999ms)) == Liveness::live);
    CHECK(lease.next_change(at(17s)) == at(20s).steady);
    CHECK(lease.liveness(at(20s)) == Liveness::stale);
    CHECK(lease.next_change(at(20s)) == at(30s).steady);
    CHECK(lease.liveness(at(30s)) == Liveness::unknown);
    CHECK(lease.next_change(at(30s)) == proto::never);
    lease.heard(at(40s));
    CHECK(lease.liveness(at(40s)) == Liveness::live);
    CHECK(lease.take_question(at(60s)));
    lease.left();
    lease.heard(at(61s));
    CHECK(lease.liveness(at(61s)) == Liveness::unknown);
    CHECK_FALSE(lease.take_question(at(90s)));
    lease.begin_anew();
    lease.heard(at(92s));
    CHECK(lease.liveness(at(92s)) == Liveness::live);
}

TEST_CASE("who owes no lease may be silent for longer, and is given a whole bound when it begins to owe one") {
    overlay::Lease lease(30s);
    lease.heard(at(0s));
    const auto quiet = proto::Duration{limits::peer_quiet};
    CHECK(lease.next_change(at(0s)) == at(quiet + 16500ms).steady);
    CHECK(lease.liveness(at(quiet + 19999ms)) == Liveness::live);
    CHECK(lease.liveness(at(quiet + 20s)) == Liveness::stale);
    CHECK(lease.liveness(at(quiet + 30s)) == Liveness::unknown);
    lease.set_owed(at(50s), true);
    CHECK(lease.liveness(at(69s)) == Liveness::live);
    CHECK(lease.liveness(at(80s)) == Liveness::unknown);
    lease.set_owed(at(81s), false);
    CHECK(lease.liveness(at(81s)) == Liveness::live);
    lease.set_owed(at(82s), true);  // nothing came of the first time it was followed: no second bound
    CHECK(lease.liveness(at(82s)) == Liveness::unknown);
    lease.set_owed(at(83s), false);
    lease.set_owed(at(150s), true);  // silent for too long even for one that owed nothing: in doubt already
    CHECK(lease.liveness(at(150s)) == Liveness::unknown);
}

TEST_CASE("a crash is seen as doubt, then as unknown, within the bound") {
    Pair pair;
    pair.publish("last words");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "last words"));
    pair.network.run_for(3min);
    pair.crash(pair.source);
    const auto crashed = pair.network.elapsed();
    REQUIRE(pair.network.run_until([&] { return pair.liveness(watch) == Liveness::stale; }, 30s));
    REQUIRE(pair.network.run_until([&] { return pair.liveness(watch) == Liveness::unknown; }, 30s));
    CHECK(pair.network.elapsed() - crashed <= 30s + pair.network.hardship.latency);
    CHECK(note_of(pair.watcher, watch) == "last words");  // the last known state, and no longer said to be live
}

TEST_CASE("an hour at 5% loss raises no alarm") {
    Pair pair(11);
    pair.network.hardship.loss = 0.05;
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    for (int second = 0; second < 3600; ++second) {
        pair.network.run_for(1s);
        REQUIRE(pair.liveness(watch) == Liveness::live);
    }
}

TEST_CASE("three seconds of nothing raise no alarm, whenever they come") {
    Pair pair(12);
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    const auto live_for = [&](proto::Duration span) {
        return !pair.network.run_until([&] { return pair.liveness(watch) != Liveness::live; }, span);
    };
    for (int i = 0; i < 300; ++i) {
        CAPTURE(i);
        REQUIRE(live_for(20s + i * 37ms));
        pair.network.partition({pair.source.endpoint});
        REQUIRE(live_for(3s));
        pair.network.heal();
    }
}

TEST_CASE("nor do they where they begin with a lease, which is lost with the first questions") {
    Pair pair(13);
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    for (int i = 0; i < 300; ++i) {
        CAPTURE(i);
        bool told = false;
        pair.network.on_send = [&](const auto& from, const auto&, const auto&) {
            told = told || from == pair.source.endpoint;
            if (told) pair.network.partition({pair.source.endpoint});
        };
        REQUIRE(pair.network.run_until([&] { return told; }, 16s));
        pair.network.on_send = {};
        const auto doubts = [&] { return pair.liveness(watch) != Liveness::live; };
        REQUIRE_FALSE(pair.network.run_until(doubts, 3s));
        pair.network.heal();
        REQUIRE_FALSE(pair.network.run_until(doubts, 20s));
    }
}

TEST_CASE("following an idle source costs a datagram per half of the bound, and a question a minute") {
    Pair pair;
    pair.publish("here");
    REQUIRE(pair.shows(pair.watch(), "here"));
    pair.network.run_for(1min);
    const auto before = pair.network.sent();
    pair.network.run_for(1h);
    const auto leases = 3600.0 / 15;
    const auto questions = 3600.0 / 76.5;  // has the watcher's node crashed? With their answers
    CHECK(pair.network.sent() - before >= (leases + 2 * questions) * 0.9);
    CHECK(pair.network.sent() - before <= (leases + 2 * questions) * 1.1);
}

TEST_CASE("a lost lease is asked for before anybody doubts") {
    Pair pair;
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    pair.network.run_for(1min);
    for (int i = 0; i < 20; ++i) {
        CAPTURE(i);
        // What the source says is lost, until the watcher's node asks.
        bool asked = false;
        std::size_t lost = 0;
        pair.network.on_send = [&](const auto& from, const auto&, const auto&) {
            if (from == pair.watcher.endpoint) {
                asked = true;
                pair.network.heal();
            } else if (!asked) {
                ++lost;
            }
        };
        pair.network.partition({pair.source.endpoint});
        REQUIRE_FALSE(pair.network.run_until([&] { return pair.liveness(watch) != Liveness::live; }, 25s));
        CHECK(asked);
        CHECK(lost > 0);
    }
}

TEST_CASE("the source of a watcher whose node is gone ends its watches, and not of one that is merely quiet") {
    Pair pair;
    pair.publish("here");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "here"));
    pair.network.run_for(2 * proto::Duration{limits::peer_forget});
    const auto watches_in = [&] { return pair.source->status().peers.at(0).watches_in; };
    CHECK(watches_in() == 1);
    CHECK(pair.source.cancelled.empty());  // nor ended, and begun again
    pair.crash(pair.watcher);
    pair.network.run_for(proto::Duration{limits::peer_forget} + 1min);
    CHECK((pair.source->status().peers.empty() || watches_in() == 0));
}

TEST_CASE("a clean leave is heard at once, and a return brings everything back") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    pair.source->leave(pair.now());
    pair.network.run_for(60ms);
    CHECK(pair.liveness(watch) == Liveness::unknown);
    pair.crash(pair.source);
    pair.network.run_for(5min);
    CHECK(pair.liveness(watch) == Liveness::unknown);
    pair.start(pair.source, {&pair.watcher});
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 1min));
    CHECK(pair.liveness(watch) == Liveness::live);
}

TEST_CASE("a source that returns is found again although it knocks at nobody") {
    Pair pair;
    pair.publish("before");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "before"));
    SUBCASE("after a crash") {}
    SUBCASE("after a goodbye") {
        pair.source->leave(pair.now());
        pair.network.run_for(60ms);
    }
    pair.crash(pair.source);
    pair.network.run_for(30min);
    pair.start(pair.source);
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 1min));
}
