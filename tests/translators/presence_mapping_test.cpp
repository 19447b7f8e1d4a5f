#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "tests/support/presence_gen.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/xml_stream.hpp"

using namespace presmesh;
using namespace presmesh::proto;
using namespace presmesh::translators;
using namespace presmesh::translators::xmpp;

namespace {

const WallTime noon = from_rfc3339("2026-03-01T12:00:00Z").value();

/// A stanza as it comes out of a stream.
Element parsed(const std::string& xml) {
    XmlStream stream;
    stream.feed("<s:stream xmlns='jabber:component:accept' xmlns:s='http://etherx.jabber.org/streams'>");
    const auto events = stream.feed(xml);
    REQUIRE(events.size() == 1);
    return std::get<Element>(events.front());
}
Service service(const std::string& xml) {
    return service_of(parsed(xml)).value();
}

Service service_of_wire(const Element& stanza) {
    return service_of(parsed(to_wire(stanza))).value();
}

std::vector<std::string> wires(const std::vector<Element>& stanzas) {
    std::vector<std::string> out;
    for (const auto& s : stanzas) out.push_back(to_wire(s));
    return out;
}

Presence one(Service s) {
    Presence p;
    p.services.push_back(std::move(s));
    return p;
}
Presence through_pidf(const Presence& p) {
    const auto alice = PresentityUri::parse("pres:alice@a.example").value();
    return sip::read_pidf(as_bytes(sip::write_pidf(alice, p))).value().presence;
}
Service open_service(std::string id) {
    Service s;
    s.id = std::move(id);
    s.basic = Basic::open;
    return s;
}

/// Stanzas as clients send them: any resource, show, priority, statuses by language, idle, other elements.
rc::Gen<Element> stanza_gen() {
    return rc::gen::exec([] {
        const bool available = *rc::gen::arbitrary<bool>();
        const auto resource = *rc::gen::element<std::string>("phone", "Büro 1", "a/b", "<&>", "ID-x", "_20", "日本");
        Element out = presence_stanza("alice@a.example/" + resource, "bob@b.example", available ? "" : "unavailable");
        const auto show = *rc::gen::element<std::string>("", "away", "chat", "dnd", "xa");
        if (available && !show.empty()) out.add_text("show", show);
        for (const std::string lang : {"", "de", "fr-CA"})
            if (*rc::gen::arbitrary<bool>())
                out.add(Element("status", ns_client).set_lang(lang).set_text(*testing::text_gen()));
        const int priority = *rc::gen::arbitrary<std::int8_t>();
        if (available && priority != 0) out.add_text("priority", std::to_string(priority));
        if (available && *rc::gen::arbitrary<bool>())
            out.add(Element("idle", ns_idle).set("since", to_rfc3339(*testing::wall_time_gen())));
        if (*rc::gen::arbitrary<bool>())
            out.add(Element("c", ns_caps).set("hash", "sha-1").set("node", "http://example.com/#1").set("ver", "q&=="));
        return out;
    });
}

}  // namespace

TEST_CASE("RFC 8048 example 21: closed becomes unavailable") {
    Service s = open_service("dr4hcr0st3lup4c");
    s.basic = Basic::closed;
    CHECK(wires(presence_stanzas(one(s), nullptr, "romeo@example.net", "juliet@example.com/x", noon)) ==
          std::vector<std::string>{
              R"(<presence from="romeo@example.net/dr4hcr0st3lup4c" to="juliet@example.com/x" type="unavailable"/>)"});
}

