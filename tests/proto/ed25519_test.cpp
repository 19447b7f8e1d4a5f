#include "proto/ed25519.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <sodium.h>

#include <array>

#include "proto/bytes.hpp"

using namespace presmesh;
using proto::Bytes;

namespace {

using Point = std::array<std::uint8_t, 32>;
using Scalar = std::array<std::uint8_t, 32>;
using Signed = std::array<std::uint8_t, 64>;

struct Claim {
    Signed signature{};
    Bytes message;
    Point key{};

    bool ours() const { return proto::verify_ed25519(signature.data(), message.data(), message.size(), key.data()); }
    bool sodium() const {
        return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0;
    }
};

const Point identity = {1};
/// Of order 8.
const Point torsion = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                       0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05};

Point plus(const Point& a, const Point& b) {
    Point sum{};
    RC_ASSERT(crypto_core_ed25519_add(sum.data(), a.data(), b.data()) == 0);
    return sum;
}

Point times_base(const Scalar& scalar) {
    Point point{};
    RC_ASSERT(crypto_scalarmult_ed25519_base_noclamp(point.data(), scalar.data()) == 0);
    return point;
}

/// What the signature's equation multiplies the key with.
Scalar challenge(const Point& r, const Point& key, const Bytes& message) {
    Bytes all(r.begin(), r.end());
    all.insert(all.end(), key.begin(), key.end());
    all.insert(all.end(), message.begin(), message.end());
    std::array<std::uint8_t, crypto_hash_sha512_BYTES> hash{};
    crypto_hash_sha512(hash.data(), all.data(), all.size());
    Scalar scalar{};
    crypto_core_ed25519_scalar_reduce(scalar.data(), hash.data());
    return scalar;
}

Scalar any_scalar() {
    const auto wide = *rc::gen::container<std::array<std::uint8_t, 64>>(rc::gen::arbitrary<std::uint8_t>());
    Scalar scalar{};
    crypto_core_ed25519_scalar_reduce(scalar.data(), wide.data());
    scalar[0] |= 1;  // not zero
    return scalar;
}

/// Signed by the secret scalar with `r` for R, which is `nonce` times the base point, or nothing.
Signed sign(const Scalar& secret, const Scalar& nonce, const Point& r, const Point& key, const Bytes& message) {
    Scalar s{};
    crypto_core_ed25519_scalar_mul(s.data(), challenge(r, key, message).data(), secret.data());
    crypto_core_ed25519_scalar_add(s.data(), s.data(), nonce.data());
    Signed out{};
    std::copy(r.begin(), r.end(), out.begin());
    std::copy(s.begin(), s.end(), out.begin() + 32);
    return out;
}

Claim honest() {
    const auto secret = any_scalar();
    const auto nonce = any_scalar();
    Claim claim{{}, *rc::gen::arbitrary<Bytes>(), times_base(secret)};
    claim.signature = sign(secret, nonce, times_base(nonce), claim.key, claim.message);
    return claim;
}

/// A second spelling of the same signature: the group's order more.
void add_order(Signed& signature) {
    const Scalar order = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                          0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                          0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
    unsigned carry = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        carry += signature[32 + i] + order[i];
        signature[32 + i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
}

}  // namespace

TEST_CASE("ed25519: the vectors of RFC 8032 section 7.1") {
    struct Vector {
        const char* key;
        const char* message;
        const char* signature;
    };
    const Vector vectors[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bb"
         "e2465"
         "5141438e7a100b"},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302"
         "aeeb0"
         "0d291612bb0c00"},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed"
         "28dc0"
         "27beceea1ec40a"},
    };
    for (const auto& vector : vectors) {
        Claim claim;
        const auto key = proto::from_hex(vector.key);
        const auto signature = proto::from_hex(vector.signature);
        std::copy(key.begin(), key.end(), claim.key.begin());
        std::copy(signature.begin(), signature.end(), claim.signature.begin());
        claim.message = proto::from_hex(vector.message);
        CHECK(claim.ours());
        claim.message.push_back(0);
        CHECK_FALSE(claim.ours());
    }
}

TEST_CASE("ed25519: what is signed is taken, and one bit more or less is not") {
    CHECK(rc::check([] {
        auto claim = honest();
        RC_ASSERT(claim.ours());
        const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * (64 + 32 + claim.message.size()));
        const auto byte = bit / 8;
        const auto mask = static_cast<std::uint8_t>(1U << bit % 8);
        (byte < 64 ? claim.signature[byte] : byte < 96 ? claim.key[byte - 64] : claim.message[byte - 96]) ^= mask;
        RC_ASSERT(!claim.ours());
        RC_ASSERT(!claim.sodium());
    }));
}

TEST_CASE("ed25519: a signature has one spelling") {
    CHECK(rc::check([] {
        auto claim = honest();
        add_order(claim.signature);
        RC_ASSERT(!claim.ours());
        RC_ASSERT(!claim.sodium());
    }));
}

TEST_CASE("ed25519: a key of small order signs nothing, though its equation holds") {
    CHECK(rc::check([] {
        const auto nonce = any_scalar();
        Claim claim{{}, *rc::gen::arbitrary<Bytes>(), identity};
        const auto r = times_base(nonce);
        std::copy(r.begin(), r.end(), claim.signature.begin());
        std::copy(nonce.begin(), nonce.end(), claim.signature.begin() + 32);
        RC_ASSERT(!claim.ours());
        RC_ASSERT(!claim.sodium());
        claim.key.back() = 0x80;  // x is 0 and has no sign
        RC_ASSERT(!claim.ours());
        RC_ASSERT(!claim.sodium());
        claim.key = {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
        RC_ASSERT(!claim.ours());  // 1 in another spelling
        RC_ASSERT(!claim.sodium());
    }));
}

TEST_CASE("ed25519: nor is a signature with a nonce of small order taken") {
    CHECK(rc::check([] {
        const auto secret = any_scalar();
        Claim claim{{}, *rc::gen::arbitrary<Bytes>(), times_base(secret)};
        claim.signature = sign(secret, {}, identity, claim.key, claim.message);
        RC_ASSERT(!claim.ours());
        RC_ASSERT(!claim.sodium());
    }));
}

// One in eight of these is right without a cofactor, all are with one: nodes must agree on which.
TEST_CASE("ed25519: keys with a part of small order are judged as libsodium judges them") {
    std::size_t taken = 0;
    std::size_t refused = 0;
    CHECK(rc::check([&] {
        const auto secret = any_scalar();
        const auto nonce = any_scalar();
        Claim claim{{}, *rc::gen::arbitrary<Bytes>(), plus(times_base(secret), torsion)};
        auto r = times_base(nonce);
        if (*rc::gen::arbitrary<bool>()) r = plus(r, torsion);
        claim.signature = sign(secret, nonce, r, claim.key, claim.message);
        RC_ASSERT(claim.ours() == claim.sodium());
        ++(claim.ours() ? taken : refused);
    }));
    CHECK(taken > 0);
    CHECK(refused > 0);
}

TEST_CASE("ed25519: any bytes are judged as libsodium judges them") {
    CHECK(rc::check([] {
        Claim claim{*rc::gen::container<Signed>(rc::gen::arbitrary<std::uint8_t>()), *rc::gen::arbitrary<Bytes>(),
                    *rc::gen::container<Point>(rc::gen::arbitrary<std::uint8_t>())};
        RC_ASSERT(claim.ours() == claim.sodium());
    }));
}
