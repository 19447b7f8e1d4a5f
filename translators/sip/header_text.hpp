// The few header values we read ourselves: parameters after a value, and the comma-separated parameters of digest
// authentication. Everything here reads bytes from outside: refused, never trusted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.hpp"

namespace presmesh::translators::sip {

std::string_view trimmed(std::string_view text);
/// ASCII only, as SIP tokens are compared.
std::string lower_case(std::string_view text);
/// Digits alone, up to `limit`; larger values are cut to `limit`, as RFC 3261 section 20.19 asks for Expires.
std::optional<std::uint32_t> read_number(std::string_view text, std::uint32_t limit = 0xffffffff);

/// "value;name=x;flag;other=\"quoted\"": Event, Subscription-State. The value and the names are lower case.
struct ParameterizedValue {
    std::string value;
    std::map<std::string, std::string, std::less<>> parameters;

    /// Empty when there is none.
    std::string_view get(std::string_view name) const;
};
proto::Result<ParameterizedValue> read_parameterized(std::string_view text);

/// "Digest name=value, name=\"quoted\"": the scheme and the names are lower case. At most 32 parameters.
struct AuthHeader {
    std::string scheme;
    std::map<std::string, std::string, std::less<>> parameters;

    std::string_view get(std::string_view name) const;
};
proto::Result<AuthHeader> read_auth(std::string_view text);
/// `text` as a quoted-string.
std::string quoted(std::string_view text);

/// The URI inside "Name" <uri>;params, or a bare uri. malformed when there is none, or the brackets do not close.
proto::Result<std::string> read_name_addr(std::string_view text);

}  // namespace presmesh::translators::sip
