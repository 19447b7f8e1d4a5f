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

const std::string header =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' "
    "from='gw.example' id='s1'>";

std::vector<StreamEvent> after_header(const std::string& text) {
    XmlStream stream;
    REQUIRE(stream.feed(header).size() == 1);
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
        header + "<handshake/>\n <presence from='a@a.example'><show>away</show></presence></stream:stream>");
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
        std::string text = header;
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
    stream.feed(header);
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

TEST_CASE("nothing grows: every shape of a large stanza is refused at its bound") {
    const std::string ten_megabytes(10'000'000, 'x');
    CHECK(refusal(after_header("<message><body>" + ten_megabytes + "</body></message>")) == Reason::too_large);
    CHECK(refusal(after_header("<message a='" + ten_megabytes + "'/>")) == Reason::too_large);
    CHECK(refusal(after_header("<" + ten_megabytes + "/>")) == Reason::too_large);
    CHECK(refusal(after_header("<a><![CDATA[" + ten_megabytes + "]]></a>")) == Reason::too_large);
    XmlStream stream;
    CHECK(refusal(stream.feed("<stream:stream a='" + ten_megabytes)) == Reason::too_large);

    std::string deep, wide = "<a>", attributes = "<a";
    for (std::size_t i = 0; i <= limits::xml_depth; ++i) deep += "<a>";
    for (std::size_t i = 0; i <= limits::xml_elements; ++i) wide += "<b/>";
    for (std::size_t i = 0; i <= limits::stanza_attributes; ++i) attributes += " b" + std::to_string(i) + "=''";
    CHECK(refusal(after_header(deep)) == Reason::too_large);
    CHECK(refusal(after_header(wide)) == Reason::too_large);
    CHECK(refusal(after_header(attributes + "/>")) == Reason::too_large);
}

TEST_CASE("white space may come for ever") {
    XmlStream stream;
    stream.feed(header);
    const std::string blanks(10'000, ' ');
    for (int i = 0; i < 100; ++i) CHECK(stream.feed(blanks).empty());
    CHECK(stream.feed("<presence/>").size() == 1);
}

TEST_CASE("a stream outlives its parser: namespaces of the header stay known through every renewal") {
    XmlStream stream;
    stream.feed(header);
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
    CHECK(std::holds_alternative<StreamStart>(stream.feed(header).front()));
}
