// What presmesh doctor calls a fault.
#include "node/cli/checks.hpp"

#include <doctest/doctest.h>

#include "node/daemon/node_report.hpp"
#include "proto/limits.hpp"

using namespace presmesh;

TEST_CASE("too little room for the state is a fault") {
    CHECK(cli::space_fault("/var/lib", proto::limits::state_free_bytes).empty());
    CHECK(cli::space_fault("/var/lib", proto::limits::state_free_bytes - 1)
              .starts_with("only 255 MB are free in /var/lib"));
    CHECK(cli::space_fault("/var/lib", 0).starts_with("only 0 MB"));
}

TEST_CASE("what is not yet valid tells of a clock that is wrong") {
    daemon::NodeReport report;
    const auto said = [&] { return cli::clock_fault(cli::Json::parse(daemon::report_to_json(report))); };
    report.overlay.counters = {{"refused_expired", 3}, {"dht_refused_quota", 4}, {"records_refused_not_yet_valid", 0}};
    CHECK(said().empty());
    report.overlay.counters.emplace_back("dht_refused_not_yet_valid", 5);
    report.overlay.counters.emplace_back("refused_not_yet_valid", 2);
    CHECK(said().starts_with("7 certificates or records"));
    CHECK(cli::clock_fault(cli::Json::parse("{\"refused\": {\"x\": 1}}")).empty());
    CHECK(cli::clock_fault(cli::Json::object()).empty());
}
