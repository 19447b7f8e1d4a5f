// Expected failures: a peer's bad bytes and a caller's refused request are values of this type, never exceptions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace presmesh::proto {

/// Why something was refused. The names (see to_string) are the labels of counters, logs and problem documents.
enum class Reason : std::uint8_t {
    // bytes
    malformed,            ///< not of the form its format asks for
    too_large,            ///< over a bound of limits.hpp
    unsupported_version,  ///< a newer major version than we read
    not_canonical,        ///< readable, but not the one encoding allowed
    forbidden_xml,        ///< DOCTYPE, entity declaration, processing instruction
    wrong_namespace,
    unsupported_type,  ///< media type, event package or message kind we do not speak
    // trust
    bad_signature,
    not_admitted,  ///< domain not in the federation file
    revoked,       ///< node certificate taken back
    not_yet_valid,
    expired,
    foreign_domain,     ///< a domain publishes for users that are not its own, and without a delegation
    wrong_kademlia_id,  ///< the claimed id is not derived from the sender's node key
    replayed,
    older,  ///< lower or equal sequence number
    quota,  ///< a bound on what one member, key or address may hold
    rate_limited,
    unauthorized,  ///< credentials missing or wrong
    forbidden,     ///< credentials fine, the request is not allowed
    // requests (RFC 3903, 6665 and their HTTP likes)
    not_found,
    condition_failed,    ///< entity tag unknown or out of date: SIP 412
    interval_too_brief,  ///< SIP 423
    conflict,
    unavailable,  ///< the other side cannot be reached now
    unsupported,
};

std::string_view to_string(Reason reason);

struct Error {
    Reason reason;
    std::string detail;  ///< for people; never holds presence content
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> refuse(Reason reason, std::string detail = {}) {
    return tl::make_unexpected(Error{reason, std::move(detail)});
}

}  // namespace presmesh::proto
