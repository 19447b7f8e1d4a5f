// For objects of several cache lines of which many will be read, one after the other: the processor is told at once.
// Where thousands of peers, or simulated nodes, take turns, each object has left the caches by its next turn.
#pragma once

#include <cstddef>

namespace presmesh::proto {

inline constexpr std::size_t cache_line_bytes = 64;

inline void prefetch(const void* begin, std::size_t bytes) {
    const auto* at = static_cast<const std::byte*>(begin);
    for (std::size_t offset = 0; offset < bytes; offset += cache_line_bytes) __builtin_prefetch(at + offset);
}
/// `object` may be null.
template <typename Object>
void prefetch(const Object* object) {
    prefetch(object, sizeof(Object));
}

}  // namespace presmesh::proto
