// Every kind of event, one after the other, in a world with NATs and measured delays: everybody is right in the end.
#include <doctest/doctest.h>

#include "sim/run.hpp"
#include "sim/scenario_file.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;

namespace {

std::string scenario_with(const std::string& events) {
    return R"(nodes = 32
duration = "70s"
warmup = "45s"
settle = "30s"
[network]
latency = "matrix:sites"
jitter = "2ms"
unreachable = 0.2
[workload]
presentities = 48
watches_per_presentity = "zipf:1.2,max=10"
change_every = "exponential:10s"
)" + events;
}

Measures run_with(const std::string& events) {
    const Folder folder;
    write(folder.path / "sites", "# unit: ms\n0 80 20 140\n80 0 90 60\n20 90 0 110\n140 60 110 0\n");
    const auto scenario = parse_scenario(scenario_with(events), "events.toml", folder.path);
    if (!scenario) FAIL(scenario.error().front());
    const auto measures = run(*scenario, 2);
    if (!measures) FAIL(measures.error().detail);
    for (const auto& violation : measures->violations) MESSAGE(violation.kind << ": " << violation.what);
    CHECK(measures->ok());
    CHECK(measures->changes > 100);
    return *measures;
}

std::string event(const std::string& what) {
    return "[[event]]\nat = \"10s\"\n" + what + "\n";
}

}  // namespace

TEST_CASE("NATs and measured delays alone") {
    const auto seen = run_with("");
    CHECK(seen.settle_s.count() == 1);  // the end of the run
    CHECK(seen.notify_delay_over_latency.at(0.5) < 1.3);
}

TEST_CASE("a flash crowd watches the most popular, and goes") {
    const auto stays = run_with(event("flash_crowd = 100\nwithin = \"5s\""));
    const auto goes = run_with(event("flash_crowd = 100\nwithin = \"5s\"\nlasts = \"30s\""));
    CHECK(stays.watches == goes.watches + 100);
}

TEST_CASE("clogs, wrong clocks, providers that fail, restarts: each is over, and everybody is right again") {
    for (const auto* what : {"clog = 0.3\nlasts = \"8s\"", "clock_skew = \"-10m\"\nshare = 0.3\nlasts = \"20s\"",
                             "clock_skew = \"5m\"\nshare = 0.3\nlasts = \"20s\"",
                             "provider_failure = 0.2\nlasts = \"15s\"", "restart = 0.3\nlasts = \"5s\"",
                             "kill = 0.2\nlasts = \"15s\"\nkeeps_disk = false", "loss = 0.3\nlasts = \"20s\""}) {
        CAPTURE(std::string(what));
        CHECK(run_with(event(what)).settle_s.count() == 2);
    }
}

TEST_CASE("a node that stays down is told of within the bound") {
    const auto seen = run_with(event("kill = 0.2"));
    CHECK(seen.crash_detection_s.count() > 0);
    CHECK(seen.crash_detection_s.max() <= 32);
}
