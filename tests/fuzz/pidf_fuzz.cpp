// Any bytes as PIDF: never a crash; what is accepted, written and read again says the same from then on.
#include "proto/assert.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/presence.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/xml_stream.hpp"

using namespace presmesh::proto;
using namespace presmesh::translators;

namespace {

/// Whatever a PIDF says, its stanzas must not end a stream.
void check_stanzas(const Presence& presence) {
    xmpp::XmlStream stream;
    stream.feed("<s:stream xmlns='jabber:component:accept' xmlns:s='http://etherx.jabber.org/streams'>");
    for (const auto& stanza : xmpp::presence_stanzas(presence, nullptr, "a@a.example", "b@b.example", {})) {
        const auto wire = xmpp::to_wire(stanza);
        if (wire.size() > limits::stanza_bytes) return;
        const auto events = stream.feed(wire);
        PRESMESH_ASSERT(events.size() == 1 && std::holds_alternative<Element>(events.front()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    crypto_init();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto first = sip::read_pidf({data, size});
    if (!first) return 0;
    if (!Document::make(first->presence)) return 0;  // lists longer than a document holds
    const auto entity = first->entity.value_or(*PresentityUri::parse("pres:alice@a.example"));
    const auto written = sip::write_pidf(entity, first->presence);
    const auto second = sip::read_pidf(as_bytes(written));
    if (!second && second.error().reason == Reason::too_large) return 0;
    PRESMESH_ASSERT(second.has_value());
    const auto third = sip::read_pidf(as_bytes(sip::write_pidf(entity, second->presence)));
    PRESMESH_ASSERT(third.has_value() && third->presence == second->presence && third->entity == entity);
    check_stanzas(first->presence);
    return 0;
}
