#include <doctest/doctest.h>

#include "sim/run.hpp"
#include "sim/scenario_file.hpp"

using namespace presmesh;
using namespace presmesh::sim;

TEST_CASE("on a way that has been steady for minutes a change still costs one datagram and its acknowledgement") {
    const auto scenario = parse_scenario(R"(nodes = 8
warmup = "4m"
duration = "1m"
settle = "5s"
[workload]
presentities = 12
watches_per_presentity = "zipf:1.2,max=4"
change_every = "exponential:5s"
)",
                                         "steady.toml");
    REQUIRE(scenario);
    const auto seen = run(*scenario, 1);
    REQUIRE(seen);
    CHECK(seen->changes > 50);
    CHECK(seen->datagrams_per_change_per_watching_node > 1.5);
    CHECK(seen->datagrams_per_change_per_watching_node < 2.05);  // was 3.8: the timer ran out as the answer came in
}
