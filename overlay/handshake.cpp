#include "overlay/handshake.hpp"

#include <sodium.h>

#include "proto/limits.hpp"
#include "proto/primitives.hpp"

namespace presmesh::overlay {

using proto::Bytes;
using proto::BytesView;
using proto::Reason;
using proto::refuse;

namespace {

// These strings travel inside signatures and keys: never change them.
constexpr std::string_view hello_purpose = "presmesh hello 1";
constexpr std::string_view welcome_purpose = "presmesh welcome 1";
constexpr std::string_view session_purpose = "presmesh session 1";

constexpr std::size_t signature_bytes = 64;
constexpr std::size_t cookie_bytes = 16;
constexpr std::size_t hello_head = 1 + 1 + 8 + 8 + 32 + 8 + 2;
constexpr std::size_t welcome_head = 1 + 8 + 8 + 8 + 32 + 2;

template <typename Array>
void put(Bytes& out, const Array& array) {
    out.insert(out.end(), array.begin(), array.end());
}

template <typename Array>
void get(BytesView bytes, std::size_t at, Array& array) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), array.size(), array.begin());
}

void put_certificate(Bytes& out, const proto::Certificate& certificate) {
    const Bytes encoded = certificate.encode();
    out.push_back(static_cast<std::uint8_t>(encoded.size() >> 8));
    out.push_back(static_cast<std::uint8_t>(encoded.size()));
    put(out, encoded);
}

/// The certificate behind a head of fixed size whose last two bytes are its length; `tail` bytes must follow it
/// exactly.
proto::Result<BytesView> certificate_in(BytesView bytes, std::size_t head, std::size_t tail) {
    if (bytes.size() > head + proto::limits::certificate_bytes + tail) {
        return refuse(Reason::too_large, "handshake");
    }
    if (bytes.size() < head + tail) {
        return refuse(Reason::malformed, "handshake: too short");
    }
    const std::size_t size = static_cast<std::size_t>(bytes[head - 2]) << 8 | bytes[head - 1];
    if (size != bytes.size() - head - tail) {
        return refuse(Reason::malformed, "handshake: certificate length");
    }
    return bytes.subspan(head, size);
}

BytesView without_cookie(BytesView hello) {
    return hello.first(hello.size() - cookie_bytes);
}

proto::Digest digest_of(BytesView bytes) {
    proto::Digest out;
    proto::primitives().digest(out.data(), out.size(), bytes.data(), bytes.size(), nullptr);
    return out;
}

Bytes welcome_signed_bytes(BytesView unsigned_welcome, const proto::Digest& hello) {
    Bytes bytes(hello.begin(), hello.end());
    bytes.insert(bytes.end(), unsigned_welcome.begin(), unsigned_welcome.end());
    return bytes;
}

}  // namespace

void put_u64(Bytes& out, std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(value >> 56), value <<= 8;
    out.insert(out.end(), bytes.begin(), bytes.end());
}

std::uint64_t get_u64(BytesView bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        value = value << 8 | bytes[i];
    }
    return value;
}

Exchange::Exchange(proto::Random& random) {
    random.fill(secret_);
    proto::primitives().exchange_public(public_.data(), secret_.data());
}

Exchange::~Exchange() {
    sodium_memzero(secret_.data(), secret_.size());
}

proto::Result<SessionKeys> Exchange::derive(const ExchangeKey& theirs, const proto::Digest& transcript,
                                            bool initiated) const {
    std::array<std::uint8_t, crypto_scalarmult_BYTES> shared{};
    if (!proto::primitives().exchange(shared.data(), secret_.data(), theirs.data())) {
        return refuse(Reason::malformed, "handshake: exchange key of low order");
    }
    Bytes context(session_purpose.begin(), session_purpose.end());
    put(context, transcript);
    std::array<std::uint8_t, 64> out{};
    static_assert(shared.size() == 32);
    proto::primitives().digest(out.data(), out.size(), context.data(), context.size(), shared.data());
    SessionKeys keys;
    proto::SymmetricKey& first = initiated ? keys.send : keys.receive;
    proto::SymmetricKey& second = initiated ? keys.receive : keys.send;
    std::copy_n(out.begin(), 32, first.begin());
    std::copy_n(out.begin() + 32, 32, second.begin());
    sodium_memzero(shared.data(), shared.size());
    sodium_memzero(out.data(), out.size());
    return keys;
}

Bytes encode_hello(const Hello& hello, const proto::SigningKey& node_key) {
    Bytes out{static_cast<std::uint8_t>(MessageKind::hello), handshake_version};
    put_u64(out, hello.session);
    put_u64(out, hello.instance);
    put(out, hello.exchange);
    put_u64(out, hello.timestamp_us);
    put_certificate(out, hello.certificate);
    put(out, node_key.sign(hello_purpose, out));
    put(out, Cookie{});
    return out;
}

