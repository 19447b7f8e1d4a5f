#include "proto/identity.hpp"

#include <sodium.h>

#include <cstring>

#include "proto/assert.hpp"
#include "proto/primitives.hpp"

namespace presmesh::proto {

namespace {

using Blake = crypto_generichash_state;

std::array<std::uint8_t, 20> blake2b_160(std::string_view purpose, BytesView first, BytesView second = {}) {
    std::array<std::uint8_t, 20> out;
    std::uint8_t zero = 0;
    Blake state;
    crypto_generichash_init(&state, nullptr, 0, out.size());
    crypto_generichash_update(&state, as_bytes(purpose).data(), purpose.size());
    crypto_generichash_update(&state, &zero, 1);
    crypto_generichash_update(&state, first.data(), first.size());
    crypto_generichash_update(&state, second.data(), second.size());
    crypto_generichash_final(&state, out.data(), out.size());
    return out;
}

}  // namespace

void crypto_init() {
    PRESMESH_ASSERT(sodium_init() >= 0);
}

Digest blake2b_256(BytesView bytes) {
    Digest out;
    crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), nullptr, 0);
    return out;
}

SigningKey SigningKey::generate(Random& random) {
    SymmetricKey seed;
    random.fill(seed);
    SigningKey key = from_seed(seed);
    sodium_memzero(seed.data(), seed.size());
    return key;
}

SigningKey SigningKey::from_seed(const SymmetricKey& seed) {
    SigningKey key;
    key.seed_ = seed;
    crypto_sign_seed_keypair(key.public_.data(), key.secret_.data(), seed.data());
    return key;
}

SigningKey::~SigningKey() {
    sodium_memzero(seed_.data(), seed_.size());
    sodium_memzero(secret_.data(), secret_.size());
}

Signature SigningKey::sign(std::string_view purpose, BytesView bytes) const {
    Signature out;
    const Bytes message = signed_message(purpose, bytes);
    primitives().sign(out.data(), message.data(), message.size(), secret_.data());
    return out;
}

bool verify(const PublicKey& key, std::string_view purpose, BytesView bytes, const Signature& signature) {
    return verify_message(key, signed_message(purpose, bytes), signature);
}

Bytes signed_message(std::string_view purpose, BytesView bytes) {
    Bytes message;
    message.reserve(purpose.size() + 1 + bytes.size());
    message.insert(message.end(), purpose.begin(), purpose.end());
    message.push_back(0);
    message.insert(message.end(), bytes.begin(), bytes.end());
    return message;
}

bool verify_message(const PublicKey& key, BytesView message, const Signature& signature) {
    return primitives().verify(signature.data(), message.data(), message.size(), key.data());
}

NodeId node_id(const PublicKey& node_key) {
    return blake2b_160("presmesh node id", node_key);
}

DhtKey kademlia_id(const PublicKey& node_key, std::uint8_t shard) {
    return blake2b_160("presmesh kademlia id", node_key, {&shard, 1});
}

}  // namespace presmesh::proto
