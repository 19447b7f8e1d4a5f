#include "translators/xmpp/xml_stream.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "tests/support/element_gen.hpp"

using namespace presmesh;
using namespace presmesh::translators;
using namespace presmesh::translators::xmpp;
using proto::Reason;
namespace limits = presmesh::proto::limits;

namespace {

const std::string stream_header =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' "
    "from='gw.example' id='s1'>";

std::vector<StreamEvent> after_header(const std::string& text) {
    XmlStream stream;
    REQUIRE(stream.feed(stream_header).size() == 1);
    return stream.feed(text);
}

Reason refusal(const std::vector<StreamEvent>& events) {
    REQUIRE_FALSE(events.empty());
    REQUIRE(std::holds_alternative<proto::Error>(events.back()));
    return std::get<proto::Error>(events.back()).reason;
}

}  // namespace

TEST_CASE("a stream starts, carries stanzas, ends") {
    XmlStream stream;
    const auto events = stream.feed(
        stream_header + "<handshake/>\n <presence from='a@a.example'><show>away</show></presence></stream:stream>");
    REQUIRE(events.size() == 4);
    const auto& start = std::get<StreamStart>(events[0]);
    CHECK(start.content_namespace == ns_component);
    CHECK(start.get("id") == "s1");
    CHECK(std::get<Element>(events[1]).is("handshake", ns_client));
    CHECK(std::get<Element>(events[2]).child_text("show", ns_client) == "away");
    CHECK(std::holds_alternative<StreamEnd>(events[3]));
    CHECK(stream.feed("<more/>").empty());
}

TEST_CASE("a stream may come in any pieces") {
    CHECK(rc::check([](const std::vector<Element>& stanzas) {
        std::string text = stream_header;
        for (auto stanza : stanzas) text += to_xml(stanza, ns_client) + " ";
        const auto size = *rc::gen::inRange<std::size_t>(1, 40);
        XmlStream stream;
        std::vector<Element> got;
        for (std::size_t at = 0; at < text.size();) {
            for (auto& event : stream.feed(std::string_view(text).substr(at, size)))
                if (auto* e = std::get_if<Element>(&event)) got.push_back(std::move(*e));
            at += size;
        }
        auto want = stanzas;
        for (auto& e : want) e.tail.clear();
        RC_ASSERT(got == want);
    }));
}

TEST_CASE("a stanza is delivered with its last byte, not later") {
    XmlStream stream;
    stream.feed(stream_header);
    const std::string stanza = "<presence from='somebody@a.example/some-resource' to='b@b.example'/>";
    for (std::size_t i = 0; i + 1 < stanza.size(); ++i)
        CHECK(stream.feed(std::string_view(stanza).substr(i, 1)).empty());
    CHECK(stream.feed(">").size() == 1);
}

TEST_CASE("what RFC 6120 section 11 forbids is refused by name") {
    XmlStream stream;
    CHECK(refusal(stream.feed("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>")) == Reason::forbidden_xml);
    CHECK(refusal(after_header("<?pi x?>")) == Reason::forbidden_xml);
    CHECK(refusal(after_header("<presence><!-- c --></presence>")) == Reason::forbidden_xml);
    CHECK(refusal(after_header("<presence>&undefined;</presence>")) == Reason::malformed);
    CHECK(refusal(after_header("text")) == Reason::malformed);
    CHECK(refusal(after_header("<a></b>")) == Reason::malformed);
    CHECK(refusal(after_header("<p:a/>")) == Reason::malformed);
    CHECK(refusal(after_header("<a b='1' b='2'/>")) == Reason::malformed);
    CHECK(refusal(after_header("<a>\xC3(</a>")) == Reason::malformed);
    CHECK(refusal(after_header(std::string("<a>\0</a>", 8))) == Reason::malformed);
    CHECK(refusal(after_header("<a>&#0;</a>")) == Reason::malformed);
    XmlStream other;
    CHECK(refusal(other.feed("<html xmlns='http://www.w3.org/1999/xhtml'>")) == Reason::wrong_namespace);
}

