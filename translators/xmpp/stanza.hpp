// Stanzas as values (RFC 6120 section 8): the names they use, and the few that are built everywhere.
#pragma once

#include <string>
#include <string_view>

#include "proto/result.hpp"
#include "translators/xml_element.hpp"

namespace presmesh::translators::xmpp {

using translators::Attribute;
using translators::Element;

// Stanzas are in jabber:client here, whatever the stream calls its content (XmlStream maps it): one name to look for.
inline constexpr std::string_view ns_client = "jabber:client";
inline constexpr std::string_view ns_component = "jabber:component:accept";
inline constexpr std::string_view ns_server = "jabber:server";
inline constexpr std::string_view ns_streams = "http://etherx.jabber.org/streams";
inline constexpr std::string_view ns_stanza_errors = "urn:ietf:params:xml:ns:xmpp-stanzas";
inline constexpr std::string_view ns_stream_errors = "urn:ietf:params:xml:ns:xmpp-streams";
inline constexpr std::string_view ns_caps = "http://jabber.org/protocol/caps";  // XEP-0115
inline constexpr std::string_view ns_idle = "urn:xmpp:idle:1";                  // XEP-0319
inline constexpr std::string_view ns_disco_info = "http://jabber.org/protocol/disco#info";
inline constexpr std::string_view ns_ping = "urn:xmpp:ping";  // XEP-0199

/// <presence/>; `type` empty for available.
Element presence_stanza(std::string_view from, std::string_view to, std::string_view type = {});

/// The stanza that answers `stanza` with an error (RFC 6120 section 8.3): addresses swapped, id kept, content not
/// repeated. `type` is one of auth, cancel, continue, modify, wait; `condition` one of section 8.3.3.
Element error_reply(const Element& stanza, std::string_view type, std::string_view condition,
                    std::string_view text = {});

/// The condition inside a stanza's <error/>, one of RFC 6120 section 8.3.3 whatever the sender made up;
/// "undefined-condition" when it has none of these, empty when it has no <error/>.
std::string_view error_condition(const Element& stanza);

/// As sent on any stream: to_xml with the stanza's own namespace inherited from the stream header.
std::string to_wire(const Element& stanza);

}  // namespace presmesh::translators::xmpp
