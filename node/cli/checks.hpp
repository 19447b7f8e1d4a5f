// What presmesh doctor makes of a number or of what the daemon says. Empty: nothing is amiss.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace presmesh::cli {

using Json = nlohmann::ordered_json;

/// `free` bytes where `folder` lies; the daemon ends when it cannot save.
std::string space_fault(const std::string& folder, std::uintmax_t free);
/// `node` is /v1/node. Two clocks more than limits::record_clock_skew apart show in what is refused as not yet valid.
std::string clock_fault(const Json& node);

}  // namespace presmesh::cli
