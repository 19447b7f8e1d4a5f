#include "proto/rfc3339.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/presence_gen.hpp"

using namespace presmesh;
using namespace presmesh::proto;

TEST_CASE("times as they are written") {
    CHECK(to_rfc3339(wall_from_seconds(0)) == "1970-01-01T00:00:00Z");
    CHECK(to_rfc3339(wall_from_seconds(0) + Duration{250'000}) == "1970-01-01T00:00:00.25Z");
    CHECK(to_rfc3339(least_document_time) == "0001-01-01T00:00:00Z");
    CHECK(to_rfc3339(greatest_document_time) == "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("times as they are read") {
    CHECK(from_rfc3339("1985-04-12T23:20:50.52Z") == WallTime{std::chrono::microseconds{482196050520000}});
    CHECK(from_rfc3339("1996-12-19t16:39:57-08:00") == from_rfc3339("1996-12-20T00:39:57z"));
    CHECK(from_rfc3339("1990-12-31T23:59:60Z") == from_rfc3339("1990-12-31T23:59:59Z"));
    CHECK(from_rfc3339("2026-01-01T00:00:00-02:30") == from_rfc3339("2026-01-01T02:30:00Z"));
    CHECK(from_rfc3339(" 2026-01-01T00:00:00Z\n") == from_rfc3339("2026-01-01T00:00:00Z"));
}

TEST_CASE("what is no time") {
    for (const std::string bad :
         {"", "1985-04-12", "1985-04-12T23:20:50", "1985-13-01T00:00:00Z", "1985-02-30T00:00:00Z",
          "1985-04-12T24:00:00Z", "1985-04-12T23:20:50.Z", "1985-04-12T23:20:50+0100", "1985-04-12T23:20:50Zx",
          "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "x985-04-12T23:20:50Z"})
        CHECK_FALSE_MESSAGE(from_rfc3339(bad).has_value(), bad);
}

TEST_CASE("every time of a document survives the way to text and back") {
    CHECK(rc::check([] {
        const auto time = *testing::wall_time_gen();
        RC_ASSERT(from_rfc3339(to_rfc3339(time)) == time);
    }));
}
