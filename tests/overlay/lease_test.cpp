// Leases: a crash is noticed within the bound, a lossy network is no crash, a goodbye is heard at once.
#include "overlay/lease.hpp"

#include <doctest/doctest.h>

#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;

TEST_CASE("a lease is in doubt after half of its bound, and over after all of it") {
    overlay::Lease lease(30s);
    CHECK(lease.liveness(at(0s)) == Liveness::unknown);
    lease.heard(at(0s));
    CHECK(lease.liveness(at(14999ms)) == Liveness::live);
    CHECK(lease.next_change(at(0s)) == at(15s).steady);
    CHECK(lease.liveness(at(15s)) == Liveness::stale);
    CHECK(lease.next_change(at(15s)) == at(30s).steady);
    CHECK(lease.liveness(at(30s)) == Liveness::unknown);
    lease.heard(at(40s));
    CHECK(lease.liveness(at(40s)) == Liveness::live);
    lease.left();
    lease.heard(at(41s));
    CHECK(lease.liveness(at(41s)) == Liveness::unknown);
    lease.begin_anew();
    lease.heard(at(42s));
    CHECK(lease.liveness(at(42s)) == Liveness::live);
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

TEST_CASE("following an idle source costs two datagrams per third of the bound") {
    Pair pair;
    pair.publish("here");
    REQUIRE(pair.shows(pair.watch(), "here"));
    pair.network.run_for(1min);
    const auto before = pair.network.sent();
    pair.network.run_for(10min);
    const auto leases = 600.0 / 10;
    CHECK(pair.network.sent() - before >= 2 * leases * 0.9);
    CHECK(pair.network.sent() - before <= 2 * leases * 1.1);
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
    pair.crash(pair.source);
    pair.network.run_for(30min);
    pair.start(pair.source);
    pair.publish("after");
    CHECK(pair.shows(watch, "after", 1min));
}
