// Whose memory is whose: while others() holds, operator new takes from a region of its own, so that what is left in the
// ordinary heap belongs to the node that is measured.
#pragma once

#include <cstdint>

namespace presmesh::bench {

/// While one lives, what is allocated is not the measured node's.
class OthersMemory {
  public:
    OthersMemory();
    ~OthersMemory();
    OthersMemory(const OthersMemory&) = delete;
    OthersMemory& operator=(const OthersMemory&) = delete;

  private:
    bool before_;
};

/// Bytes of the measured node that are in use, with what malloc adds to each block.
std::int64_t live_bytes();
/// Resident bytes of the process without the others' region.
std::int64_t resident_bytes();

}  // namespace presmesh::bench