TEST_CASE("a stanza in full") {
    const auto s = service(
        "<presence from='alice@a.example/balcony' to='b@b.example' xml:lang='en' id='9'><show>away</show><status>be "
        "right back</status>"
        "<status xml:lang='de'>gleich zurück</status><priority> 5 </priority><idle xmlns='urn:xmpp:idle:1' "
        "since='2020-01-01T10:00:00+01:00'/>"
        "<c xmlns='http://jabber.org/protocol/caps' ver='1'/><delay xmlns='urn:xmpp:delay' "
        "stamp='2020-01-01T00:00:00Z'/></presence>");
    CHECK(s.id == "balcony");
    CHECK(s.basic == Basic::open);
    CHECK(s.show == Show::away);
    CHECK(s.priority == 5);
    CHECK(s.notes == std::vector<Note>{{"en", "be right back"}, {"de", "gleich zurück"}});
    CHECK(s.user_input == UserInput{true, from_rfc3339("2020-01-01T09:00:00Z"), {}});
    CHECK(s.extensions == std::vector<ExtensionXml>{R"(<c xmlns="http://jabber.org/protocol/caps" ver="1"/>)"});
    CHECK(wires(presence_stanzas(one(s), nullptr, "alice@a.example", "b@b.example", noon)).front() ==
          "<presence from=\"alice@a.example/balcony\" to=\"b@b.example\"><show>away</show><status xml:lang=\"en\">be "
          "right back</status>"
          "<status xml:lang=\"de\">gleich zurück</status><priority>5</priority><idle xmlns=\"urn:xmpp:idle:1\" "
          "since=\"2020-01-01T09:00:00Z\"/><c xmlns=\"http://jabber.org/protocol/caps\" ver=\"1\"/></presence>");
}

TEST_CASE("any stanza survives XMPP to PIDF to XMPP") {
    CHECK(rc::check([] {
        const auto stanza = parsed(to_wire(*stanza_gen()));
        const auto first = service_of(stanza);
        RC_ASSERT(first.has_value());
        const auto back = through_pidf(one(*first));
        RC_ASSERT(back == one(*first));
        const auto out = presence_stanzas(back, nullptr, "alice@a.example", "bob@b.example", noon);
        RC_ASSERT(out.size() == std::size_t{1});
        RC_ASSERT(parsed(to_wire(out.front())) == stanza);
    }));
}

TEST_CASE("any document becomes stanzas that say the same of each service") {
    CHECK(rc::check([](const Presence& presence) {
        const auto stanzas = presence_stanzas(presence, nullptr, "alice@a.example", "bob@b.example/x", noon);
        RC_ASSERT(stanzas.size() == std::max<std::size_t>(1, presence.services.size()));
        for (std::size_t i = 0; i < presence.services.size(); ++i) {
            const auto& want = presence.services[i];
            const auto got = service_of_wire(stanzas[i]);
            RC_ASSERT(got.id == resource_of(want.id));
            RC_ASSERT((got.basic == Basic::open) == is_available(want));
            RC_ASSERT(got.notes == notes_of(want, presence, noon));
            RC_ASSERT(got.extensions == want.extensions);
            if (!is_available(want)) continue;
            RC_ASSERT(got.show == show_of(want, presence, noon));
            if (want.priority) RC_ASSERT(got.priority == want.priority);
        }
    }));
}

TEST_CASE("every show and every priority survives both ways") {
    for (const std::string show : {"", "away", "chat", "dnd", "xa"})
        for (int priority = -128; priority <= 127; ++priority) {
            Element stanza = presence_stanza("alice@a.example/r", "bob@b.example");
            if (!show.empty()) stanza.add_text("show", show);
            if (priority != 0) stanza.add_text("priority", std::to_string(priority));
            const auto p = through_pidf(one(service_of_wire(stanza)));
            CHECK(wires(presence_stanzas(p, nullptr, "alice@a.example", "bob@b.example", noon)).front() ==
                  to_wire(stanza));
        }
}

TEST_CASE("a tuple's contact priority becomes a stanza's") {
    Service s = open_service("a");
    s.contact_priority = 1000;
    const auto stanzas = presence_stanzas(one(s), nullptr, "a@a.example", "b@b.example", noon);
    CHECK(stanzas.front().child_text("priority", ns_client) == "127");
}

TEST_CASE("show is read in this order: jabber:client, activities of the service, of a person, extended status") {
    Presence p = one(open_service("a"));
    Service& s = p.services.front();
    CHECK_FALSE(show_of(s, p, noon).has_value());
    s.status_extensions = {R"(<extended xmlns="urn:ag-projects:xml:ns:pidf">busy</extended>)"};
    CHECK(show_of(s, p, noon) == Show::dnd);
    p.persons = {Person{"p", Activities{{"vacation"}, {}, {}, {}}, {}, {}, {}, {}}};
    CHECK(show_of(s, p, noon) == Show::xa);
    s.activities = Activities{{"appointment"}, {}, {}, {}};
    CHECK(show_of(s, p, noon) == Show::away);
    s.activities->names.push_back("on-the-phone");
    CHECK(show_of(s, p, noon) == Show::dnd);
    s.show = Show::chat;
    CHECK(show_of(s, p, noon) == Show::chat);
}

TEST_CASE("activities say something while they go on") {
    using namespace std::chrono_literals;
    Presence p = one(open_service("a"));
    Service& s = p.services.front();
    s.activities = Activities{{"vacation"}, {{"", "at sea"}}, noon, noon + 1h};
    p.persons = {Person{"p", Activities{{"meeting", "other:talks"}, {}, noon + 1h, noon + 2h}, {}, {}, {}, {}}};
    CHECK_FALSE(show_of(s, p, noon - 1s));
    CHECK(show_of(s, p, noon) == Show::xa);
    CHECK(show_of(s, p, noon + 1h) == Show::dnd);
    CHECK_FALSE(show_of(s, p, noon + 2h));
    CHECK(notes_of(s, p, noon - 1s).empty());
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"", "at sea"}});
    CHECK(notes_of(s, p, noon + 1h) == std::vector<Note>{{"", "talks"}});
    CHECK(notes_of(s, p, noon + 2h).empty());
    CHECK(next_change(p, noon - 1s) == noon);
    CHECK(next_change(p, noon) == noon + 1h);
    CHECK(next_change(p, noon + 1h) == noon + 2h);
    CHECK_FALSE(next_change(p, noon + 2h));
}

