// The system's clocks and randomness: fetched here, and handed to the core.
#pragma once

#include <array>
#include <cstddef>

#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::daemon {

proto::Now system_now();

/// The kernel's randomness, fetched a kilobyte at a time: entity tags and branches want eight bytes each, many times a
/// turn. What was given out is wiped.
class SystemRandom final : public proto::Random {
  public:
    ~SystemRandom() override;
    void fill(std::span<std::uint8_t> out) override;

  private:
    std::array<std::uint8_t, 1024> buffer_{};
    std::size_t used_ = sizeof(buffer_);
};

}  // namespace presmesh::daemon
