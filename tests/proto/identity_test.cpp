#include "proto/identity.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/verification_cache.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/reason.hpp"

using namespace presmesh::proto;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

const WallTime start = wall_from_seconds(1'800'000'000);
const WallTime end = start + 365 * 24h;

SigningKey key(std::uint8_t seed) {
    SymmetricKey bytes{};
    bytes.fill(seed);
    return SigningKey::from_seed(bytes);
}

Certificate certificate() {
    return Certificate::issue(key(1), "a.example", key(2).public_key(), role_store | role_publish, start, end);
}

Delegation delegation() {
    return Delegation::issue(key(1), "a.example", "b.example", start, end);
}

Bytes encoded(std::uint64_t version, std::string_view domain, std::size_t extra) {
    MsgpackWriter out;
    out.array(7 + extra).uint(version).str(domain).bin(key(2).public_key()).uint(3);
    out.sint(to_seconds(start)).sint(to_seconds(end)).bin(Signature{});
    for (std::size_t i = 0; i < extra; ++i) out.nil();
    return out.take();
}

}  // namespace

TEST_CASE("a signature serves one key, one purpose and one message") {
    Bytes message{1, 2, 3};
    Signature signature = key(1).sign("purpose", message);
    CHECK(verify(key(1).public_key(), "purpose", message, signature));
    CHECK_FALSE(verify(key(2).public_key(), "purpose", message, signature));
    CHECK_FALSE(verify(key(1).public_key(), "purpos", message, signature));
    CHECK_FALSE(verify(key(1).public_key(), "purpose", Bytes{1, 2}, signature));
    // The zero byte keeps what is moved between purpose and message apart.
    CHECK_FALSE(verify(key(1).public_key(), "purpose1", Bytes{2, 3}, key(1).sign("purpose", Bytes{'1', 2, 3})));
}

