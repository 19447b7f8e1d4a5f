// What a run found, on a terminal.
#pragma once

#include "sim/measures.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

void print_summary(const Scenario& scenario, const Measures& measures);

}  // namespace presmesh::sim
