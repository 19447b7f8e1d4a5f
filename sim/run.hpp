// One run of one scenario with one seed: builds the world, lets it run, judges it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "proto/result.hpp"
#include "sim/measures.hpp"
#include "sim/scenario.hpp"
#include "sim/trace.hpp"

namespace presmesh::sim {

struct Progress {
    proto::Duration at{};  ///< virtual, since the world's start
    proto::Duration of{};  ///< the whole run
    double wall_s = 0;     ///< real, so far
    std::uint64_t rss_bytes = 0;
    std::uint64_t packets = 0;
    std::uint32_t online = 0;
};

struct RunOptions {
    std::function<void(const Progress&)> progress;  ///< about once a real second; null: none
    std::optional<proto::Duration> stop_at;  ///< since the world's start: stops before the first event at or after it
    TraceSink* trace = nullptr;              ///< sees every delivery; must outlive the run
    proto::Duration sample_every = std::chrono::seconds{10};  ///< of the series; in a long run less often
    std::size_t samples_most = 10'000;                        ///< rows of the series: memory stays flat
    bool stop_at_violation = false;
};

/// Same scenario and seed: same Measures but for the real-time fields. One run at a time in a process. Not for what a
/// scenario's reader has checked; faults of files it names (matrix, trace) come back with their line.
proto::Result<Measures> run(const Scenario& scenario, std::uint64_t seed, const RunOptions& options = {});

}  // namespace presmesh::sim
