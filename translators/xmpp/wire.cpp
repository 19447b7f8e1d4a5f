#include "translators/xmpp/wire.hpp"

namespace presmesh::translators::xmpp {

Wire::Wire(const XmppSettings& settings, proto::Random& random) : settings_(settings), addresses_(settings) {
    for (const auto& component : settings_.components) {
        components_.push_back(std::make_unique<Component>(component, settings_, random));
    }
}

bool Wire::up(const proto::PresentityUri& user) const {
    const auto address = addresses_.of_user(user);
    return address && up(address->component);
}

bool Wire::send(proto::Now now, const proto::PresentityUri& user, std::string_view resource, std::string_view to,
                Element stanza) {
    const auto address = addresses_.of_user(user);
    if (!address || !up(address->component)) return false;
    auto from = address->jid;
    if (!resource.empty()) from += "/" + std::string(resource);
    stanza.set("from", from).set("to", to);
    return send_raw(now, address->component, stanza);
}

bool Wire::send(proto::Now now, const proto::PresentityUri& user, std::string_view to, std::string_view type) {
    return send(now, user, {}, to, presence_stanza({}, {}, type));
}

bool Wire::send_raw(proto::Now now, std::size_t component, const Element& stanza) {
    const bool sent = components_[component]->send(now, to_wire(stanza));
    const auto type = stanza.get("type");
    host_->count(sent ? "xmpp_sent" : "xmpp_unsent", stanza.name + (type.empty() ? "" : "." + std::string(type)));
    return sent;
}

}  // namespace presmesh::translators::xmpp
