// An XMPP stream's bytes, as events (RFC 6120 sections 4 and 11). No socket: whoever owns one feeds what it reads.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/result.hpp"
#include "translators/xmpp/stanza.hpp"

namespace presmesh::translators::xmpp {

/// <stream:stream ...> has come.
struct StreamStart {
    std::string content_namespace;  ///< "jabber:component:accept", "jabber:client", "jabber:server"
    std::vector<Attribute> attributes;
    std::string_view get(std::string_view name) const;
};
/// A stanza over limits::stanza_bytes, xml_depth, xml_elements, xml_expanded_bytes or stanza_attributes was read past:
/// what is needed to answer it, its name and its from, to, id and type. Others share the stream, which goes on.
struct OversizeStanza {
    Element head;
};
/// </stream:stream> has come; the other side sends no more.
struct StreamEnd {};

/// A whole first-level child is an Element; those of the stream's content namespace are delivered in jabber:client,
/// however deep they stand. An Error is the last event of a stream.
using StreamEvent = std::variant<StreamStart, Element, OversizeStanza, StreamEnd, proto::Error>;

/// Refuses forbidden_xml (DOCTYPE, processing instructions, comments: RFC 6120 section 11.1), too_large (a header over
/// limits::stanza_bytes, a stanza over skipped_stanza_bytes or _depth, a tag over skipped_tag_bytes), wrong_namespace
/// (the root is not a stream), malformed (not well-formed, not UTF-8, text between stanzas). Holds at most about one
/// stanza, however much is fed and however long the stream lives.
class XmlStream {
  public:
    XmlStream();
    ~XmlStream();
    XmlStream(XmlStream&&) noexcept;
    XmlStream& operator=(XmlStream&&) noexcept;

    /// Everything that `bytes` completed, in order. After StreamEnd or an Error: nothing.
    std::vector<StreamEvent> feed(proto::BytesView bytes);
    std::vector<StreamEvent> feed(std::string_view text) { return feed(proto::as_bytes(text)); }

    /// For a new connection, or a new stream on an old one.
    void reset();

  private:
    class Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace presmesh::translators::xmpp
