// The series of a run: a row each ten seconds, and no more rows than memory has room for.
#include <doctest/doctest.h>

#include "sim/run.hpp"
#include "sim/scenario_file.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;

TEST_CASE("a row of the series stands for ten seconds, and for more where the run is long") {
    const auto scenario = parse_scenario(R"(nodes = 4
warmup = "30s"
duration = "90s"
settle = "0s"
[workload]
presentities = 4
watches_per_presentity = "zipf:1.2,max=2"
change_every = "exponential:5s"
)",
                                         "short.toml");
    REQUIRE(scenario);
    RunOptions options;
    const auto series_of = [&] {
        auto seen = run(*scenario, 1, options);
        REQUIRE(seen);
        return std::move(seen->series);
    };
    const auto all = series_of();
    REQUIRE(all.size() == 12);
    CHECK(all[0].virtual_s == 10);
    CHECK(all[11].virtual_s == 120);
    CHECK(all[2].changes > 0);  // the row that ends with the warm-up has what was changed in it
    for (const auto& row : all) CHECK(row.resident_bytes > 1'000'000);
    options.samples_most = 7;
    const auto few = series_of();
    REQUIRE(few.size() == 6);
    for (std::size_t i = 0; i < few.size(); ++i) {
        CHECK(few[i].virtual_s == all[2 * i + 1].virtual_s);
        CHECK(few[i].changes == all[2 * i].changes + all[2 * i + 1].changes);
        CHECK(few[i].packets_dht == all[2 * i].packets_dht + all[2 * i + 1].packets_dht);
    }
}

TEST_CASE("maintenance is counted over the time that nodes were there, the warm-up not included") {
    for (const char* warmup : {"30s", "25s"}) {
        CAPTURE(std::string(warmup));
        const auto scenario = parse_scenario(R"(nodes = 4
duration = "60s"
settle = "0s"
[workload]
presentities = 4
watches_per_presentity = "zipf:1.2,max=2"
change_every = "never"
)",
                                             "quiet.toml", {}, {"warmup=" + std::string(warmup)});
        REQUIRE(scenario);
        const auto seen = run(*scenario, 1);
        REQUIRE(seen);
        const auto bytes =
            seen->handshake.bytes + seen->dht.bytes + seen->channel.bytes;  // of the channel leases alone
        CHECK(seen->maintenance_bytes_per_node_per_s.value() == doctest::Approx(double(bytes) / (4 * 60)));
    }
}
