// The epoch of a node's run: higher than in any earlier one, so that no sequence number is ever used twice.
#pragma once

#include <cstdint>

#include "node/store.hpp"
#include "proto/time.hpp"

namespace presmesh::node {

/// The greater of the saved one plus 1 and the wall clock in seconds; saved and committed before it is returned.
std::uint64_t next_epoch(Store& store, proto::Now now);

}  // namespace presmesh::node
