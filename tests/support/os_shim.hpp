// Virtual time for a library that reads clocks and entropy itself, as long as a VirtualTime lives: the simulator's shim
// (sim/os_shim.hpp), in a test's words.
#pragma once

#include <cstdint>

#include "proto/time.hpp"
#include "sim/os_shim.hpp"

namespace presmesh::testing {

class VirtualTime {
  public:
    explicit VirtualTime(std::uint64_t seed) : dice_(seed) { set({}); }  ///< of std::random_device
    ~VirtualTime() { sim::os::real(); }
    VirtualTime(const VirtualTime&) = delete;
    VirtualTime& operator=(const VirtualTime&) = delete;
    void set(proto::Now now) { sim::os::set(now, &dice_); }

  private:
    std::uint64_t dice_;
};

}  // namespace presmesh::testing
