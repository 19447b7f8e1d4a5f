// Lives of nodes as a file tells them: a line per change, "TIME NODE join|leave|crash", separated by blanks or commas.
//
//   # a comment
//   0s      17  leave
//   12.5    17  join        a number alone is seconds
//
// Times count from the beginning of churn and rise from line to line of a node. A node is there at the start when its
// first line is not a join; nodes without a line are there all the time.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <map>
#include <vector>

#include "proto/result.hpp"
#include "proto/time.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

struct TracedChange {
    proto::Duration at{};
    bool online = false;
    bool crash = false;
};
using ChurnTrace = std::map<NodeIndex, std::vector<TracedChange>>;

/// not_found, or malformed with "NAME:LINE: what is wrong". Nodes are 0 to `nodes` - 1.
proto::Result<ChurnTrace> read_churn_trace(const std::filesystem::path& path, std::uint32_t nodes);
proto::Result<ChurnTrace> read_churn_trace(std::istream& in, const std::string& name, std::uint32_t nodes);

}  // namespace presmesh::sim
