// The handshake's messages as bytes, and the keys that come out of it. FORMAT.md: datagrams. Pure functions.
#pragma once

#include <array>
#include <cstdint>

#include "overlay/session.hpp"
#include "proto/bytes.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"

namespace presmesh::overlay {

enum class MessageKind : std::uint8_t { hello = 1, cookie = 2, welcome = 3, data = 4, unknown = 5 };
inline constexpr std::uint8_t handshake_version = 1;

using ExchangeKey = std::array<std::uint8_t, 32>;  ///< X25519 public key, used for one handshake
using Cookie = std::array<std::uint8_t, 16>;       ///< all zero: none

void put_u64(proto::Bytes& out, std::uint64_t value);  ///< big-endian
std::uint64_t get_u64(proto::BytesView bytes);         ///< of exactly 8 bytes

/// A key pair for one handshake; the secret is wiped on destruction.
class Exchange {
  public:
    explicit Exchange(proto::Random& random);
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange();
    const ExchangeKey& public_key() const { return public_; }
    /// The keys of both directions, bound to every byte of the handshake. Refuses keys that give a known secret.
    proto::Result<SessionKeys> derive(const ExchangeKey& theirs, const proto::Digest& transcript, bool initiated) const;

  private:
    ExchangeKey public_{};
    proto::SymmetricKey secret_{};
};

struct Hello {
    SessionId session = 0;  ///< under which the initiator wants to receive
    std::uint64_t instance = 0;
    ExchangeKey exchange{};
    std::uint64_t timestamp_us = 0;  ///< wall clock, strictly rising per node
    proto::Certificate certificate;
    proto::Signature signature{};
    Cookie cookie{};  ///< not signed: it speaks of the address alone, and the same HELLO is sent again with it

    /// malformed, too_large, unsupported_version; signatures are not looked at.
    static proto::Result<Hello> decode(proto::BytesView bytes);
    bool verify(proto::BytesView bytes) const;  ///< `bytes`: what was decoded
};

/// Cookie-less; see set_cookie.
proto::Bytes encode_hello(const Hello& hello, const proto::SigningKey& node_key);
void set_cookie(proto::Bytes& hello, const Cookie& cookie);
/// What WELCOME signs and what tells a HELLO sent again from a new one: everything but the cookie.
proto::Digest hello_digest(proto::BytesView hello);

struct Welcome {
    SessionId receiver = 0;  ///< the initiator's
    SessionId session = 0;   ///< the responder's
    std::uint64_t instance = 0;
    ExchangeKey exchange{};
    proto::Certificate certificate;
    proto::Signature signature{};

    static proto::Result<Welcome> decode(proto::BytesView bytes);
    bool verify(proto::BytesView bytes, const proto::Digest& hello) const;
};
proto::Bytes encode_welcome(const Welcome& welcome, const proto::SigningKey& node_key, const proto::Digest& hello);

/// What the keys are bound to: both messages with both certificates.
proto::Digest transcript_of(const proto::Digest& hello, proto::BytesView welcome);

struct CookieMessage {
    SessionId receiver = 0;
    Cookie cookie{};
};
proto::Bytes encode(const CookieMessage& message);
proto::Result<CookieMessage> decode_cookie(proto::BytesView bytes);

/// "No such session": the id that the DATA was sent to.
proto::Bytes encode_unknown(SessionId session);
proto::Result<SessionId> decode_unknown(proto::BytesView bytes);

}  // namespace presmesh::overlay
