// Bytes as everyone passes them, and the sizes of the keys that travel.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace presmesh::proto {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

using PublicKey = std::array<std::uint8_t, 32>;  ///< Ed25519
using Signature = std::array<std::uint8_t, 64>;  ///< Ed25519
using SymmetricKey = std::array<std::uint8_t, 32>;
using Digest = std::array<std::uint8_t, 32>;  ///< BLAKE2b-256
using DhtKey = std::array<std::uint8_t, 20>;  ///< a place in the Kademlia id space
using NodeId = std::array<std::uint8_t, 20>;  ///< BLAKE2b-160 of a node's public key: its name in logs and messages

inline BytesView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(BytesView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(BytesView bytes);
/// Empty when `text` is not hexadecimal of an even length.
Bytes from_hex(std::string_view text);

}  // namespace presmesh::proto
