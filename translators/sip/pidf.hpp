// PIDF (RFC 3863) with the data model (RFC 4479) and RPID (RFC 4480) <-> proto::Presence. MAPPING.md says what becomes
// what.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/bytes.hpp"
#include "proto/presence.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"

namespace presmesh::translators::sip {

inline constexpr std::string_view pidf_media_type = "application/pidf+xml";

struct ParsedPidf {
    std::optional<proto::PresentityUri> entity;  ///< none: a URI that names no presentity, such as one at an IP address
    proto::Presence presence;
};

/// Refuses: too_large (limits::pidf_bytes, xml_depth, xml_elements, xml_expanded_bytes, attributes, services);
/// forbidden_xml (DOCTYPE, entity declarations, processing instructions); malformed (not UTF-8, not well-formed, no
/// entity, a tuple without id, a basic that is neither open nor closed); wrong_namespace (the root is not a PIDF
/// presence). A time that cannot be read is passed over; an element we do not know is kept, also one that says
/// mustUnderstand (RFC 3863 section 4.2.3): that speaks to who reads the document in the end, which we only carry.
///
/// `language`: what the body's Content-Language says, for notes without an xml:lang of their own or around them. Passed
/// over unless it is one language tag.
proto::Result<ParsedPidf> read_pidf(proto::BytesView bytes, std::string_view language = {});

/// `presence` must be one Document::make accepts. The entity is spelled "pres:..." or, in the second form, as given.
std::string write_pidf(const proto::PresentityUri& entity, const proto::Presence& presence);
std::string write_pidf_as(std::string_view entity_uri, const proto::Presence& presence);

/// A service id as an xs:ID, and back: tuple_id(id, ...) is an NCName, service_id(tuple_id(id, ...)) == id. XMPP
/// resources, and whatever is not an NCName, get RFC 8048's "ID-" and every byte but A-Z a-z 0-9 . - as _XX
/// (hexadecimal, upper case).
std::string tuple_id(std::string_view id, bool xmpp_resource);
std::string service_id(std::string_view tuple_id);

/// RFC 8048 section 6.2 note 6: 0 -> 0, 127 -> 1000, between x/127 cut to thousandths. Priorities from 0 to 127 only.
std::uint16_t contact_priority_of(std::int8_t priority);
/// The inverse on those values; every other thousandth goes to the nearest priority.
std::int8_t priority_of(std::uint16_t contact_priority);

}  // namespace presmesh::translators::sip
