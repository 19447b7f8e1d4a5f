#include "translators/xmpp/stanza.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/text.hpp"
#include "tests/support/element_gen.hpp"
#include "translators/xmpp/xml_stream.hpp"

using namespace presmesh;
using namespace presmesh::translators;
using namespace presmesh::translators::xmpp;

namespace {

/// What a receiver reads of `xml` when it stands in a component's stream.
std::optional<Element> received(const std::string& xml) {
    XmlStream stream;
    stream.feed("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>");
    const auto events = stream.feed(xml);
    if (events.size() != 1 || !std::holds_alternative<Element>(events.front())) return std::nullopt;
    return std::get<Element>(events.front());
}

}  // namespace

TEST_CASE("a stanza is written with its namespaces where they change") {
    Element stanza = presence_stanza("a@a.example/x", "b@b.example", "unavailable");
    stanza.add_text("status", "<gone> & \"away\"");
    stanza.add(Element("c", ns_caps).set("ver", "a&\"<"));
    stanza.children.front().set_lang("de");
    CHECK(to_wire(stanza) ==
          "<presence from=\"a@a.example/x\" to=\"b@b.example\" type=\"unavailable\"><status "
          "xml:lang=\"de\">&lt;gone&gt; &amp; "
          "\"away\"</status><c xmlns=\"http://jabber.org/protocol/caps\" ver=\"a&amp;&quot;&lt;\"/></presence>");
}

TEST_CASE("any element comes back as it went, through a component's stream") {
    CHECK(rc::check([](const Element& e) {
        auto stanza = e;
        stanza.tail.clear();
        const auto back = received(to_xml(stanza, ns_client));
        RC_ASSERT(back.has_value());
        RC_ASSERT(*back == stanza);
    }));
}

TEST_CASE("an element of XML's own namespace has its prefix, and those inside keep the namespace around it") {
    Element stanza = presence_stanza("a@a.example/x", "b@b.example", "");
    Element odd("odd", std::string(ns_xml));
    odd.add(Element("inside", std::string(ns_client)).set("k", "v"));
    odd.add(Element("other", "urn:a"));
    odd.add(Element("again", std::string(ns_xml)));
    stanza.add(odd);
    const auto wire = to_wire(stanza);
    CHECK(wire.find("<xml:odd><inside k=\"v\"/><other xmlns=\"urn:a\"/><xml:again/></xml:odd>") != std::string::npos);
    CHECK(received(wire) == stanza);
    CHECK_FALSE(to_extension(odd).has_value());  // FORMAT.md has no such extension
}

TEST_CASE("an extension stands by itself, and its spelling is a fixed point") {
    CHECK(rc::check([](const Element& e) {
        const auto xml = to_extension(e);
        RC_ASSERT(xml.has_value());
        RC_ASSERT(proto::is_extension_xml(*xml));
        RC_ASSERT(proto::extension_name(*xml).name == e.name);
        const auto back = received(*xml);
        RC_ASSERT(back.has_value());
        RC_ASSERT(to_extension(*back) == xml);
    }));
}

TEST_CASE("equal elements are equal extensions, however they were spelled") {
    const auto one = received("<p:x xmlns:p='urn:u' b='2' a='1' q:c='3' xmlns:q='urn:q'>\n  <p:y/>\n </p:x>");
    const auto two = received("<x xmlns='urn:u' xmlns:z='urn:q' z:c='3' a=\"1\" b='2'><y></y></x>");
    REQUIRE((one && two));
    CHECK(to_extension(*one) == to_extension(*two));
    CHECK(*to_extension(*one) == R"(<x xmlns="urn:u" xmlns:a0="urn:q" a="1" b="2" a0:c="3"><y/></x>)");
}

TEST_CASE("text keeps its white space where it is content") {
    CHECK(*to_extension(*received("<x xmlns='u'> a <b/> </x>")) == R"(<x xmlns="u"> a <b/> </x>)");
    CHECK(*to_extension(*received("<x xmlns='u'> </x>")) == R"(<x xmlns="u"> </x>)");
}

TEST_CASE("what cannot be an extension is told") {
    CHECK_FALSE(to_extension(*received("<é xmlns='u'/>")).has_value());
    Element many("x", "u");
    for (int i = 0; i < 100; ++i) many.set("a" + std::to_string(i), "");
    CHECK_FALSE(to_extension(many).has_value());
}

TEST_CASE("characters XML cannot carry never reach a stream") {
    Element stanza = presence_stanza("a@a.example", "b@b.example");
    stanza.add_text("status", std::string("a\0b\x01\xFF\xC3(\xEF\xBF\xBE"
                                          "c",
                                          12));
    const auto back = received(to_wire(stanza));
    REQUIRE(back.has_value());
    CHECK(back->child_text("status", ns_client) == "ab(c");
}

TEST_CASE("an error answers a stanza, and its condition is found") {
    Element stanza = presence_stanza("a@a.example", "b@b.example", "subscribe");
    stanza.set("id", "7").add_text("status", "secret");
    const auto error = error_reply(stanza, "cancel", "item-not-found", "no such user");
    CHECK(error.get("from") == "b@b.example");
    CHECK(error.get("to") == "a@a.example");
    CHECK(error.get("id") == "7");
    CHECK(error.get("type") == "error");
    CHECK(error.child("status", ns_client) == nullptr);
    CHECK(error_condition(error) == "item-not-found");
    CHECK(error_condition(*received(to_wire(error))) == "item-not-found");
    CHECK(error_condition(stanza).empty());
    CHECK(error_condition(Element("presence", ns_client).add(Element("error", ns_client))) == "undefined-condition");
    CHECK(error_condition(error_reply(stanza, "cancel", "made-up-by-the-sender")) == "undefined-condition");
    Element two = error_reply(stanza, "cancel", "made-up-by-the-sender");
    two.children.front().add(Element("gone", ns_stanza_errors));
    CHECK(error_condition(two) == "gone");
}