TEST_CASE("status is read in this order: service, its activities, person, document, the person's activities") {
    Presence p = one(open_service("a"));
    Service& s = p.services.front();
    p.persons = {Person{"p", Activities{{"other:sailing"}, {}, {}, {}}, {}, {}, {}, {}}};
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"", "sailing"}});
    p.notes = {{"", "document"}};
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"", "document"}});
    p.persons[0].notes = {{"en", "person"}, {"en", "again"}, {"de", "Person"}};
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"en", "person"}, {"de", "Person"}});
    s.activities = Activities{{"meeting"}, {{"", "till noon"}}, {}, {}};
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"", "till noon"}});
    s.notes = {{"", "service"}};
    CHECK(notes_of(s, p, noon) == std::vector<Note>{{"", "service"}});
}

TEST_CASE("a large note around many services is not repeated by each") {
    Presence p;
    p.persons = {Person{"p", {}, {}, {{"en", std::string(60'000, 'x')}, {"", "short"}}, {}, {}}};
    const auto told = [&](std::size_t services) {
        p.services.clear();
        for (std::size_t i = 0; i < services; ++i) p.services.push_back(open_service("s" + std::to_string(i)));
        REQUIRE(Document::make(p).has_value());
        std::size_t bytes = 0;
        for (const auto& wire : wires(presence_stanzas(p, nullptr, "a@a.example", "b@b.example", noon))) {
            CHECK(wire.find("short") != std::string::npos);
            bytes += wire.size();
        }
        return bytes;
    };
    CHECK(told(4) > 4 * 60'000);
    CHECK(told(limits::services_per_document) < limits::repeated_note_bytes);
}

TEST_CASE("a status has a language tag or none") {
    Service s = open_service("a");
    s.notes = {{"en_US", "color"}, {"en-GB", "colour"}, {"", "hue"}, {"x\"y", "tint"}};
    CHECK(to_wire(presence_stanzas(one(s), nullptr, "a@a.example", "b@b.example", noon).front()) ==
          R"(<presence from="a@a.example/a" to="b@b.example"><status>color</status>)"
          R"(<status xml:lang="en-GB">colour</status></presence>)");
}

TEST_CASE("a document without services says unavailable, with what it has to say") {
    Presence p;
    CHECK(wires(presence_stanzas(p, nullptr, "a@a.example", "b@b.example", noon)) ==
          std::vector<std::string>{R"(<presence from="a@a.example" to="b@b.example" type="unavailable"/>)"});
    p.persons = {Person{"p", Activities{{"away"}, {}, {}, {}}, {}, {{"", "gone"}}, {}, {}}};
    CHECK(wires(presence_stanzas(p, nullptr, "a@a.example", "b@b.example", noon)) ==
          std::vector<std::string>{
              R"(<presence from="a@a.example" to="b@b.example" type="unavailable"><status>gone</status></presence>)"});
    CHECK(presence_stanzas(p, &p, "a@a.example", "b@b.example", noon).empty());
}

TEST_CASE("only what changed is told again; what vanished becomes unavailable, first") {
    Presence before;
    before.services = {open_service("a"), open_service("b"), open_service("c")};
    Presence after = before;
    after.services.erase(after.services.begin());
    after.services[0].show = Show::dnd;
    CHECK(wires(presence_stanzas(after, &before, "u@a.example", "w@b.example", noon)) ==
          std::vector<std::string>{R"(<presence from="u@a.example/a" to="w@b.example" type="unavailable"/>)",
                                   R"(<presence from="u@a.example/b" to="w@b.example"><show>dnd</show></presence>)"});
    CHECK(presence_stanzas(after, &after, "u@a.example", "w@b.example", noon).empty());
    const auto all_gone = presence_stanzas(Presence{}, &after, "u@a.example", "w@b.example", noon);
    CHECK(all_gone.size() == 2);
}

TEST_CASE("an extension never speaks as a stanza's own child") {
    Service s = open_service("a");
    s.extensions = {R"(<show xmlns="jabber:client">xa</show>)", R"(<error xmlns="jabber:component:accept"/>)",
                    R"(<x xmlns=""/>)", R"(<ok xmlns="urn:ok"/>)"};
    CHECK(to_wire(presence_stanzas(one(s), nullptr, "a@a.example", "b@b.example", noon).front()) ==
          R"(<presence from="a@a.example/a" to="b@b.example"><ok xmlns="urn:ok"/></presence>)");
}

TEST_CASE("what tells no presence is refused") {
    const auto reason = [](const std::string& xml) {
        const auto s = service_of(parsed(xml));
        REQUIRE_FALSE(s.has_value());
        return s.error().reason;
    };
    CHECK(reason("<presence from='a@a.example' type='subscribe'/>") == Reason::malformed);
    CHECK(reason("<presence from='a@a.example' type='error'/>") == Reason::malformed);
    CHECK(reason("<message from='a@a.example'/>") == Reason::malformed);
    CHECK(reason("<presence/>") == Reason::malformed);
    CHECK_FALSE(service("<presence from='a@a.example/r'><show>lunch</show></presence>").show.has_value());
}

TEST_CASE("a stanza's language goes with the words of what it carries") {
    const auto s = service(
        "<presence from='a@a.example/r' xml:lang='fr'><x xmlns='urn:x'>serein</x><y xmlns='urn:y' "
        "xml:lang='de'>heiter</y><c xmlns='http://jabber.org/protocol/caps' ver='1'/></presence>");
    CHECK(s.extensions == std::vector<ExtensionXml>{R"(<x xmlns="urn:x" xml:lang="fr">serein</x>)",
                                                    R"(<y xmlns="urn:y" xml:lang="de">heiter</y>)",
                                                    R"(<c xmlns="http://jabber.org/protocol/caps" ver="1"/>)"});
}

TEST_CASE("a priority that cannot be used costs no presence") {
    const auto priority = [](const std::string& text) {
        return service("<presence from='a@a.example/r'><priority>" + text + "</priority></presence>").priority;
    };
    CHECK(priority(" +5 ") == 5);
    for (const std::string none : {"", " ", "high", "5.5", "12a", "999a", "-", "0x10"}) CHECK(priority(none) == 0);
    for (const std::string above : {"128", "1000", "99999999999999999999"}) CHECK(priority(above) == 127);
    for (const std::string below : {"-129", "-99999999999999999999"}) CHECK(priority(below) == -128);
    CHECK(service("<presence from='a@a.example/r' type='unavailable'><priority/></presence>").basic == Basic::closed);
}

TEST_CASE("resources come and go: order leaves no trace, closed ones do not pile up") {
    Presence one_way, other_way;
    for (const char* id : {"a", "b", "c"}) CHECK(apply(one_way, open_service(id)));
    for (const char* id : {"c", "b", "a"}) CHECK(apply(other_way, open_service(id)));
    CHECK(one_way == other_way);
    CHECK_FALSE(apply(one_way, open_service("b")));
    const auto close = [](std::string id) {
        Service s = open_service(std::move(id));
        s.basic = Basic::closed;
        return s;
    };
    CHECK(apply(one_way, close("a")));
    CHECK(one_way.services.size() == 3);
    CHECK(apply(one_way, close("b")));
    CHECK(one_way.services.size() == 2);
    CHECK(one_way.is_open());
    CHECK(apply(one_way, close("c")));
    CHECK(one_way.services.size() == 1);
    CHECK_FALSE(one_way.is_open());
    CHECK(apply(other_way, close("")));
    CHECK(other_way.services.size() == 1);

    Presence full;
    for (std::size_t i = 0; i < limits::services_per_document; ++i)
        CHECK(apply(full, open_service("r" + std::to_string(i))));
    CHECK_FALSE(apply(full, open_service("one more")));
    CHECK(apply(full, close("r0")));
}

TEST_CASE("ids that are no resources get a name that is one") {
    CHECK(resource_of("Büro 1") == "Büro 1");
    for (const auto& id : {std::string("a\nb"), std::string("\xC2\x85"), std::string(2000, 'x')}) {
        CHECK(resource_of(id).starts_with("ID-"));
        CHECK(resource_of(id).size() == 35);
    }
    // What a server's resourceprep refuses, or makes another resource of.
    for (const std::string id : {"טלפון1", "נייד iPhone", "①", "ﬁn", "a\u0301", "\uFFFD", "\uE000", "\u00A0",
                                 "a\u00ADb", "☎\uFE0F", "\u202Ea", "\u1680", "\u2FF0", "\U000E0041", "\u0378"})
        CHECK_MESSAGE(resource_of(id).starts_with("ID-"), id);
    for (const std::string id : {"", "טלפון", "הטלפון 1 שלי", "日本", "📱", "Straße", "a/b@c", "x&<>\"'", "\u00E1"})
        CHECK_MESSAGE(resource_of(id) == id, id);
}
