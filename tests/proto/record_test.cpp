#include "proto/record.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/primitives.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/reason.hpp"
#include "tests/support/record_world.hpp"

using namespace presmesh::proto;
using namespace presmesh::testing;

namespace {

Reason read_reason(const RecordWorld& world, const Bytes& wire) {
    return reason(read_record(wire, world.federation, world.now));
}

std::string longest_domain(char letter) {
    std::string label(63, letter);
    return label + "." + label + "." + label + "." + std::string(61, letter);
}

void same(const Record& read, const Record& written) {
    CHECK(read.kind == written.kind);
    CHECK(read.presentity == written.presentity);
    CHECK(read.certificate == written.certificate);
    CHECK(read.domain == written.domain);
    CHECK(read.sequence == written.sequence);
    CHECK(read.issued == written.issued);
    CHECK(read.expires == written.expires);
    CHECK(read.endpoints == written.endpoints);
    CHECK(read.sealed_summary == written.sealed_summary);
    CHECK(read.digest == written.digest);
    CHECK(read.wire == written.wire);
}

}  // namespace

TEST_CASE("a record is read as it was signed, where it belongs") {
    RecordWorld world;
    Record written = world.signed_draft();
    DhtKey place = dht_key(world.federation.key, "a.example", written.presentity);
    auto read = world.read(written, &place);
    REQUIRE(read.has_value());
    same(*read, written);
    CHECK(read->dht_key(world.federation.key) == place);
}

TEST_CASE("the golden record of version 1 stays readable, and stays what is written") {
    RecordWorld world;
    Record written = world.signed_draft();
    CHECK(to_hex(written.wire) == to_hex(golden("record_v1.hex")));
    auto read = read_record(golden("record_v1.hex"), world.federation, world.now);
    REQUIRE(read.has_value());
    same(*read, written);
    CHECK(written.value_id() == 0x6d2a4ba2cf4faee3);
}

TEST_CASE("any record that can be signed is read again") {
    CHECK(rc::check("round trip",
                    [](std::uint64_t epoch, std::uint64_t counter, const Bytes& sealed, const Digest& digest) {
                        RecordWorld world;
                        Record record = world.draft();
                        record.sequence = {epoch, counter};
                        record.sealed_summary = sealed;
                        record.digest = digest;
                        record.endpoints.resize(*rc::gen::inRange<std::size_t>(0, 3));
                        record.issued = world.now - std::chrono::seconds(*rc::gen::inRange(0, 3600));
                        record.expires = world.now + std::chrono::seconds(*rc::gen::inRange(1, 3600));
                        for (Endpoint& endpoint : record.endpoints)
                            endpoint = {*rc::gen::arbitrary<std::array<std::uint8_t, 16>>(), 8};
                        if (!sign(record, world.a_node, world.a_certificate)) return;
                        auto read = world.read(record);
                        RC_ASSERT(read.has_value());
                        RC_ASSERT(read->sequence == record.sequence);
                        RC_ASSERT(read->endpoints == record.endpoints);
                        Record again = *read;
                        RC_ASSERT(sign(again, world.a_node, world.a_certificate).has_value());
                        RC_ASSERT(again.wire == record.wire);
                    }));
}

TEST_CASE("the largest record fits: longest domains on both sides, two IPv6 endpoints, a full summary") {
    RecordWorld world;
    std::string owner = longest_domain('a');
    std::string publisher = longest_domain('b');
    Member a{owner, world.a_domain.public_key(), {}, {}, {}};
    a.delegations.push_back(Delegation::issue(world.a_domain, owner, publisher, world.now - 1h, world.now + 1h));
    world.federation.add(a);
    world.federation.add({publisher, world.b_domain.public_key(), {}, {}, {}});
    Record record = world.draft();
    record.domain = owner;
    record.sequence = {UINT64_MAX, UINT64_MAX};
    record.endpoints = {Endpoint::parse("[2001:db8::1]:65535").value(), Endpoint::parse("[2001:db8::2]:65535").value()};
    Summary full{Basic::open, Show::xa, {}, std::string(100, 'n'), -128};
    full.activities.assign(20, "permanent-absence");
    SeededRandom random(1);
    record.sealed_summary = seal_summary(full, {}, random);
    CHECK(record.sealed_summary.size() == 24 + limits::summary_bytes + 16);
    REQUIRE(sign(record, world.b_node, world.certify(world.b_domain, publisher, world.b_node)).has_value());
    MESSAGE("largest record: " << record.wire.size() << " bytes");
    CHECK(record.wire.size() <= limits::record_bytes - 16);  // times after 2106 take 16 bytes more
    CHECK(world.read(record).has_value());
}

