// The system's clocks and randomness: fetched here, and handed to the core.
#pragma once

#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::daemon {

proto::Now system_now();

/// The kernel's randomness.
class SystemRandom final : public proto::Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

}  // namespace presmesh::daemon
