#include "node/daemon/extension_text.hpp"

#include "translators/xml_element.hpp"
#include "translators/xmpp/xml_stream.hpp"

namespace presmesh::daemon {

using proto::Reason;
using translators::Element;

namespace {

// The stream parser has every bound and refuses what must be refused; the wrapper's empty default namespace keeps
// elements without one as they are.
constexpr std::string_view opening =
    "<stream:stream xmlns='urn:presmesh:none' xmlns:stream='http://etherx.jabber.org/streams'><w xmlns=''>";
constexpr std::string_view closing = "</w></stream:stream>";

}  // namespace

proto::Result<proto::ExtensionXml> read_extension(std::string_view text) {
    translators::xmpp::XmlStream stream;
    const auto events = stream.feed(std::string(opening) + std::string(text) + std::string(closing));
    if (!events.empty()) {
        if (const auto* error = std::get_if<proto::Error>(&events.back())) return tl::make_unexpected(*error);
    }
    // Text that closes the wrapper and opens another makes more events, or leaves one of them empty.
    const bool whole = events.size() == 3 && std::holds_alternative<translators::xmpp::StreamEnd>(events[2]);
    const auto* wrapper = whole ? std::get_if<Element>(&events[1]) : nullptr;
    const bool one = wrapper != nullptr && wrapper->children.size() == 1 && wrapper->text.empty() &&
                     wrapper->children.front().tail.empty();
    if (!one) return proto::refuse(Reason::malformed, "not one XML element");
    const auto& element = wrapper->children.front();
    auto extension = element.ns.empty() ? std::nullopt : translators::to_extension(element);
    if (!extension)
        return proto::refuse(Reason::malformed, "not an element that can stand in a document (is it of a namespace?)");
    return std::move(*extension);
}

}  // namespace presmesh::daemon
