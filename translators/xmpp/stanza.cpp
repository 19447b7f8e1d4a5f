#include "translators/xmpp/stanza.hpp"

namespace presmesh::translators::xmpp {

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
    for (const auto& child : error->children)
        if (child.ns == ns_stanza_errors && child.name != "text") return child.name;
    return "undefined-condition";
}

std::string to_wire(const Element& stanza) {
    return to_xml(stanza, stanza.ns);
}

}  // namespace presmesh::translators::xmpp