TEST_CASE("a stream in UTF-16 is refused at its first byte that is none of UTF-8") {
    for (const auto& start : {std::string("<\0s\0", 4), std::string("\xFF\xFE<\0", 4), std::string("\xFE\xFF", 2),
                              std::string("p\0\xB3", 3)}) {
        XmlStream stream;
        CHECK(refusal(stream.feed(start)) == Reason::malformed);
    }
}

TEST_CASE("stanzas before a fault are still delivered") {
    const auto events = after_header("<presence/><a></b>");
    REQUIRE(events.size() == 2);
    CHECK(std::get<Element>(events[0]).is("presence", ns_client));
    CHECK(refusal(events) == Reason::malformed);
}

TEST_CASE("a billion laughs is a DOCTYPE, and a DOCTYPE is refused") {
    std::string bomb = "<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol0 'lol'>";
    for (int i = 1; i < 10; ++i) {
        bomb += "<!ENTITY lol" + std::to_string(i) + " '";
        for (int k = 0; k < 10; ++k) bomb += "&lol" + std::to_string(i - 1) + ";";
        bomb += "'>";
    }
    XmlStream stream;
    const auto events = stream.feed(bomb + "]><lolz>&lol9;</lolz>");
    CHECK(events.size() == 1);
    CHECK(refusal(events) == Reason::forbidden_xml);
}

namespace {

/// The one stanza that was read past, which another one followed.
Element skipped(const std::string& stanza, std::size_t piece = std::string::npos) {
    XmlStream stream;
    stream.feed(stream_header);
    std::vector<StreamEvent> events;
    const auto text = std::string_view(stanza);
    for (std::size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at))
        for (auto& event : stream.feed(text.substr(at, piece))) events.push_back(std::move(event));
    for (auto& event : stream.feed("<presence from='b@b.example'/>")) events.push_back(std::move(event));
    REQUIRE(events.size() == 2);
    CHECK(std::get<Element>(events[1]).get("from") == "b@b.example");
    REQUIRE(std::holds_alternative<OversizeStanza>(events[0]));
    return std::get<OversizeStanza>(events[0]).head;
}

/// `before`, `unit` repeated until the stanza is over its bound in bytes, `after`.
std::string large(const std::string& before, const std::string& unit, const std::string& after) {
    std::string out = before;
    while (out.size() <= limits::stanza_bytes) out += unit;
    return out + after;
}

}  // namespace

