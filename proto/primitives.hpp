// The cryptographic primitives that everything above them is built of, as one table: libsodium's, and Crypto++'s to
// verify signatures, unless a simulator, whose worlds hold no secrets, puts cheap ones of the same lengths in their
// place. Who calls does not notice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace presmesh::proto {

struct Primitives {
    /// Ed25519: 64 bytes over `message` under a 64-byte secret key (seed, then public key).
    void (*sign)(std::uint8_t* signature, const std::uint8_t* message, std::size_t size, const std::uint8_t* secret);
    bool (*verify)(const std::uint8_t* signature, const std::uint8_t* message, std::size_t size,
                   const std::uint8_t* public_key);
    /// X25519: 32 bytes each. exchange() is false for a key of low order.
    void (*exchange_public)(std::uint8_t* public_key, const std::uint8_t* secret);
    bool (*exchange)(std::uint8_t* shared, const std::uint8_t* secret, const std::uint8_t* their_public);
    /// ChaCha20-Poly1305 (RFC 8439) in place: `size` bytes at `content`, and a 16-byte tag after them. Nonce 12,
    /// key 32.
    void (*seal)(std::uint8_t* content, std::size_t size, const std::uint8_t* extra, std::size_t extra_size,
                 const std::uint8_t* nonce, const std::uint8_t* key);
    /// `size` includes the tag; the plain bytes go to `out`. False: not what was sealed.
    bool (*open)(std::uint8_t* out, const std::uint8_t* content, std::size_t size, const std::uint8_t* extra,
                 std::size_t extra_size, const std::uint8_t* nonce, const std::uint8_t* key);
    /// BLAKE2b (RFC 7693) of what two ends say to each other, and of nothing that lasts: `out_size` bytes, 16 to 64;
    /// `key` may be null, and has 32 bytes otherwise.
    void (*digest)(std::uint8_t* out, std::size_t out_size, const std::uint8_t* bytes, std::size_t size,
                   const std::uint8_t* key);
};

inline constexpr std::size_t seal_tag_bytes = 16;

/// The real ones.
extern const Primitives real_primitives;
/// Those in use in this process.
const Primitives& primitives();
/// For a simulator, before its world is made; `table` must outlive its use.
void use_primitives(const Primitives& table);

}  // namespace presmesh::proto
