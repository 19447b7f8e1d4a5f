// Following: one source, one watcher, and what can happen between them.
#include <doctest/doctest.h>

#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;
using overlay::WatchState;

TEST_CASE("a watch shows the first document, every change, and nothing after unwatch") {
    Pair pair;
    pair.publish("first");
    const auto watch = pair.watch();
    REQUIRE(pair.shows(watch, "first"));
    CHECK(pair.watcher->settled(watch));
    const auto sources = pair.watcher->sources(watch);
    REQUIRE(sources.size() == 1);
    CHECK(sources[0].node == pair.source.id());
    CHECK(sources[0].state == WatchState::active);
    CHECK(sources[0].liveness == Liveness::live);
    REQUIRE(pair.source.requested.size() == 1);
    CHECK(pair.source.requested[0].watcher == pair.bob);

    pair.publish("second");
    CHECK(pair.shows(watch, "second"));
    pair.watcher->unwatch(pair.now(), watch);
    CHECK(pair.network.run_until([&] { return pair.source.cancelled.size() == 1; }));
    pair.publish("third");
    const auto told = pair.watcher.changes[watch];
    pair.network.run_for(1min);
    CHECK(pair.watcher.changes[watch] == told);
    CHECK(pair.watcher->sources(watch).empty());
}
