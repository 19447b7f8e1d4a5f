#include "proto/primitives.hpp"

#include <sodium.h>

#include "proto/ed25519.hpp"

namespace presmesh::proto {

namespace {

void sign(std::uint8_t* signature, const std::uint8_t* message, std::size_t size, const std::uint8_t* secret) {
    crypto_sign_detached(signature, nullptr, message, size, secret);
}
void exchange_public(std::uint8_t* public_key, const std::uint8_t* secret) {
    crypto_scalarmult_base(public_key, secret);
}
bool exchange(std::uint8_t* shared, const std::uint8_t* secret, const std::uint8_t* their_public) {
    return crypto_scalarmult(shared, secret, their_public) == 0;
}
void seal(std::uint8_t* content, std::size_t size, const std::uint8_t* extra, std::size_t extra_size,
          const std::uint8_t* nonce, const std::uint8_t* key) {
    crypto_aead_chacha20poly1305_ietf_encrypt(content, nullptr, content, size, extra, extra_size, nullptr, nonce, key);
}
bool open(std::uint8_t* out, const std::uint8_t* content, std::size_t size, const std::uint8_t* extra,
          std::size_t extra_size, const std::uint8_t* nonce, const std::uint8_t* key) {
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, nullptr, nullptr, content, size, extra, extra_size, nonce,
                                                     key) == 0;
}

static_assert(seal_tag_bytes == crypto_aead_chacha20poly1305_ietf_ABYTES);

void digest(std::uint8_t* out, std::size_t out_size, const std::uint8_t* bytes, std::size_t size,
            const std::uint8_t* key) {
    crypto_generichash(out, out_size, bytes, size, key, key == nullptr ? 0 : 32);
}

}  // namespace

const Primitives real_primitives{sign, verify_ed25519, exchange_public, exchange, seal, open, digest};

namespace {
const Primitives* in_use = &real_primitives;
}

const Primitives& primitives() {
    return *in_use;
}
void use_primitives(const Primitives& table) {
    in_use = &table;
}

}  // namespace presmesh::proto