void set_cookie(Bytes& hello, const Cookie& cookie) {
    std::copy(cookie.begin(), cookie.end(), hello.end() - cookie_bytes);
}

proto::Digest hello_digest(BytesView hello) {
    return digest_of(without_cookie(hello));
}

proto::Result<Hello> Hello::decode(BytesView bytes) {
    if (bytes.size() < 2 || bytes[0] != static_cast<std::uint8_t>(MessageKind::hello)) {
        return refuse(Reason::malformed, "hello");
    }
    if (bytes[1] != handshake_version) {
        return refuse(Reason::unsupported_version, "hello");
    }
    const auto encoded = certificate_in(bytes, hello_head, signature_bytes + cookie_bytes);
    if (!encoded) {
        return tl::make_unexpected(encoded.error());
    }
    auto certificate = proto::Certificate::decode(*encoded);
    if (!certificate) {
        return tl::make_unexpected(certificate.error());
    }
    Hello hello;
    hello.session = get_u64(bytes.subspan(2, 8));
    hello.instance = get_u64(bytes.subspan(10, 8));
    get(bytes, 18, hello.exchange);
    hello.timestamp_us = get_u64(bytes.subspan(50, 8));
    hello.certificate = std::move(*certificate);
    get(bytes, bytes.size() - cookie_bytes - signature_bytes, hello.signature);
    get(bytes, bytes.size() - cookie_bytes, hello.cookie);
    return hello;
}

bool Hello::verify(BytesView bytes) const {
    const BytesView signed_bytes = bytes.first(bytes.size() - cookie_bytes - signature_bytes);
    return proto::verify(certificate.node_key, hello_purpose, signed_bytes, signature);
}

Bytes encode_welcome(const Welcome& welcome, const proto::SigningKey& node_key, const proto::Digest& hello) {
    Bytes out{static_cast<std::uint8_t>(MessageKind::welcome)};
    put_u64(out, welcome.receiver);
    put_u64(out, welcome.session);
    put_u64(out, welcome.instance);
    put(out, welcome.exchange);
    put_certificate(out, welcome.certificate);
    put(out, node_key.sign(welcome_purpose, welcome_signed_bytes(out, hello)));
    return out;
}

proto::Result<Welcome> Welcome::decode(BytesView bytes) {
    if (bytes.empty() || bytes[0] != static_cast<std::uint8_t>(MessageKind::welcome)) {
        return refuse(Reason::malformed, "welcome");
    }
    const auto encoded = certificate_in(bytes, welcome_head, signature_bytes);
    if (!encoded) {
        return tl::make_unexpected(encoded.error());
    }
    auto certificate = proto::Certificate::decode(*encoded);
    if (!certificate) {
        return tl::make_unexpected(certificate.error());
    }
    Welcome welcome;
    welcome.receiver = get_u64(bytes.subspan(1, 8));
    welcome.session = get_u64(bytes.subspan(9, 8));
    welcome.instance = get_u64(bytes.subspan(17, 8));
    get(bytes, 25, welcome.exchange);
    welcome.certificate = std::move(*certificate);
    get(bytes, bytes.size() - signature_bytes, welcome.signature);
    return welcome;
}

bool Welcome::verify(BytesView bytes, const proto::Digest& hello) const {
    const Bytes signed_bytes = welcome_signed_bytes(bytes.first(bytes.size() - signature_bytes), hello);
    return proto::verify(certificate.node_key, welcome_purpose, signed_bytes, signature);
}

proto::Digest transcript_of(const proto::Digest& hello, BytesView welcome) {
    Bytes bytes(hello.begin(), hello.end());
    bytes.insert(bytes.end(), welcome.begin(), welcome.end());
    return digest_of(bytes);
}

Bytes encode(const CookieMessage& message) {
    Bytes out{static_cast<std::uint8_t>(MessageKind::cookie)};
    put_u64(out, message.receiver);
    put(out, message.cookie);
    return out;
}

proto::Result<CookieMessage> decode_cookie(BytesView bytes) {
    if (bytes.size() != 1 + 8 + cookie_bytes || bytes[0] != static_cast<std::uint8_t>(MessageKind::cookie)) {
        return refuse(Reason::malformed, "cookie");
    }
    CookieMessage message;
    message.receiver = get_u64(bytes.subspan(1, 8));
    get(bytes, 9, message.cookie);
    return message;
}

Bytes encode_unknown(SessionId session) {
    Bytes out{static_cast<std::uint8_t>(MessageKind::unknown)};
    put_u64(out, session);
    return out;
}

proto::Result<SessionId> decode_unknown(BytesView bytes) {
    if (bytes.size() != 1 + 8 || bytes[0] != static_cast<std::uint8_t>(MessageKind::unknown)) {
        return refuse(Reason::malformed, "unknown");
    }
    return get_u64(bytes.subspan(1, 8));
}

}  // namespace presmesh::overlay
