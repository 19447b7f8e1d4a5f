// Ed25519 signatures (RFC 8032), checked. Of all that a node does for others this costs most: a record of somebody whom
// nobody here watches is verified like any other before it is kept.
#pragma once

#include <cstddef>
#include <cstdint>

namespace presmesh::proto {

/// Of 64 bytes over `message` under a key of 32. Says what libsodium says, of any bytes, in some nine tenths of its
/// time.
bool verify_ed25519(const std::uint8_t* signature, const std::uint8_t* message, std::size_t size,
                    const std::uint8_t* public_key);

}  // namespace presmesh::proto
