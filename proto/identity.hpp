// Who is who: domain keys, node keys, certificates, delegations (DESIGN: admission and trust).
#pragma once

#include <cstdint>
#include <string>

#include "proto/bytes.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

/// Must be called once before anything cryptographic; idempotent. Asserts that libsodium starts.
void crypto_init();

Digest blake2b_256(BytesView bytes);

/// An Ed25519 key pair. Moves and copies keep the secret in ordinary memory, wiped on destruction.
class SigningKey {
  public:
    static SigningKey generate(Random& random);
    static SigningKey from_seed(const SymmetricKey& seed);
    SigningKey(const SigningKey&) = default;
    SigningKey& operator=(const SigningKey&) = default;
    ~SigningKey();

    const PublicKey& public_key() const { return public_; }
    const SymmetricKey& seed() const { return seed_; }
    /// Ed25519 over `purpose`, a zero byte, and `bytes`: a signature for one purpose never serves another.
    Signature sign(std::string_view purpose, BytesView bytes) const;

  private:
    SigningKey() = default;
    SymmetricKey seed_{};
    PublicKey public_{};
    std::array<std::uint8_t, 64> secret_{};
};

bool verify(const PublicKey& key, std::string_view purpose, BytesView bytes, const Signature& signature);
/// What a signature is over, for who keeps it: the purpose, a zero byte (no purpose contains one), and `bytes`.
Bytes signed_message(std::string_view purpose, BytesView bytes);
bool verify_message(const PublicKey& key, BytesView message, const Signature& signature);

NodeId node_id(const PublicKey& node_key);
/// The Kademlia id of a node's shard: BLAKE2b-160 over a purpose string, the node key and the shard number.
DhtKey kademlia_id(const PublicKey& node_key, std::uint8_t shard);

enum Role : std::uint8_t {
    role_store = 1,    ///< holds records and routes
    role_publish = 2,  ///< may publish for the domain's users
};

/// "This node key belongs to that domain", signed by the domain key. FORMAT.md: certificate.
struct Certificate {
    std::string domain;  ///< canonical
    PublicKey node_key{};
    std::uint8_t roles = role_store | role_publish;
    WallTime not_before{};  ///< whole seconds
    WallTime not_after{};   ///< whole seconds
    Signature signature{};

    /// `domain` in canonical form. Times are cut to the years 1970 to 9999.
    static Certificate issue(const SigningKey& domain_key, std::string domain, const PublicKey& node_key,
                             std::uint8_t roles, WallTime not_before, WallTime not_after);
    Bytes encode() const;
    /// malformed, not_canonical, too_large, unsupported_version. A statement's form is closed: no unknown fields.
    static Result<Certificate> decode(BytesView bytes);
    /// bad_signature, expired, not_yet_valid; the clock may be off by limits::record_clock_skew.
    Result<void> check(const PublicKey& domain_key, WallTime now) const;
    /// The two halves of check(): a signature once found good stays good, the times do not.
    Result<void> check_signature(const PublicKey& domain_key) const;
    Result<void> check_validity(WallTime now) const;
    bool operator==(const Certificate&) const = default;
};

/// "That other domain may publish for our users", signed by the users' domain key. FORMAT.md: delegation.
struct Delegation {
    std::string domain;    ///< whose users
    std::string delegate;  ///< who may publish for them
    WallTime not_before{};
    WallTime not_after{};
    Signature signature{};

    static Delegation issue(const SigningKey& domain_key, std::string domain, std::string delegate, WallTime not_before,
                            WallTime not_after);
    Bytes encode() const;
    static Result<Delegation> decode(BytesView bytes);
    Result<void> check(const PublicKey& domain_key, WallTime now) const;
    Result<void> check_signature(const PublicKey& domain_key) const;
    Result<void> check_validity(WallTime now) const;
    bool operator==(const Delegation&) const = default;
};

}  // namespace presmesh::proto
