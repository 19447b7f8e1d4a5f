// What a component answers beside presence: iq requests (RFC 6120 section 8.2.3 asks for an answer to each) and
// messages.
#pragma once

#include <optional>

#include "translators/xmpp/stanza.hpp"

namespace presmesh::translators::xmpp {

/// Whom a stanza was sent to.
enum class Target : std::uint8_t { host, user, resource, nobody };

/// A result for disco#info, disco#items and ping, an error for every other request; none for results and errors, so
/// that no two services answer each other for ever.
std::optional<Element> answer_iq(const Element& iq, Target target);
/// We carry presence only: service-unavailable, and none for errors.
std::optional<Element> answer_message(const Element& message);

}  // namespace presmesh::translators::xmpp
