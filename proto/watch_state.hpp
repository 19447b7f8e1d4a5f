// How a watch stands, and how alive the source of what it shows is. Numbers travel (FORMAT.md): they stay as they are.
#pragma once

#include <cstdint>
#include <string_view>

namespace presmesh::proto {

enum class WatchState : std::uint8_t { pending = 0, active = 1, terminated = 2 };  ///< RFC 6665 section 4.1.3

enum class Liveness : std::uint8_t {
    live = 0,    ///< the source's node is heard of
    stale = 1,   ///< its lease is in doubt
    unknown = 2  ///< its lease ran out, or its state comes from the DHT alone. Never the same as offline
};

std::string_view to_string(WatchState state);
std::string_view to_string(Liveness liveness);

}  // namespace presmesh::proto
