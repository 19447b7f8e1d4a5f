// Virtual time for a library that reads clocks and entropy itself: OpenDHT, linked as a shared library, finds the
// functions of os_shim.cpp before the standard library's. Without a VirtualTime alive they are the real ones.
#pragma once

#include <cstdint>

#include "proto/time.hpp"

namespace presmesh::tests {

class VirtualTime {
  public:
    explicit VirtualTime(std::uint64_t seed);  ///< of std::random_device
    ~VirtualTime();
    VirtualTime(const VirtualTime&) = delete;
    VirtualTime& operator=(const VirtualTime&) = delete;
    void set(proto::Now now);
};

}  // namespace presmesh::tests
