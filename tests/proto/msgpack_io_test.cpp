#include "proto/msgpack_io.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace presmesh::proto;

namespace {

Bytes hex(std::string_view text) {
    return from_hex(text);
}

Reason reason_of(MsgpackReader& reader) {
    auto done = reader.finish();
    REQUIRE(!done);
    return done.error().reason;
}

}  // namespace

TEST_CASE("what is written is read back") {
    CHECK(rc::check("values survive", [](std::uint64_t u, std::int64_t i, bool b, const Bytes& bytes) {
        MsgpackWriter writer;
        writer.array(6).uint(u).sint(i).boolean(b).nil().bin(bytes).str("h\xc3\xa9");
        MsgpackReader reader(writer.bytes());
        RC_ASSERT(reader.array(6) == 6U);
        RC_ASSERT(reader.uint() == u);
        RC_ASSERT(reader.sint() == i);
        RC_ASSERT(reader.boolean() == b);
        reader.nil();
        auto found = reader.bin(1U << 20);
        RC_ASSERT(Bytes(found.begin(), found.end()) == bytes);
        RC_ASSERT(reader.str(3) == "h\xc3\xa9");
        RC_ASSERT(reader.finish().has_value());
    }));
}

TEST_CASE("longer forms than needed are not canonical") {
    for (auto bytes : {"cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff"}) {
        auto encoded = hex(bytes);
        MsgpackReader reader(encoded);
        reader.uint();
        CHECK_MESSAGE(reason_of(reader) == Reason::not_canonical, bytes);
    }
    for (auto bytes : {"d0e0", "d1ff80", "d2ffff8000", "d3ffffffff80000000"}) {
        auto encoded = hex(bytes);
        MsgpackReader reader(encoded);
        reader.sint();
        CHECK_MESSAGE(reason_of(reader) == Reason::not_canonical, bytes);
    }
    for (auto bytes : {"d90161", "c5000161", "dc0001c0", "de0001c0c0"}) {
        auto encoded = hex(bytes);
        MsgpackReader reader(encoded);
        reader.skip();
        CHECK_MESSAGE(reason_of(reader) == Reason::not_canonical, bytes);
    }
}

TEST_CASE("a signed form of a number that is not negative is not canonical") {
    for (auto bytes : {"d005", "d10005", "d200000005", "d30000000000000005"}) {
        auto encoded = hex(bytes);
        MsgpackReader reader(encoded);
        reader.sint();
        CHECK_MESSAGE(reason_of(reader) == Reason::not_canonical, bytes);
    }
}

TEST_CASE("bounds hold before anything is believed") {
    auto huge = hex("ddffffffff");
    MsgpackReader reader(huge);
    CHECK(reader.array(SIZE_MAX) == 0);
    CHECK(reason_of(reader) == Reason::malformed);

    auto three = hex("93010203");
    MsgpackReader two(three);
    CHECK(two.array(2) == 0);
    CHECK(reason_of(two) == Reason::too_large);

    auto text = hex("a3616263");
    MsgpackReader shorter(text);
    CHECK(shorter.str(2).empty());
    CHECK(reason_of(shorter) == Reason::too_large);
}

TEST_CASE("floats, extensions, bad UTF-8 and deep nesting are refused") {
    for (auto bytes : {"ca00000000", "cb0000000000000000", "d40100", "c70001", "c1", "a1ff", "91919191919191919190"}) {
        auto encoded = hex(bytes);
        MsgpackReader reader(encoded);
        reader.skip();
        CHECK_MESSAGE(reason_of(reader) == Reason::malformed, bytes);
    }
}

TEST_CASE("the first failure sticks") {
    auto bytes = hex("a161");
    MsgpackReader reader(bytes);
    reader.uint();
    CHECK(reader.str(10).empty());
    CHECK(reader.array(10) == 0);
    CHECK(reader.peek() == MsgpackReader::Type::none);
    CHECK(reason_of(reader) == Reason::malformed);
}

TEST_CASE("any bytes: never a crash, and what is passed over was canonical") {
    CHECK(rc::check("skip is strict", [](const Bytes& bytes) {
        MsgpackReader reader(bytes);
        reader.skip();
        RC_ASSERT(reader.ok() || reader.rest().empty());
    }));
}
