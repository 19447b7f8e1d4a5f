// The small values: bytes, endpoints, randomness.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/endpoint.hpp"
#include "proto/random.hpp"
#include "proto/text.hpp"

using namespace presmesh::proto;
using namespace std::chrono_literals;

TEST_CASE("hexadecimal there and back, and nothing else is read") {
    CHECK(to_hex(Bytes{0x00, 0x7f, 0xff}) == "007fff");
    CHECK(from_hex("00Ff") == Bytes{0x00, 0xff});
    for (auto bad : {"0", "0g", "g0", " 00", "0x00", "00 "}) CHECK_MESSAGE(from_hex(bad).empty(), bad);
    CHECK(rc::check("round trip", [](const Bytes& bytes) { RC_ASSERT(from_hex(to_hex(bytes)) == bytes); }));
}

TEST_CASE("endpoints are read as they are written") {
    for (auto text : {"192.0.2.1:4000", "[2001:db8::1]:4000", "[::]:8", "0.0.0.0:65535", "[::1]:0"})
        CHECK_MESSAGE(Endpoint::parse(text).value().to_string() == text, text);
    CHECK(Endpoint::parse("192.0.2.1:80").value() == Endpoint::v4(0xc0000201, 80));
    CHECK(Endpoint::parse("[::ffff:192.0.2.1]:80").value().is_v4());
    CHECK_FALSE(Endpoint::parse("[2001:db8::1]:80").value().is_v4());
    for (auto bad : {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1: 1",
                     "2001:db8::1:80", "[192.0.2.1]:80", "[2001:db8::1]", "host:80", "192.0.2.256:1", "[]:1", ":1",
                     "192.0.2.1:1x", "[2001:db8::1%lo]:1"})
        CHECK_MESSAGE(!Endpoint::parse(bad).has_value(), bad);
    CHECK(rc::check("any endpoint", [](const std::array<std::uint8_t, 16>& address, std::uint16_t port) {
        Endpoint there{address, port};
        RC_ASSERT(Endpoint::parse(there.to_string()).value() == there);
    }));
}

TEST_CASE("seeded randomness is the same for ever, however it is asked for") {
    SeededRandom one(42);
    SeededRandom other(42);
    Bytes whole(3000);
    one.fill(whole);
    Bytes pieces;
    for (std::size_t n : {1U, 1022U, 2U, 1000U, 975U}) {
        Bytes piece(n);
        other.fill(piece);
        pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    CHECK(whole == pieces);
    CHECK(to_hex(BytesView(whole).first(16)) == "1f76e526510ae36a625c8b5c597febb4");
    Bytes different(3000);
    SeededRandom(43).fill(different);
    CHECK(whole != different);
}

TEST_CASE("below and jitter stay within their bounds") {
    CHECK(rc::check("bounds", [](std::uint64_t seed) {
        SeededRandom random(seed);
        auto bound = *rc::gen::map(rc::gen::arbitrary<std::uint64_t>(), [](std::uint64_t n) { return n == 0 ? 1 : n; });
        RC_ASSERT(random.below(bound) < bound);
        RC_ASSERT(random.below(1) == 0U);
        Duration later = random.jitter(10s, 0.25);
        RC_ASSERT(later >= Duration(7500ms));
        RC_ASSERT(later <= Duration(12500ms));
        RC_ASSERT(random.jitter(10s, 0) == Duration(10s));
    }));
}

TEST_CASE("below reaches every value") {
    SeededRandom random(1);
    std::vector<int> seen(6);
    for (int i = 0; i < 600; ++i) ++seen[random.below(6)];
    for (int count : seen) CHECK(count > 50);
}

TEST_CASE("language tags: letters, then subtags of up to eight") {
    for (const auto* tag : {"en", "zh-Hant-TW", "de-1996", "x-private", "i-klingon", "sl-rozaj-biske-1994"})
        CHECK_MESSAGE(is_language_tag(tag), tag);
    for (const auto* bad : {"", "en_US", "-en", "en-", "en--us", "1en", "e1", "toolonglanguage", "en-toolongsubtag",
                            "\u00e9", "en us", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u-v-w-x-y-z-a-b-c-d-e-f-g"})
        CHECK_FALSE_MESSAGE(is_language_tag(bad), bad);
}
