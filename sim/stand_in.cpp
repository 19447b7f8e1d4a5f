#include "sim/stand_in.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace presmesh::sim {

namespace {

constexpr std::size_t key_bytes = 32;

/// 16 bytes over what is given and the key: as good as none against anybody who tries, and nobody here does.
void tag(std::uint8_t* out, const std::uint8_t* bytes, std::size_t size, const std::uint8_t* key) {
    const auto hash = XXH3_128bits_withSeed(bytes, size, XXH3_64bits(key, key_bytes));
    XXH128_canonicalFromHash(reinterpret_cast<XXH128_canonical_t*>(out), hash);
}

void sign(std::uint8_t* signature, const std::uint8_t* message, std::size_t size, const std::uint8_t* secret) {
    std::memset(signature, 0, 64);
    tag(signature, message, size, secret + 32);  // the public half
}
bool verify(const std::uint8_t* signature, const std::uint8_t* message, std::size_t size,
            const std::uint8_t* public_key) {
    std::array<std::uint8_t, 64> expected{};
    tag(expected.data(), message, size, public_key);
    return std::memcmp(expected.data(), signature, expected.size()) == 0;
}

void exchange_public(std::uint8_t* public_key, const std::uint8_t* secret) {
    const std::array<std::uint8_t, 8> purpose{'p', 'u', 'b', 'l', 'i', 'c'};
    tag(public_key, purpose.data(), purpose.size(), secret);
    std::memcpy(public_key + 16, public_key, 16);
    public_key[16] ^= 1;
}
/// The same from both ends: of the two public keys, the lower one first.
bool exchange(std::uint8_t* shared, const std::uint8_t* secret, const std::uint8_t* their_public) {
    std::array<std::uint8_t, 64> both;
    exchange_public(both.data(), secret);
    std::memcpy(both.data() + 32, their_public, 32);
    if (std::memcmp(both.data(), both.data() + 32, 32) > 0)
        std::swap_ranges(both.begin(), both.begin() + 32, both.begin() + 32);
    tag(shared, both.data(), both.size(), both.data());
    std::memcpy(shared + 16, shared, 16);
    shared[16] ^= 1;
    return true;
}

/// Over the nonce, the extra bytes (short ones) and the content, which stays readable.
void seal_tag(std::uint8_t* out, const std::uint8_t* content, std::size_t size, const std::uint8_t* extra,
              std::size_t extra_size, const std::uint8_t* nonce, const std::uint8_t* key) {
    std::array<std::uint8_t, 64> head{};
    std::memcpy(head.data(), nonce, 12);
    std::memcpy(head.data() + 12, extra, std::min<std::size_t>(extra_size, 36));
    tag(head.data() + 48, content, size, key);
    tag(out, head.data(), head.size(), key);
}
void seal(std::uint8_t* content, std::size_t size, const std::uint8_t* extra, std::size_t extra_size,
          const std::uint8_t* nonce, const std::uint8_t* key) {
    seal_tag(content + size, content, size, extra, extra_size, nonce, key);
}
bool open(std::uint8_t* out, const std::uint8_t* content, std::size_t size, const std::uint8_t* extra,
          std::size_t extra_size, const std::uint8_t* nonce, const std::uint8_t* key) {
    if (size < proto::seal_tag_bytes) return false;
    const std::size_t plain = size - proto::seal_tag_bytes;
    std::array<std::uint8_t, proto::seal_tag_bytes> expected;
    seal_tag(expected.data(), content, plain, extra, extra_size, nonce, key);
    if (std::memcmp(expected.data(), content + plain, expected.size()) != 0) return false;
    std::memcpy(out, content, plain);
    return true;
}

/// The same 16 bytes again and again, each time with another number in them.
void digest(std::uint8_t* out, std::size_t out_size, const std::uint8_t* bytes, std::size_t size,
            const std::uint8_t* key) {
    constexpr std::array<std::uint8_t, key_bytes> none{};
    std::array<std::uint8_t, 16> part;
    tag(part.data(), bytes, size, key != nullptr ? key : none.data());
    for (std::size_t at = 0; at < out_size; at += part.size()) {
        std::memcpy(out + at, part.data(), std::min(part.size(), out_size - at));
        ++part[0];
    }
}

}  // namespace

const proto::Primitives stand_in_primitives{sign, verify, exchange_public, exchange, seal, open, digest};

}  // namespace presmesh::sim
