#include "proto/random.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "proto/assert.hpp"

namespace presmesh::proto {

namespace {

void put_little_endian(std::uint64_t value, std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

std::uint64_t Random::next() {
    std::array<std::uint8_t, 8> bytes;
    fill(bytes);
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
    PRESMESH_ASSERT(bound > 0);
    // Values under 2^64 mod bound are drawn again, so that the rest splits evenly.
    std::uint64_t uneven = (0 - bound) % bound;
    std::uint64_t value = next();
    while (value < uneven) value = next();
    return value % bound;
}

Duration Random::jitter(Duration base, double share) {
    PRESMESH_ASSERT(share >= 0 && share <= 1);
    double unit = static_cast<double>(next() >> 11) * 0x1p-53;  // [0, 1)
    double factor = 1 - share + 2 * share * unit;
    return Duration{static_cast<Duration::rep>(static_cast<double>(base.count()) * factor)};
}

SeededRandom::SeededRandom(std::uint64_t seed) {
    put_little_endian(seed, key_);
}

void SeededRandom::fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        if (used_ == buffer_.size()) {
            std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> nonce{};
            put_little_endian(block_++, nonce);
            crypto_stream_chacha20(buffer_.data(), buffer_.size(), nonce.data(), key_.data());
            used_ = 0;
        }
        std::size_t n = std::min(out.size(), buffer_.size() - used_);
        std::memcpy(out.data(), buffer_.data() + used_, n);
        used_ += n;
        out = out.subspan(n);
    }
}

}  // namespace presmesh::proto
