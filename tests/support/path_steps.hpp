// What a node told of ARCHITECTURE's path, to be compared with the table there.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/node_world.hpp"

namespace presmesh::testing {

/// Names of the steps told since they were last cleared, in order, each where it first came.
inline std::vector<std::string> step_names(const NodeWorld::Provider& provider) {
    std::vector<std::string> out;
    for (const auto& told : provider.diagnostics.steps)
        if (std::find(out.begin(), out.end(), told.step) == out.end()) out.push_back(told.step);
    return out;
}

/// The digests ("digest=...") that these steps name, each once, sorted.
inline std::vector<std::string> step_digests(const NodeWorld::Provider& provider) {
    std::vector<std::string> out;
    for (const auto& told : provider.diagnostics.steps)
        if (const auto at = told.detail.find("digest="); at != std::string::npos) out.push_back(told.detail.substr(at));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

/// When its steps were told; all at one time, or the test has not gone from turn to turn.
inline proto::SteadyTime step_time(const NodeWorld::Provider& provider) {
    const auto& steps = provider.diagnostics.steps;
    const auto same = [&](const auto& told) { return told.now.steady == steps.front().now.steady; };
    PRESMESH_ASSERT(!steps.empty() && std::all_of(steps.begin(), steps.end(), same));
    return steps.front().now.steady;
}

}  // namespace presmesh::testing
