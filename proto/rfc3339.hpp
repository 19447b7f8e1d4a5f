// Times as RFC 3339 writes them: what PIDF, RPID, XEP-0082 and our JSON share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/time.hpp"

namespace presmesh::proto {

/// In UTC, with as many decimals of a second as needed, up to six: "2016-12-01T10:00:00.25Z". `time` must lie within
/// the times of a document (years 1 to 9999).
std::string to_rfc3339(WallTime time);

/// Any offset, any number of decimals (cut to microseconds), 't' and 'z' too; a leap second is the second before it.
/// None for what is not a time or lies outside the years 1 to 9999. White space around it is passed over.
std::optional<WallTime> from_rfc3339(std::string_view text);

}  // namespace presmesh::proto