TEST_CASE("Ed25519 is that of RFC 8032 section 7.1, test 1") {
    SymmetricKey seed;
    Bytes bytes = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    std::copy(bytes.begin(), bytes.end(), seed.begin());
    CHECK(to_hex(SigningKey::from_seed(seed).public_key()) ==
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST_CASE("blake2b_256, node ids and Kademlia ids have their golden values") {
    CHECK(to_hex(blake2b_256(as_bytes("abc"))) == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    CHECK(to_hex(node_id(key(2).public_key())) == "c9122f1d5e2353ab4b6946e16f16b4a191cc10f9");
    CHECK(to_hex(kademlia_id(key(2).public_key(), 0)) == "18f5d1f094bb0edb47d14ca67d68c2653657679e");
    CHECK(to_hex(kademlia_id(key(2).public_key(), 7)) == "1ef83c15a1007cd07929447cdec683869bad8637");
}

TEST_CASE("golden statements of version 1 stay readable, and stay what is written") {
    CHECK(to_hex(certificate().encode()) == to_hex(golden("certificate_v1.hex")));
    CHECK(to_hex(delegation().encode()) == to_hex(golden("delegation_v1.hex")));
    CHECK(Certificate::decode(golden("certificate_v1.hex")).value() == certificate());
    CHECK(Delegation::decode(golden("delegation_v1.hex")).value() == delegation());
}

TEST_CASE("a certificate holds for its domain key and its time, a clock's error allowed for") {
    Certificate c = certificate();
    CHECK(c.check(key(1).public_key(), start).has_value());
    CHECK(reason(c.check(key(3).public_key(), start)) == Reason::bad_signature);
    CHECK(c.check(key(1).public_key(), start - limits::record_clock_skew).has_value());
    CHECK(reason(c.check(key(1).public_key(), start - limits::record_clock_skew - 1s)) == Reason::not_yet_valid);
    CHECK(c.check(key(1).public_key(), end + limits::record_clock_skew - 1s).has_value());
    CHECK(reason(c.check(key(1).public_key(), end + limits::record_clock_skew)) == Reason::expired);
}

TEST_CASE("every field of a certificate is signed") {
    auto refused = [](Certificate c) {
        return reason(c.check(key(1).public_key(), start + 1h)) == Reason::bad_signature;
    };
    Certificate c = certificate();
    c.domain = "b.example";
    CHECK(refused(c));
    c = certificate();
    c.node_key[0] ^= 1;
    CHECK(refused(c));
    c = certificate();
    c.roles = role_store;
    CHECK(refused(c));
    c = certificate();
    c.not_before -= 1s;
    CHECK(refused(c));
    c = certificate();
    c.not_after += 1s;
    CHECK(refused(c));
}

TEST_CASE("a delegation holds for its domain key and its time, and every field of it is signed") {
    Delegation d = delegation();
    CHECK(d.check(key(1).public_key(), start).has_value());
    CHECK(reason(d.check(key(2).public_key(), start)) == Reason::bad_signature);
    CHECK(reason(d.check(key(1).public_key(), end + 1h)) == Reason::expired);
    CHECK(reason(d.check(key(1).public_key(), start - 1h)) == Reason::not_yet_valid);
    d.delegate = "c.example";
    CHECK(reason(d.check(key(1).public_key(), start)) == Reason::bad_signature);
    d = delegation();
    d.domain = "c.example";
    CHECK(reason(d.check(key(1).public_key(), start)) == Reason::bad_signature);
    d = delegation();
    d.not_after += 1s;
    CHECK(reason(d.check(key(1).public_key(), start)) == Reason::bad_signature);
}

TEST_CASE("statements in another form are refused by reason") {
    CHECK(Certificate::decode(encoded(1, "a.example", 0)).has_value());
    CHECK(reason(Certificate::decode(encoded(2, "a.example", 0))) == Reason::unsupported_version);
    CHECK(reason(Certificate::decode(encoded(0, "a.example", 0))) == Reason::malformed);
    CHECK(reason(Certificate::decode(encoded(1, "a.example", 1))) == Reason::malformed);
    CHECK(reason(Certificate::decode(encoded(1, "A.example", 0))) == Reason::not_canonical);
    CHECK(reason(Certificate::decode(encoded(1, "", 0))) == Reason::not_canonical);
    CHECK(reason(Certificate::decode(encoded(1, std::string(254, 'a'), 0))) == Reason::too_large);
    Bytes longer = certificate().encode();
    longer.push_back(0xc0);
    CHECK(reason(Certificate::decode(longer)) == Reason::malformed);
    CHECK(reason(Delegation::decode(certificate().encode())) == Reason::malformed);
    for (std::size_t n = 0; n < certificate().encode().size(); ++n) {
        Bytes whole = certificate().encode();
        CHECK(reason(Certificate::decode({whole.data(), n})) == Reason::malformed);
    }
}

TEST_CASE("a seed in, the same key out; copies sign alike") {
    SeededRandom random(7);
    SigningKey made = SigningKey::generate(random);
    SigningKey copy = made;
    CHECK(SigningKey::from_seed(made.seed()).public_key() == made.public_key());
    CHECK(copy.sign("p", Bytes{1}) == made.sign("p", Bytes{1}));
}

TEST_CASE("the cache answers as verifying does, and never for another key, kind or time") {
    VerificationCache cache(2);
    Certificate c = certificate();
    CHECK(cache.check(c, key(1).public_key(), start).has_value());
    CHECK(cache.check(c, key(1).public_key(), start).has_value());
    CHECK(cache.certificates() == 1);
    CHECK(reason(cache.check(c, key(3).public_key(), start)) == Reason::bad_signature);
    CHECK(reason(cache.check(c, key(1).public_key(), end + 1h)) == Reason::expired);
    Certificate forged = c;
    forged.roles = role_store;
    CHECK(reason(cache.check(forged, key(1).public_key(), start)) == Reason::bad_signature);
    CHECK(cache.certificates() == 1);
    CHECK(cache.check(delegation(), key(1).public_key(), start).has_value());
    CHECK(reason(cache.check(delegation(), key(3).public_key(), start)) == Reason::bad_signature);
    CHECK(cache.delegations() == 1);
    for (std::uint8_t i = 4; i < 6; ++i) {
        const auto other = Certificate::issue(key(1), "a.example", key(i).public_key(), role_store, start, end);
        CHECK(cache.check(other, key(1).public_key(), start).has_value());
    }
    CHECK(cache.certificates() == 2);  // the oldest is forgotten
    CHECK(cache.check(c, key(1).public_key(), start).has_value());
}