TEST_CASE("a stanza over a bound is read past, its head is kept, and the stream goes on") {
    const auto half = std::string(limits::stanza_bytes / 2, 'u');
    std::string nested, closed, many, attributes, prefixed, prefixed_attributes;
    for (std::size_t i = 0; i < 80'000; ++i) nested += "<a>", closed += "</a>";
    for (std::size_t i = 0; i <= limits::xml_elements; ++i) many += "<b/>";
    for (std::size_t i = 0; i <= limits::stanza_attributes; ++i) attributes += " b" + std::to_string(i) + "=''";
    for (std::size_t i = 0; i < 20; ++i)
        prefixed += "<p:b/>", prefixed_attributes += " p:b" + std::to_string(i) + "=''";
    const std::string head = "<message from='a@x.example/r' to='c@a.example' id='m1' type='chat' xml:lang='de'";
    for (const auto& stanza :
         {large(head + "><body>", "x", "</body></message>"),
          large(head + "><body><![CDATA[", "x", "]]></body></message>"), large(head + ">", "<b>text</b>", "</message>"),
          large(head + " a='", "x", "'>some <b/>text</message>"), head + ">" + nested + "deep" + closed + "</message>",
          head + ">" + many + "</message>", head + attributes + "/>", head + "><b" + attributes + "/></message>",
          head + "><x xmlns:p='" + half + "'>" + prefixed + "</x></message>",
          head + "><x xmlns:p='" + half + "'" + prefixed_attributes + "/></message>"}) {
        for (const std::size_t piece : {std::string::npos, std::size_t{1'000}}) {
            const auto kept = skipped(stanza, piece);
            CHECK(kept.is("message", ns_client));
            CHECK(kept.get("from") == "a@x.example/r");
            CHECK(kept.get("to") == "c@a.example");
            CHECK(kept.get("id") == "m1");
            CHECK(kept.get("type") == "chat");
            CHECK(kept.attributes.size() == 4);
            CHECK(kept.children.empty());
            CHECK(kept.text.empty());
        }
    }
    CHECK(skipped(large("<iq id='", "x", "'/>")).attributes.empty());
}

TEST_CASE("the bound on a stanza is the same, however it comes in pieces") {
    for (const std::size_t size : {limits::stanza_bytes, limits::stanza_bytes + 1}) {
        const auto stanza = "<a>" + std::string(size - 7, 'x') + "</a>";
        for (const std::size_t piece : {1ul, 4'095ul, 65'536ul, 100'000ul}) {
            XmlStream stream;
            stream.feed(stream_header);
            std::vector<StreamEvent> events;
            for (std::size_t at = 0; at < stanza.size(); at += piece)
                for (auto& event : stream.feed(std::string_view(stanza).substr(at, piece)))
                    events.push_back(std::move(event));
            REQUIRE(events.size() == 1);
            CHECK(std::holds_alternative<OversizeStanza>(events[0]) == (size > limits::stanza_bytes));
        }
    }
}

TEST_CASE("many skipped stanzas leave nothing behind; one that cannot be skipped ends the stream") {
    XmlStream stream;
    stream.feed(stream_header);
    const auto stanza = large("<a id='1'>", "<b>text</b>", "</a>");
    for (int i = 0; i < 100; ++i) {
        const auto events = stream.feed(stanza);
        REQUIRE(events.size() == 1);
        CHECK(std::get<OversizeStanza>(events[0]).head.get("id") == "1");
    }
    const std::string eleven_megabytes(11'000'000, 'x');
    CHECK(refusal(after_header("<message><body>" + eleven_megabytes)) == Reason::too_large);
    CHECK(refusal(after_header("<message a='" + eleven_megabytes + "'/>")) == Reason::too_large);
    CHECK(refusal(after_header("<" + eleven_megabytes + "/>")) == Reason::too_large);
    CHECK(refusal(after_header("<a><![CDATA[" + eleven_megabytes)) == Reason::too_large);
    XmlStream headless;
    CHECK(refusal(headless.feed("<stream:stream a='" + eleven_megabytes)) == Reason::too_large);
    std::string deep;
    for (std::size_t i = 0; i <= limits::skipped_stanza_depth; ++i) deep += "<a>";
    CHECK(refusal(after_header(deep)) == Reason::too_large);
    CHECK(refusal(after_header(large("<a>", "x", "<b></a>"))) == Reason::malformed);
}

TEST_CASE("white space may come for ever") {
    XmlStream stream;
    stream.feed(stream_header);
    const std::string blanks(10'000, ' ');
    for (int i = 0; i < 100; ++i) CHECK(stream.feed(blanks).empty());
    CHECK(stream.feed("<presence/>").size() == 1);
}

TEST_CASE("a stream outlives its parser: namespaces of the header stay known through every renewal") {
    XmlStream stream;
    stream.feed(stream_header);
    std::size_t got = 0;
    for (int i = 0; i < 600; ++i) {
        const auto name = "n" + std::to_string(i);
        const auto stanza = "<" + name + " k='" + std::string(3000, 'v') + "'><stream:x/></" + name + "> ";
        for (const auto& event : stream.feed(stanza + stanza)) {
            REQUIRE(std::holds_alternative<Element>(event));
            const auto& e = std::get<Element>(event);
            REQUIRE(e.is(name, ns_client));
            REQUIRE(e.child("x", ns_streams) != nullptr);
            ++got;
        }
    }
    CHECK(got == 1200);
    CHECK(std::holds_alternative<StreamEnd>(stream.feed("</stream:stream>").front()));
}

TEST_CASE("after reset a stream starts anew") {
    XmlStream stream;
    CHECK(refusal(stream.feed("<nonsense/>")) == Reason::wrong_namespace);
    stream.reset();
    CHECK(std::holds_alternative<StreamStart>(stream.feed(stream_header).front()));
}