TEST_CASE("refused: oversize, before anything else is looked at") {
    RecordWorld world;
    CHECK(read_reason(world, Bytes(limits::record_bytes + 1, 0xc1)) == Reason::too_large);
    Record record = world.draft();
    record.sealed_summary.resize(limits::record_bytes);
    CHECK(reason(sign(record, world.a_node, world.a_certificate)) == Reason::too_large);
    // Well formed and well signed, and too large all the same.
    Record small = world.signed_draft();
    MsgpackWriter body;
    body.array(14).raw(BytesView(body_of(small)).subspan(1)).bin(Bytes(300));
    CHECK(read_reason(world, sign_body(world.a_node, body.take())) == Reason::too_large);
}

TEST_CASE("refused: forged. Every single bit of a record is covered") {
    RecordWorld world;
    Record record = world.signed_draft();
    for (std::size_t i = 0; i < record.wire.size(); ++i) {
        Bytes forged = record.wire;
        forged[i] ^= 1;
        CHECK_FALSE(read_record(forged, world.federation, world.now).has_value());
    }
    Bytes forged = record.wire;
    forged.back() ^= 1;
    CHECK(read_reason(world, forged) == Reason::bad_signature);
    CHECK(read_reason(world, sign_body(world.b_node, body_of(record))) == Reason::bad_signature);
}

TEST_CASE("refused: a domain that is not admitted, on either side") {
    RecordWorld world;
    Record record = world.signed_draft();
    world.federation.members.erase("a.example");
    CHECK(reason(world.read(record)) == Reason::not_admitted);

    RecordWorld other;
    Record delegated = other.draft();
    delegated.domain = "z.example";
    delegated = other.signed_by_a(delegated);
    CHECK(reason(other.read(delegated)) == Reason::not_admitted);
}

TEST_CASE("refused: a revoked node, a certificate of another key, one run out, one not begun") {
    RecordWorld world;
    Record record = world.signed_draft();
    world.federation.members.at("a.example").revoked.insert(node_id(world.a_node.public_key()));
    CHECK(reason(world.read(record)) == Reason::revoked);

    RecordWorld other;
    Record self_made = other.draft();
    REQUIRE(sign(self_made, other.b_node, other.certify(other.b_domain, "a.example", other.b_node)).has_value());
    CHECK(reason(other.read(self_made)) == Reason::bad_signature);

    for (auto [from, to, why] :
         {std::tuple{-48h, -24h, Reason::expired}, std::tuple{24h, 48h, Reason::not_yet_valid}}) {
        Record dated = other.draft();
        auto certificate = Certificate::issue(other.a_domain, "a.example", other.a_node.public_key(), 3,
                                              other.now + from, other.now + to);
        REQUIRE(sign(dated, other.a_node, certificate).has_value());
        CHECK(reason(other.read(dated)) == why);
    }
}

TEST_CASE("refused: a node that may not publish; it may announce itself") {
    RecordWorld world;
    auto store_only = world.certify(world.a_domain, "a.example", world.a_node, role_store);
    Record record = world.draft();
    REQUIRE(sign(record, world.a_node, store_only).has_value());
    CHECK(reason(world.read(record)) == Reason::forbidden);

    Record node;
    node.kind = RecordKind::domain;
    node.issued = world.now;
    node.expires = world.now + 1h;
    REQUIRE(sign(node, world.a_node, store_only).has_value());
    DhtKey place = domain_dht_key(world.federation.key, "a.example");
    CHECK(world.read(node, &place).has_value());
    node.domain = "b.example";
    REQUIRE(sign(node, world.a_node, store_only).has_value());
    CHECK(reason(world.read(node)) == Reason::foreign_domain);
}

