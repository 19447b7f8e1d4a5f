// When the daemon hears that a delegation has ended: by a clock of the test, so that nothing is waited for.
#include "node/daemon/delegation_timer.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/federation_kit.hpp"

using namespace presmesh;
using namespace std::chrono_literals;

namespace {

struct TimerWorld {
    testing::FederationKit kit{9};
    boost::asio::io_context io{1};
    proto::WallTime now = proto::wall_from_seconds(testing::kit_epoch_s);
    std::vector<proto::WallTime> told;
    daemon::DelegationTimer timer{io, [this] { return now; }, [this] { told.push_back(now); }};

    TimerWorld() {
        for (const char* domain : {"a.example", "b.example", "c.example"}) kit.add_domain(domain);
    }
    /// The moment from which on it counts no longer.
    proto::WallTime delegate(const std::string& domain, proto::WallTime not_after) {
        kit.delegate(domain, "c.example", not_after);
        return not_after + proto::limits::record_clock_skew;
    }
    /// Until it was told so many times.
    void run_until_told(std::size_t times) {
        while (told.size() < times) REQUIRE(io.run_one_for(10s) > 0);
    }
    bool allowed(const std::string& domain) const {
        return kit.share()->may_publish("c.example", domain, now).has_value();
    }
};

}  // namespace

TEST_CASE("each delegation's end is told when it comes, and not before") {
    TimerWorld world;
    const auto first = world.delegate("a.example", world.now + 1h);
    const auto second = world.delegate("b.example", world.now + 2h);
    world.timer.watch(world.kit.share());
    world.io.poll();
    CHECK(world.told.empty());

    world.now = first - 1us;
    CHECK(world.allowed("a.example"));
    world.timer.watch(world.kit.share());
    world.now = first;  // as it will be when the timer fires
    world.run_until_told(1);
    CHECK(world.told == std::vector{first});
    CHECK_FALSE(world.allowed("a.example"));
    CHECK(world.allowed("b.example"));
    world.io.poll();
    CHECK(world.told.size() == 1);

    world.now = second - 1us;
    world.timer.watch(world.kit.share());
    world.now = second;
    world.run_until_told(2);
    CHECK(world.told == std::vector{first, second});
    CHECK_FALSE(world.allowed("b.example"));
}

TEST_CASE("after one end the next one is waited for without being asked") {
    TimerWorld world;
    const auto first = world.delegate("a.example", world.now + 1h);
    const auto second = world.delegate("b.example", world.now + 2h);
    world.now = first - 1us;
    world.timer.watch(world.kit.share());
    world.now = second - 1us;  // the computer slept: both are due one after the other
    world.run_until_told(1);
    world.now = second;
    world.run_until_told(2);
    CHECK(world.told == std::vector{second - 1us, second});
}

TEST_CASE("a delegation that was taken back before its end is not told of, nor any after the stop") {
    TimerWorld world;
    const auto without = world.kit.share();
    const auto end = world.delegate("a.example", world.now + 1h);
    world.now = end - 1us;
    world.timer.watch(world.kit.share());
    world.timer.watch(without);
    world.now = end;
    world.io.poll();
    CHECK(world.told.empty());
    world.now = end - 1us;
    world.timer.watch(world.kit.share());
    world.timer.stop();
    world.io.poll();
    CHECK(world.told.empty());
}
