#include "node/cli/checks.hpp"

#include "proto/limits.hpp"

namespace presmesh::cli {

std::string space_fault(const std::string& folder, std::uintmax_t free) {
    if (free >= proto::limits::state_free_bytes) return {};
    return "only " + std::to_string(free >> 20) + " MB are free in " + folder + ", and under " +
           std::to_string(proto::limits::state_free_bytes >> 20) +
           " it is time to make room: a node that cannot save its state ends";
}

std::string clock_fault(const Json& node) {
    std::uint64_t refused = 0;
    if (node.contains("refused") && node["refused"].is_object())
        for (const auto& part : node["refused"])
            if (part.is_object()) refused += part.value("not_yet_valid", std::uint64_t{0});
    if (refused == 0) return {};
    return std::to_string(refused) +
           " certificates or records of other nodes were refused as not yet valid since the daemon started: most "
           "likely "
           "this machine's clock is behind theirs, or one of theirs ahead, by more than 5 minutes. Is the time set by "
           "NTP? When the clock is right, restart the daemon to count anew";
}

}  // namespace presmesh::cli
