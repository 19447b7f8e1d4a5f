// Small engines of randomness: one per node and purpose, so that a node's luck does not depend on who else there is.
#pragma once

#include <array>
#include <cstdint>

#include "proto/random.hpp"

namespace presmesh::sim {

/// What a stream of dice is for. Part of what a seed means: never reorder.
enum class Purpose : std::uint64_t {
    node = 1,  ///< handed to the node itself
    entropy,   ///< std::random_device in a node's turns
    identity,  ///< keys, federation
    latency,   ///< of a pair
    place,     ///< of a node: coordinates, site, NAT
    loss,      ///< of a node's datagrams
    clocks,    ///< of a node
    join,      ///< when and where a node joins first
    workload,  ///< of a presentity
    watches,   ///< of a presentity
    lookups,
    events,  ///< of a scenario's event
    churn,
    attack
};

inline std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
inline std::uint64_t seed_of(std::uint64_t seed, Purpose purpose, std::uint64_t number = 0) {
    return mix(mix(mix(seed) + static_cast<std::uint64_t>(purpose)) + number);
}

/// xoshiro256** (Blackman, Vigna 2018): 32 bytes of state.
class Dice final : public proto::Random {
  public:
    Dice(std::uint64_t seed, Purpose purpose, std::uint64_t number = 0) {
        std::uint64_t z = seed_of(seed, purpose, number);
        for (auto& word : state_) word = z = mix(z);
    }
    void fill(std::span<std::uint8_t> out) override {
        for (std::size_t at = 0; at < out.size(); at += 8) {
            const std::uint64_t word = draw();
            for (std::size_t i = at; i < out.size() && i < at + 8; ++i)
                out[i] = static_cast<std::uint8_t>(word >> (8 * (i - at)));
        }
    }
    std::uint64_t draw() {
        const auto rotate = [](std::uint64_t x, int by) { return x << by | x >> (64 - by); };
        const std::uint64_t out = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return out;
    }
    /// True for `share` of the calls.
    bool chance(double share) { return share > 0 && static_cast<double>(draw() >> 11) * 0x1p-53 < share; }

  private:
    std::array<std::uint64_t, 4> state_;
};

}  // namespace presmesh::sim
