#include "node/cli/checks.hpp"

#include "proto/limits.hpp"

namespace presmesh::cli {

std::string space_fault(const std::string& folder, std::uintmax_t free) {
    if (free >= proto::limits::state_free_bytes) return {};
    return "only " + std::to_string(free >> 20) + " MB are free in " + folder + ", and under " +
           std::to_string(proto::limits::state_free_bytes >> 20) +
           " it is time to make room: a node that cannot save its state ends";
}

}  // namespace presmesh::cli
