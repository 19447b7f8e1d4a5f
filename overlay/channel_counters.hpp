// What the channels of a node count, all together.
#pragma once

#include <cstdint>

namespace presmesh::overlay {

struct ChannelCounters {
    std::uint64_t documents_sent = 0;
    std::uint64_t documents_equal = 0;      ///< the other end held the very document: its digest was sent in its place
    std::uint64_t documents_coalesced = 0;  ///< overtaken by a newer one before they were sent
    std::uint64_t documents_received = 0;
    std::uint64_t documents_older = 0;     ///< came after a newer one, or again
    std::uint64_t documents_bad = 0;       ///< could not be read
    std::uint64_t watches_refused = 0;     ///< there was no room for them (limits::watches_per_peer)
    std::uint64_t watches_delayed = 0;     ///< came too fast (limits::watches_per_second_per_peer); they come again
    std::uint64_t messages_too_large = 0;  ///< fitted no packet: not sent
    std::uint64_t nodes_doubted = 0;       ///< leases: nodes that fell silent,
    std::uint64_t nodes_lost = 0;          ///< whose lease ran out,
    std::uint64_t nodes_back = 0;          ///< and that were heard of again
};

}  // namespace presmesh::overlay
