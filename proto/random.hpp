// Randomness is handed in. The daemon hands in the system's (node/daemon), tests and the simulator a seeded one.
#pragma once

#include <cstdint>
#include <span>

#include "proto/bytes.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> out) = 0;

    std::uint64_t next();
    /// Uniform in [0, bound); bound must be above 0.
    std::uint64_t below(std::uint64_t bound);
    /// `base` times a factor uniform in [1 - share, 1 + share]; share in [0, 1].
    Duration jitter(Duration base, double share);
};

/// The stand-in for tests and the simulator: a ChaCha20 stream, the same for the same seed on every machine.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed);
    void fill(std::span<std::uint8_t> out) override;

  private:
    SymmetricKey key_{};
    std::uint64_t block_ = 0;
    std::array<std::uint8_t, 1024> buffer_{};
    std::size_t used_ = sizeof(buffer_);
};

}  // namespace presmesh::proto