TEST_CASE("refused: a foreign domain's user, unless delegated, now, by that domain's key") {
    RecordWorld world;
    Record record = world.draft();
    REQUIRE(sign(record, world.b_node, world.b_certificate).has_value());
    CHECK(reason(world.read(record)) == Reason::foreign_domain);

    auto& delegations = world.federation.members.at("a.example").delegations;
    delegations = {Delegation::issue(world.b_domain, "a.example", "b.example", world.now - 1h, world.now + 1h)};
    CHECK(reason(world.read(record)) == Reason::foreign_domain);
    delegations = {Delegation::issue(world.a_domain, "a.example", "b.example", world.now - 3h, world.now - 1h)};
    CHECK(reason(world.read(record)) == Reason::foreign_domain);
    delegations = {Delegation::issue(world.a_domain, "a.example", "c.example", world.now - 1h, world.now + 1h)};
    CHECK(reason(world.read(record)) == Reason::foreign_domain);
    delegations.push_back(Delegation::issue(world.a_domain, "a.example", "b.example", world.now - 1h, world.now + 1h));
    CHECK(world.read(record).has_value());
    CHECK(world.read(record)->domain == "a.example");
    CHECK(world.read(record)->certificate.domain == "b.example");
}

TEST_CASE("refused: a record under a key it does not own") {
    RecordWorld world;
    Record record = world.signed_draft();
    DhtKey wrong = dht_key(world.federation.key, "b.example", record.presentity);
    CHECK(reason(world.read(record, &wrong)) == Reason::foreign_domain);
    wrong = domain_dht_key(world.federation.key, "a.example");
    CHECK(reason(world.read(record, &wrong)) == Reason::foreign_domain);
}

TEST_CASE("refused: expired, from the future, living too long, ending before it begins") {
    RecordWorld world;
    Record record = world.draft();
    record.expires = world.now;
    CHECK(reason(world.read(world.signed_by_a(record))) == Reason::expired);
    record.expires = world.now + 1s;
    CHECK(world.read(world.signed_by_a(record)).has_value());

    record.issued = world.now + limits::record_clock_skew + 1s;
    record.expires = record.issued + 1h;
    CHECK(reason(world.read(world.signed_by_a(record))) == Reason::not_yet_valid);
    record.issued -= 1s;
    CHECK(world.read(world.signed_by_a(record)).has_value());

    record.expires = record.issued + limits::record_lifetime + 1s;
    CHECK(reason(sign(record, world.a_node, world.a_certificate)) == Reason::malformed);
    record.expires = record.issued;
    CHECK(reason(sign(record, world.a_node, world.a_certificate)) == Reason::malformed);
}

TEST_CASE("a reader checks the form again: a well-signed record that no sign() would make") {
    RecordWorld world;
    auto made = [&](std::size_t fields, std::uint64_t version, std::uint64_t kind, std::int64_t issued,
                    std::int64_t expires, const Bytes& endpoint) {
        MsgpackWriter body;
        body.array(fields).uint(version).uint(kind).bin(world.draft().presentity).bin(domain_name("a.example")).nil();
        body.array(5).bin(world.a_node.public_key()).uint(3).sint(to_seconds(world.a_certificate.not_before));
        body.sint(to_seconds(world.a_certificate.not_after)).bin(world.a_certificate.signature);
        body.uint(1).uint(1).sint(issued).sint(expires).array(1).bin(endpoint).bin({}).bin(Digest{});
        for (std::size_t i = 13; i < fields; ++i) body.str("later");
        return sign_body(world.a_node, body.take());
    };
    std::int64_t now = to_seconds(world.now);
    Bytes v4 = from_hex("c00002010fa0");
    CHECK(read_record(made(13, 1, 1, now, now + 60, v4), world.federation, world.now).has_value());
    CHECK(read_reason(world, made(13, 1, 1, now, now + 86401, v4)) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 1, now, now, v4)) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 1, -5, now + 60, v4)) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 0, now, now + 60, v4)) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 3, now, now + 60, v4)) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 2, now, now + 60, v4)) ==
          Reason::malformed);  // a domain record with a presentity
    CHECK(read_reason(world, made(13, 1, 1, now, now + 60, from_hex("c00002010000"))) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 1, now, now + 60, from_hex("c000020100"))) == Reason::malformed);
    CHECK(read_reason(world, made(13, 1, 1, now, now + 60, from_hex("00000000000000000000ffffc00002010fa0"))) ==
          Reason::not_canonical);
    // Versions: fields of a later minor one are passed over, a later major one is refused by name, as is none at all.
    auto later = read_record(made(15, 1, 1, now, now + 60, v4), world.federation, world.now);
    REQUIRE(later.has_value());
    CHECK(read_reason(world, made(13, 2, 1, now, now + 60, v4)) == Reason::unsupported_version);
    CHECK(read_reason(world, made(13, 0, 1, now, now + 60, v4)) == Reason::malformed);
}

