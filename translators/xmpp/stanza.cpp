#include "translators/xmpp/stanza.hpp"

#include <algorithm>
#include <array>

namespace presmesh::translators::xmpp {

namespace {

// RFC 6120 section 8.3.3.
constexpr std::array<std::string_view, 22> stanza_conditions = {"bad-request",
                                                                "conflict",
                                                                "feature-not-implemented",
                                                                "forbidden",
                                                                "gone",
                                                                "internal-server-error",
                                                                "item-not-found",
                                                                "jid-malformed",
                                                                "not-acceptable",
                                                                "not-allowed",
                                                                "not-authorized",
                                                                "policy-violation",
                                                                "recipient-unavailable",
                                                                "redirect",
                                                                "registration-required",
                                                                "remote-server-not-found",
                                                                "remote-server-timeout",
                                                                "resource-constraint",
                                                                "service-unavailable",
                                                                "subscription-required",
                                                                "undefined-condition",
                                                                "unexpected-request"};

}  // namespace

Element presence_stanza(std::string_view from, std::string_view to, std::string_view type) {
    Element out("presence", ns_client);
    out.set("from", from).set("to", to);
    if (!type.empty()) out.set("type", type);
    return out;
}

Element error_reply(const Element& stanza, std::string_view type, std::string_view condition, std::string_view text) {
    Element out(stanza.name, stanza.ns);
    if (const auto* to = stanza.attribute("to")) out.set("from", *to);
    if (const auto* from = stanza.attribute("from")) out.set("to", *from);
    if (const auto* id = stanza.attribute("id")) out.set("id", *id);
    out.set("type", "error");
    Element error("error", stanza.ns);
    error.set("type", type).add(Element(condition, ns_stanza_errors));
    if (!text.empty()) error.add(Element("text", ns_stanza_errors).set_text(text));
    return out.add(std::move(error));
}

std::string_view error_condition(const Element& stanza) {
    const auto* error = stanza.child("error", stanza.ns);
    if (error == nullptr) return {};
    for (const auto& child : error->children) {
        const auto* known = std::find(stanza_conditions.begin(), stanza_conditions.end(), child.name);
        if (child.ns == ns_stanza_errors && known != stanza_conditions.end()) return *known;
    }
    return "undefined-condition";
}

std::string to_wire(const Element& stanza) {
    return to_xml(stanza, stanza.ns);
}

}  // namespace presmesh::translators::xmpp
