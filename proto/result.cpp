#include "proto/result.hpp"

namespace presmesh::proto {

// clang-format off
std::string_view to_string(Reason reason) {
    switch (reason) {
        case Reason::malformed: return "malformed";
        case Reason::too_large: return "too_large";
        case Reason::unsupported_version: return "unsupported_version";
        case Reason::not_canonical: return "not_canonical";
        case Reason::forbidden_xml: return "forbidden_xml";
        case Reason::wrong_namespace: return "wrong_namespace";
        case Reason::unsupported_type: return "unsupported_type";
        case Reason::bad_signature: return "bad_signature";
        case Reason::not_admitted: return "not_admitted";
        case Reason::revoked: return "revoked";
        case Reason::not_yet_valid: return "not_yet_valid";
        case Reason::expired: return "expired";
        case Reason::foreign_domain: return "foreign_domain";
        case Reason::wrong_kademlia_id: return "wrong_kademlia_id";
        case Reason::replayed: return "replayed";
        case Reason::older: return "older";
        case Reason::quota: return "quota";
        case Reason::rate_limited: return "rate_limited";
        case Reason::unauthorized: return "unauthorized";
        case Reason::forbidden: return "forbidden";
        case Reason::not_found: return "not_found";
        case Reason::condition_failed: return "condition_failed";
        case Reason::interval_too_brief: return "interval_too_brief";
        case Reason::conflict: return "conflict";
        case Reason::unavailable: return "unavailable";
        case Reason::unsupported: return "unsupported";
    }
    return "unknown";
}
// clang-format on

}  // namespace presmesh::proto
