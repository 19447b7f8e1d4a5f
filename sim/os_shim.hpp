// Virtual clocks and entropy for a library that reads them itself: OpenDHT, linked as a shared library, finds the
// functions of os_shim.cpp before the standard library's. Only for programs that simulate; node never sees this.
#pragma once

#include <cstdint>

#include "proto/time.hpp"

namespace presmesh::sim::os {

/// From now on std::chrono's clocks stand at `now`, and std::random_device draws from `*dice` (advancing it).
void set(proto::Now now, std::uint64_t* dice);
/// Back to the real ones.
void real();

/// Seconds of the real clocks, whatever is set: for progress and reports.
double wall_seconds();
double cpu_seconds();

}  // namespace presmesh::sim::os
