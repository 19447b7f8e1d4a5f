// Worlds for tests that run the program itself: one seed, one trace.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "sim/sanitized.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temp_folder.hpp"

namespace presmesh::testing {

/// Sanitizers bring an allocator of their own, and OpenDHT has maps in the order of addresses: no equal traces there.
inline constexpr bool no_equal_traces = sim::sanitized;

/// Everything that could go another way: churn, loss, copies, disorder, a partition, clocks that are wrong.
inline constexpr auto hard = R"(name = "hard"
nodes = 64
duration = "25s"
warmup = "15s"
settle = "5s"
clock_skew = "3s"
clock_drift_ppm = 50
[network]
latency = "uniform:10ms-70ms"
jitter = "5ms"
loss = 0.05
duplication = 0.02
reordering = 0.05
unreachable = 0.1
[churn]
model = "exponential:1m"
offline = "exponential:20s"
keeps_disk = 0.5
[workload]
presentities = 64
watches_per_presentity = "zipf:1.2,max=10"
change_every = "exponential:10s"
lookup_every = "exponential:1s"
[[event]]
at = "3s"
partition = 0.3
lasts = "10s"
)";

struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("presmesh_determinism_" + std::to_string(::getpid()));
    Folder() {
        std::filesystem::create_directories(path / "elsewhere");
        std::ofstream(path / "hard.toml") << hard;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string scenario() const { return (path / "hard.toml").string(); }
    std::string file(const std::string& name) const { return (path / name).string(); }
};

inline Outcome simulate(const std::vector<std::string>& arguments, const Surroundings& surroundings = {}) {
    std::vector<std::string> command(1, PRESMESH_SIM);
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto outcome = run_program(command, surroundings);
    CAPTURE(outcome.out);
    REQUIRE(outcome.status >= 0);
    REQUIRE(outcome.status <= 1);  // 1: so hard a life breaks a promise or two, which is not asked here
    return outcome;
}

inline std::string hash_of(const Outcome& outcome) {
    const auto hash = outcome.line("trace-hash");
    CHECK(hash.size() == 64);
    return hash;
}

inline void write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

}  // namespace presmesh::testing
