// What the signed formats share: how they write a time.
#pragma once

#include "proto/msgpack_io.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

inline constexpr std::uint64_t last_second = 253402300799;  ///< 9999-12-31T23:59:59Z, so that sums never overflow

/// Whole seconds since 1970, 0 to last_second.
WallTime read_time(MsgpackReader& in);

}  // namespace presmesh::proto
