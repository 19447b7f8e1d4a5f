// Any bytes on a stream, in two cuts: never a crash, the same events; every stanza goes out and comes back as it was,
// as an extension too.
#include "proto/assert.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/xml_stream.hpp"

using namespace presmesh::proto;
using namespace presmesh::translators;
using xmpp::XmlStream;

namespace {

// A stream of jabber:client: on one of a component, elements of jabber:component:accept come as jabber:client.
constexpr std::string_view header = "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>";

void check_stanza(const Element& stanza) {
    const auto wire = to_xml(stanza, xmpp::ns_client);
    if (wire.size() > limits::stanza_bytes) return;
    XmlStream stream;
    stream.feed(header);
    const auto back = stream.feed(wire);
    PRESMESH_ASSERT(back.size() == 1 && std::get<Element>(back.front()) == stanza);
    if (const auto extension = to_extension(stanza)) PRESMESH_ASSERT(is_extension_xml(*extension));
    if (const auto service = xmpp::service_of(stanza)) {
        Presence presence;
        xmpp::apply(presence, *service);
        if (Document::make(presence)) xmpp::presence_stanzas(presence, nullptr, "a@a.example", "b@b.example", {});
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    crypto_init();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView bytes(data, size);
    XmlStream whole;
    const auto events = whole.feed(bytes);
    XmlStream cut;
    auto pieces = cut.feed(bytes.first(size / 2));
    for (auto& event : cut.feed(bytes.subspan(size / 2))) pieces.push_back(std::move(event));
    PRESMESH_ASSERT(events.size() == pieces.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        PRESMESH_ASSERT(events[i].index() == pieces[i].index());
        if (const auto* stanza = std::get_if<Element>(&events[i])) {
            PRESMESH_ASSERT(*stanza == std::get<Element>(pieces[i]));
            check_stanza(*stanza);
        }
    }
    return 0;
}