TEST_CASE("refused: not canonical, though signed") {
    RecordWorld world;
    Bytes body = body_of(world.signed_draft());
    Bytes longer = {body.begin(), body.begin() + 1};
    longer.insert(longer.end(), {0xcc, 0x01});  // version 1 in two bytes
    longer.insert(longer.end(), body.begin() + 2, body.end());
    CHECK(read_reason(world, sign_body(world.a_node, longer)) == Reason::not_canonical);
    // The publisher's own domain named as if it were delegated.
    Bytes twice = {body.begin(), body.begin() + 35};
    REQUIRE(body[35] == 0xc0);
    twice.insert(twice.end(), body.begin() + 25, body.begin() + 35);
    twice.insert(twice.end(), body.begin() + 36, body.end());
    CHECK(read_reason(world, sign_body(world.a_node, twice)) == Reason::not_canonical);
    Bytes trailing = world.signed_draft().wire;
    trailing.push_back(0xc0);
    CHECK(read_reason(world, trailing) == Reason::malformed);
}

TEST_CASE("a higher sequence replaces; a replayed or older one never does") {
    RecordWorld world;
    Record current = world.signed_draft();
    Record next = current;
    CHECK(reason(may_replace(current, next)) == Reason::older);
    next.sequence.counter += 1;
    CHECK(may_replace(current, next).has_value());
    CHECK(reason(may_replace(next, current)) == Reason::older);
    next.sequence = {current.sequence.epoch + 1, 0};
    CHECK(may_replace(current, next).has_value());
    next.sequence = {current.sequence.epoch - 1, UINT64_MAX};
    CHECK(reason(may_replace(current, next)) == Reason::older);
}

TEST_CASE("only a source replaces its own record") {
    RecordWorld world;
    Record current = world.signed_draft();
    auto changed = [&](auto change) {
        Record next = current;
        next.sequence.counter += 1;
        change(next);
        return reason(may_replace(current, next)) == Reason::conflict;
    };
    CHECK(changed([](Record& r) { r.kind = RecordKind::domain; }));
    CHECK(changed([](Record& r) { r.presentity[0] ^= 1; }));
    CHECK(changed([](Record& r) { r.domain = "b.example"; }));
    CHECK(changed([](Record& r) { r.certificate.node_key[0] ^= 1; }));
}

TEST_CASE("a value id is fixed per source and differs between sources") {
    RecordWorld world;
    Record record = world.signed_draft();
    Record later = record;
    later.sequence.counter += 1;
    later.expires += 1h;
    later.sealed_summary.clear();
    CHECK(later.value_id() == record.value_id());
    later.presentity[0] ^= 1;
    CHECK(later.value_id() != record.value_id());
    Record other = record;
    other.certificate.node_key[0] ^= 1;
    CHECK(other.value_id() != record.value_id());
}

TEST_CASE("a cache changes nothing but the time it takes") {
    RecordWorld world;
    VerificationCache cache;
    Record record = world.signed_draft();
    for (int i = 0; i < 2; ++i)
        CHECK(read_record(record.wire, world.federation, world.now, nullptr, &cache).has_value());
    CHECK(cache.certificates() == 1);
    CHECK(cache.records() == 1);
    for (std::size_t i = 0; i < record.wire.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            Bytes forged = record.wire;
            forged[i] ^= static_cast<std::uint8_t>(1 << bit);
            REQUIRE_FALSE(read_record(forged, world.federation, world.now, nullptr, &cache).has_value());
        }
    CHECK(cache.records() == 1);
    Bytes forged = record.wire;
    forged[forged.size() - 70] ^= 1;
    CHECK(reason(read_record(forged, world.federation, world.now, nullptr, &cache)) == Reason::bad_signature);
    CHECK(reason(read_record(record.wire, world.federation, record.expires, nullptr, &cache)) == Reason::expired);
    DhtKey elsewhere = dht_key(world.federation.key, "b.example", record.presentity);
    CHECK(reason(read_record(record.wire, world.federation, world.now, &elsewhere, &cache)) == Reason::foreign_domain);
    world.federation.members.at("a.example").revoked.insert(node_id(world.a_node.public_key()));
    CHECK(reason(read_record(record.wire, world.federation, world.now, nullptr, &cache)) == Reason::revoked);
    world.federation.members.at("a.example").revoked.clear();
    world.federation.members.at("a.example").key = world.b_domain.public_key();
    CHECK(reason(read_record(record.wire, world.federation, world.now, nullptr, &cache)) == Reason::bad_signature);
    world.federation.members.erase("a.example");
    CHECK(reason(read_record(record.wire, world.federation, world.now, nullptr, &cache)) == Reason::not_admitted);
}

