#include "translators/xmpp/services.hpp"

namespace presmesh::translators::xmpp {

namespace {

constexpr std::string_view ns_disco_items = "http://jabber.org/protocol/disco#items";

Element result(const Element& iq) {
    Element out("iq", ns_client);
    out.set("from", iq.get("to")).set("to", iq.get("from")).set("id", iq.get("id")).set("type", "result");
    return out;
}

Element disco_info(Target target) {
    Element query("query", ns_disco_info);
    Element identity("identity", ns_disco_info);
    if (target == Target::host) {
        identity.set("category", "component").set("type", "presence").set("name", "presmesh");
    } else {
        identity.set("category", "account").set("type", "registered");
    }
    query.add(std::move(identity));
    for (auto feature : {ns_disco_info, ns_disco_items, ns_ping}) {
        query.add(Element("feature", ns_disco_info).set("var", feature));
    }
    return query;
}

Element answer_get(const Element& iq, Target target) {
    if (iq.child("ping", ns_ping)) return result(iq);
    const auto* info = iq.child("query", ns_disco_info);
    const auto* items = iq.child("query", ns_disco_items);
    if ((info && !info->get("node").empty()) || (items && !items->get("node").empty())) {
        return error_reply(iq, "cancel", "item-not-found");
    }
    // Of a resource the federation knows its presence, not what its client can do.
    if (info && target != Target::resource) return result(iq).add(disco_info(target));
    if (items) return result(iq).add(Element("query", ns_disco_items));
    return error_reply(iq, "cancel", "service-unavailable");
}

}  // namespace

std::optional<Element> answer_iq(const Element& iq, Target target) {
    const auto type = iq.get("type");
    if (type == "result" || type == "error") return std::nullopt;
    if ((type != "get" && type != "set") || iq.get("id").empty()) return error_reply(iq, "modify", "bad-request");
    if (target == Target::nobody) return error_reply(iq, "modify", "jid-malformed");
    if (type == "get") return answer_get(iq, target);
    return error_reply(iq, "cancel", "service-unavailable");
}

std::optional<Element> answer_message(const Element& message) {
    if (message.get("type") == "error") return std::nullopt;
    return error_reply(message, "cancel", "service-unavailable");
}

}  // namespace presmesh::translators::xmpp
