// What a packet claims, read before OpenDHT sees it.
#include "overlay/dht_packet.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
namespace limits = presmesh::proto::limits;

TEST_CASE("packets read before OpenDHT sees them: one sender, plain whole values, no key twice") {
    const auto reason = [](const proto::MsgpackWriter& out) {
        const auto read = read_dht_packet(out.bytes());
        REQUIRE_FALSE(read.has_value());
        return read.error().reason;
    };
    const proto::DhtKey id{1}, other{2};
    proto::MsgpackWriter nobody;
    nobody.map(3).str("a").map(0).str("q").str("ping").str("y").str("q");
    CHECK(reason(nobody) == proto::Reason::malformed);
    proto::MsgpackWriter twice;
    twice.map(3).str("a").map(2).str("id").bin(id).str("id").bin(other).str("q").str("ping").str("y").str("q");
    CHECK(reason(twice) == proto::Reason::malformed);
    proto::MsgpackWriter two;
    two.map(3).str("a").map(1).str("id").bin(id).str("r").map(1).str("id").bin(other).str("y").str("q");
    CHECK(reason(two) == proto::Reason::malformed);
    const auto put = [&](auto write_value) {
        proto::MsgpackWriter out;
        out.map(3).str("a").map(2).str("id").bin(id).str("values").array(1);
        write_value(out);
        out.str("q").str("put").str("y").str("q");
        return out;
    };
    const auto good = put([](auto& out) {
        out.map(2).str("id").uint(7).str("dat").map(1).str("body").map(2).str("type").uint(112).str("data").bin(
            proto::Bytes{1, 2});
    });
    const auto read = read_dht_packet(good.bytes());
    REQUIRE(read.has_value());
    CHECK(read->sender == id);
    const proto::Bytes content{1, 2};
    CHECK(read->values == std::vector{PutValue{7, 112, content}});
    CHECK(reason(put([](auto& out) { out.uint(1300); })) == proto::Reason::unsupported_type);  // in parts
    CHECK(reason(put([](auto& out) { out.map(2).str("id").uint(7).str("dat").bin(proto::Bytes{1}); })) ==
          proto::Reason::unsupported_type);  // encrypted
    CHECK(reason(put([](auto& out) {
              out.map(2).str("id").uint(7).str("dat").map(2).str("body").map(2).str("type").uint(112).str("data");
              out.bin(proto::Bytes{1}).str("sig").bin(proto::Bytes{1});
          })) == proto::Reason::unsupported_type);
    const auto refresh = [&](std::uint32_t fields, auto write_fields) {
        proto::MsgpackWriter out;
        out.map(3).str("a").map(1 + fields).str("id").bin(id);
        write_fields(out);
        out.str("q").str("refresh").str("y").str("q");
        return out;
    };
    const auto whole = refresh(2, [&](auto& out) { out.str("h").bin(other).str("vid").uint(7); });
    const auto refreshed = read_dht_packet(whole.bytes());
    REQUIRE(refreshed.has_value());
    CHECK(refreshed->key == other);
    CHECK(refreshed->value_id == 7);
    CHECK(reason(refresh(1, [&](auto& out) { out.str("vid").uint(7); })) == proto::Reason::malformed);
    CHECK(reason(refresh(1, [&](auto& out) { out.str("h").bin(other); })) == proto::Reason::malformed);
    CHECK(reason(refresh(2, [&](auto& out) { out.str("h").str("no key").str("vid").uint(7); })) ==
          proto::Reason::malformed);
    proto::MsgpackWriter large;
    large.map(1).str("y").bin(proto::Bytes(limits::dht_packet_bytes));
    CHECK(reason(large) == proto::Reason::too_large);
}