TEST_CASE("a signature of another key over the same bytes is verified for itself") {
    RecordWorld world;
    VerificationCache cache;
    const Bytes body = {1, 2, 3};
    const Signature good = world.a_node.sign("p", body);
    CHECK(cache.verify_record(world.a_node.public_key(), "p", body, good, world.now));
    CHECK(cache.verify_record(world.a_node.public_key(), "p", body, good, world.now));
    CHECK_FALSE(cache.verify_record(world.b_node.public_key(), "p", body, good, world.now));
    CHECK_FALSE(cache.verify_record(world.a_node.public_key(), "q", body, good, world.now));
    CHECK_FALSE(cache.verify_record(world.a_node.public_key(), "p", body, world.b_node.sign("p", body), world.now));
    CHECK(cache.records() == 1);
}

TEST_CASE("a verified record is forgotten when its copies have long come") {
    RecordWorld world;
    VerificationCache cache;
    const Bytes body = {1, 2, 3}, later = {4};
    const auto verify = [&](const Bytes& bytes, WallTime when) {
        return cache.verify_record(world.a_node.public_key(), "p", bytes, world.a_node.sign("p", bytes), when);
    };
    CHECK(verify(body, world.now));
    CHECK(verify(later, world.now + 1s));
    CHECK(cache.records() == 2);
    CHECK(verify(later, world.now + limits::records_verified_for));
    CHECK(cache.records() == 1);
    CHECK(verify(body, world.now + limits::records_verified_for));
    CHECK(cache.records() == 2);
}

TEST_CASE("copies are verified once; the oldest record is forgotten first, and certificates stay") {
    RecordWorld world;
    VerificationCache cache(8, 2);
    static int verified = 0;
    Primitives counting = real_primitives;
    counting.verify = [](const std::uint8_t* signature, const std::uint8_t* message, std::size_t size,
                         const std::uint8_t* key) {
        ++verified;
        return real_primitives.verify(signature, message, size, key);
    };
    use_primitives(counting);
    const auto verifications = [&](const Record& record) {
        verified = 0;
        CHECK(read_record(record.wire, world.federation, world.now, nullptr, &cache).has_value());
        return verified;
    };
    Record one = world.signed_draft();
    Record two = world.draft(), three = world.draft();
    two.sequence.counter = 8;
    three.sequence.counter = 9;
    two = world.signed_by_a(two);
    three = world.signed_by_a(three);
    CHECK(verifications(one) == 2);  // and its certificate
    for (int copy = 0; copy < 7; ++copy) CHECK(verifications(one) == 0);
    CHECK(verifications(two) == 1);
    CHECK(verifications(three) == 1);
    CHECK(cache.records() == 2);
    CHECK(verifications(two) == 0);
    CHECK(verifications(one) == 1);
    use_primitives(real_primitives);
}

TEST_CASE("sign refuses what is not the node's") {
    RecordWorld world;
    Record record = world.draft();
    CHECK(reason(sign(record, world.b_node, world.a_certificate)) == Reason::conflict);
    record.endpoints.resize(3, record.endpoints[0]);
    CHECK(reason(sign(record, world.a_node, world.a_certificate)) == Reason::malformed);
    record.endpoints = {Endpoint::v4(1, 0)};
    CHECK(reason(sign(record, world.a_node, world.a_certificate)) == Reason::malformed);
}
