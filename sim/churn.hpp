// Who is there when: each node's life as a row of changes, drawn from its own stream of dice.
#pragma once

#include <memory>
#include <optional>

#include "proto/result.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

struct Change {
    proto::Duration at{};    ///< since the world's start
    bool online = false;     ///< what it becomes
    bool crash = false;      ///< of a leaving: without a word
    bool keeps_disk = true;  ///< of a leaving: what it returns with
};

class ChurnPlan {
  public:
    virtual ~ChurnPlan() = default;
    virtual bool online_at_start(NodeIndex node) const = 0;
    /// The node's next change, not before `now`; none: it stays as it is for ever. Called once after each change (and
    /// once at the start), in any order of nodes: a node's row depends on the seed and its number alone.
    virtual std::optional<Change> next(NodeIndex node, proto::Duration now) = 0;
};

/// Null when nobody comes or goes by churn. Faults of a trace file: malformed, with the line.
proto::Result<std::unique_ptr<ChurnPlan>> make_churn_plan(const Scenario& scenario, std::uint64_t seed);

}  // namespace presmesh::sim
