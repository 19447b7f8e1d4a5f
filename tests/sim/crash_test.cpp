// What is measured and judged of crashes in whole worlds.
#include <doctest/doctest.h>

#include "sim/run.hpp"
#include "sim/scenario_file.hpp"

using namespace presmesh;
using namespace presmesh::sim;

namespace {

Measures run_crash(const std::string& more) {
    const auto scenario = parse_scenario(R"(nodes = 24
warmup = "60s"
duration = "2m"
settle = "30s"
[workload]
presentities = 24
watches_per_presentity = "zipf:1.2,max=5"
change_every = "exponential:20s"
[[event]]
at = "1m"
kill = 0.2
)",
                                         "crash.toml", {}, {more});
    if (!scenario) FAIL(scenario.error().front());
    const auto measures = run(*scenario, 1);
    if (!measures) FAIL(measures.error().detail);
    return *measures;
}

}  // namespace

TEST_CASE("what the watchers at a node see ends with the node: its end is no news to them") {
    for (const char* mode : {"mode=engine", "mode=presmesh"}) {
        CAPTURE(std::string(mode));
        const auto seen = run_crash(mode);
        for (const auto& violation : seen.violations)
            CHECK_MESSAGE(violation.at != proto::Duration{std::chrono::minutes{2}}, violation.what);
        CHECK((seen.crash_detection_s.count() == 0 || seen.crash_detection_s.at(0) > 0));
        CHECK(seen.false_offline == 0);
    }
}
