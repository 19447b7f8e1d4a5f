// How often changes of one thing go out: a burst as they come, then one every interval, the newest in the end.
#include <doctest/doctest.h>

#include "node/pace.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

proto::SteadyTime t(proto::Duration after) {
    return testing::at(after).steady;
}
}  // namespace

TEST_CASE("a burst passes, what comes after waits its interval, and nobody else does") {
    Pace pace({3, 5s});
    for (int i = 0; i < 3; ++i) CHECK(pace.pass(t(0s), alice));
    CHECK_FALSE(pace.pass(t(0s), alice));
    CHECK_FALSE(pace.pass(t(1s), alice));
    CHECK(pace.held() == 1);
    CHECK(pace.coalesced() == 1);
    CHECK(pace.pass(t(1s), ann));

    CHECK(pace.next_timeout() == t(5s));
    CHECK_FALSE(pace.due(t(5s) - 1us));
    CHECK(pace.due(t(5s)) == alice);
    CHECK_FALSE(pace.due(t(5s)));
    CHECK_FALSE(pace.pass(t(6s), alice));
    CHECK(pace.next_timeout() == t(10s));
    CHECK(pace.due(t(10s)) == alice);
    CHECK(pace.next_timeout() == proto::never);
}

TEST_CASE("who is quiet for a while has the whole burst again, and is forgotten") {
    Pace pace({3, 5s});
    for (int i = 0; i < 3; ++i) CHECK(pace.pass(t(0s), alice));
    for (int i = 0; i < 3; ++i) CHECK(pace.pass(t(15s), alice));
    CHECK_FALSE(pace.pass(t(15s), alice));

    Pace many({3, 5s});
    for (int i = 0; i < 100'000; ++i) CHECK(many.pass(t(i * 10ms), uri("u" + std::to_string(i) + "@a.example")));
    CHECK(many.kept() < 2'000);
}

TEST_CASE("no interval, no pace") {
    Pace pace({1, 0s});
    for (int i = 0; i < 1'000; ++i) CHECK(pace.pass(t(0s), alice));
}
