// What presmesh doctor makes of a number or of what the daemon says. Empty: nothing is amiss.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace presmesh::cli {

using Json = nlohmann::ordered_json;

/// `free` bytes where `folder` lies; the daemon ends when it cannot save.
std::string space_fault(const std::string& folder, std::uintmax_t free);

}  // namespace presmesh::cli
