// Points of a report side by side, for the terminal.
#pragma once

#include <string>

#include "sim/report_json.hpp"

namespace presmesh::sim {

/// A line per measure that is not 0 everywhere, a column per point; "mean +- half width" where seeds were replicated.
std::string table_of(const Json& points);

}  // namespace presmesh::sim
