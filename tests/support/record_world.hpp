// A federation of two domains and a third that delegates, with fixed keys: what the tests of records stand on.
#pragma once

#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/record.hpp"

namespace presmesh::testing {

using namespace std::chrono_literals;

inline proto::SigningKey fixed_key(std::uint8_t seed) {
    proto::SymmetricKey bytes{};
    bytes.fill(seed);
    return proto::SigningKey::from_seed(bytes);
}

struct RecordWorld {
    proto::WallTime now = proto::wall_from_seconds(1'800'000'000);
    proto::SigningKey a_domain = fixed_key(1);
    proto::SigningKey b_domain = fixed_key(2);
    proto::SigningKey a_node = fixed_key(11);
    proto::SigningKey b_node = fixed_key(12);
    proto::Certificate a_certificate = certify(a_domain, "a.example", a_node);
    proto::Certificate b_certificate = certify(b_domain, "b.example", b_node);
    proto::Federation federation = make_federation();
    proto::PresentityUri alice = proto::PresentityUri::parse("pres:alice@a.example").value();

    proto::Certificate certify(const proto::SigningKey& domain_key, const std::string& domain,
                               const proto::SigningKey& node,
                               std::uint8_t roles = proto::role_store | proto::role_publish) const {
        return proto::Certificate::issue(domain_key, domain, node.public_key(), roles, now - 24h, now + 30 * 24h);
    }

    /// Alice's, unsigned: issued an hour ago, open for a day.
    proto::Record draft() const {
        proto::Record out;
        out.presentity = proto::presentity_key(federation.key, alice);
        out.domain = "a.example";
        out.sequence = {1'799'990'000, 7};
        out.issued = now - 1h;
        out.expires = now + 22h;
        out.endpoints = {proto::Endpoint::v4(0xc0000201, 4000), proto::Endpoint::parse("[2001:db8::1]:4000").value()};
        out.digest.fill(0xdd);
        proto::SymmetricKey content_key{};
        proto::SeededRandom random(5);
        out.sealed_summary = proto::seal_summary({proto::Basic::open, proto::Show::dnd, {"meeting"}, "h\xc3\xa9", 5},
                                                 content_key, random);
        return out;
    }

    proto::Record signed_draft() const { return signed_by_a(draft()); }

    proto::Record signed_by_a(proto::Record record) const {
        if (!proto::sign(record, a_node, a_certificate)) std::abort();
        return record;
    }

    proto::Result<proto::Record> read(const proto::Record& record, const proto::DhtKey* under = nullptr) const {
        return proto::read_record(record.wire, federation, now, under);
    }

  private:
    proto::Federation make_federation() const {
        proto::Federation out;
        out.key.fill(0x0f);
        proto::Member a;
        a.domain = "a.example";
        a.key = a_domain.public_key();
        proto::Member b;
        b.domain = "b.example";
        b.key = b_domain.public_key();
        out.add(a);
        out.add(b);
        return out;
    }
};

/// A body of any bytes, signed as a record is.
inline proto::Bytes sign_body(const proto::SigningKey& node, const proto::Bytes& body) {
    proto::MsgpackWriter out;
    out.raw(body).bin(node.sign("presmesh record 1", body));
    return out.take();
}

/// The body of a signed record: all but the signature's 66 bytes.
inline proto::Bytes body_of(const proto::Record& record) {
    return {record.wire.begin(), record.wire.end() - 66};
}

}  // namespace presmesh::testing
