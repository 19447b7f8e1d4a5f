// Request targets and the header fields that decide what is answered, read strictly (RFC 9110, RFC 3986).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.hpp"

namespace presmesh::daemon {

struct Target {
    std::vector<std::string> path;  ///< segments with their escapes undone; a %2F does not separate
    std::map<std::string, std::string, std::less<>> query;
    /// Empty when absent.
    std::string_view parameter(std::string_view name) const;
};

/// malformed: no leading slash, bad escapes, control characters, a query name twice. A "+" stands for itself.
proto::Result<Target> read_target(std::string_view target);
/// For one path segment or query value: everything but RFC 3986's unreserved characters, "@" and ":" is escaped.
std::string percent_encode(std::string_view text);
std::optional<std::string> percent_decode(std::string_view text);

/// "application/json; charset=utf-8" -> "application/json", in lower case.
std::string media_type(std::string_view content_type);
/// The one of `offered` that Accept likes best (RFC 9110 section 12.5.1), the first among equals; empty when it takes
/// none.
std::string_view choose_media(std::string_view accept, const std::vector<std::string_view>& offered);
/// The token of "Bearer TOKEN"; empty when there is none.
std::string_view bearer_token(std::string_view authorization);
/// One entity tag of If-Match: `"tag"` -> tag; "*" stays. malformed: weak tags, lists, no quotes.
proto::Result<std::string> entity_tag(std::string_view if_match);
/// Digits only, at most 10.
std::optional<std::int64_t> whole_number(std::string_view text);

}  // namespace presmesh::daemon
