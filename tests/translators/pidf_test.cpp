#include "translators/sip/pidf.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence_gen.hpp"

using namespace presmesh;
using namespace presmesh::proto;
using namespace presmesh::translators;
using namespace presmesh::translators::sip;
using testing::alice;

namespace {

const std::string root =
    "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' "
    "xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:alice@a.example'>";

Presence read(const std::string& xml) {
    auto parsed = read_pidf(as_bytes(xml));
    REQUIRE_MESSAGE(parsed.has_value(), parsed.error().detail);
    CHECK(parsed->entity.value().canonical() == "alice@a.example");
    return parsed->presence;
}
Reason reason_of(const std::string& xml) {
    auto parsed = read_pidf(as_bytes(xml));
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error().reason;
}
Presence inside(const std::string& children) {
    return read(root + children + "</presence>");
}
Reason refused(const std::string& children) {
    return reason_of(root + children + "</presence>");
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// What MAPPING.md says PIDF does not carry as it is.
Presence normalized(Presence p) {
    const auto named = [](std::optional<Activities>& activities) {
        if (!activities) return;
        for (auto& name : activities->names) name = name.empty() ? "other:" : name;
    };
    for (auto& s : p.services) named(s.activities);
    for (auto& person : p.persons) named(person.activities);
    for (auto& s : p.services)
        for (auto& id : s.device_ids) id = trimmed(id);
    for (auto& d : p.devices) d.device_id = trimmed(d.device_id);
    for (auto& s : p.services) {
        const bool implied = s.show && s.activities && s.activities->notes.empty() && !s.activities->from &&
                             !s.activities->until &&
                             s.activities->names == std::vector<std::string>{*s.show == Show::dnd ? "busy" : "away"};
        if (implied && *s.show != Show::chat) s.activities.reset();
        if (s.priority && *s.priority >= 0 && s.contact_priority == contact_priority_of(*s.priority))
            s.contact_priority.reset();
    }
    return p;
}

}  // namespace

TEST_CASE("any document goes to PIDF and comes back") {
    CHECK(rc::check([](const Presence& presence) {
        const auto xml = write_pidf(alice, presence);
        auto back = read_pidf(as_bytes(xml));
        RC_ASSERT(back.has_value());
        RC_ASSERT(back->entity == alice);
        RC_ASSERT(back->presence == normalized(presence));
        RC_ASSERT(Document::make(back->presence).has_value());
    }));
}

TEST_CASE("RFC 8048 example 19: a stanza's tuple, with show") {
    const auto p = read(
        "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf'\n   "
        "entity='pres:alice@a.example'>\n"
        "  <tuple id='ID-yn0cl4bnw0yr3vym'>\n    <status>\n      <basic>open</basic>\n"
        "      <show xmlns='jabber:client'>away</show>\n    </status>\n  </tuple>\n</presence>");
    REQUIRE(p.services.size() == 1);
    CHECK(p.services[0].id == "yn0cl4bnw0yr3vym");
    CHECK(p.services[0].basic == Basic::open);
    CHECK(p.services[0].show == Show::away);
    CHECK(p.services[0].status_extensions.empty());
}

TEST_CASE("what is written: show, RPID activity, priority and note side by side") {
    Presence p;
    Service s;
    s.id = "Handy büro";
    s.basic = Basic::open;
    s.show = Show::dnd;
    s.priority = std::int8_t{1};
    s.notes = {{"en", "not <now>"}};
    p.services = {s};
    CHECK(write_pidf(alice, p) ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
          "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"pres:alice@a.example\"><tuple "
          "id=\"ID-Handy_20b_C3_BCro\"><status><basic>open</basic><show xmlns=\"jabber:client\">dnd</show></status>"
          "<rpid:activities><rpid:busy/></rpid:activities><priority xmlns=\"jabber:client\">1</priority>"
          "<contact priority=\"0.007\">pres:alice@a.example</contact><note xml:lang=\"en\">not "
          "&lt;now&gt;</note></tuple></presence>\n");
}

TEST_CASE("baresip's form") {
    const auto p = read(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"\r\n"
        "    xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"\r\n    "
        "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"\r\n"
        "    entity=\"sip:alice@a.example\">\r\n  <dm:person id=\"p4159\"><rpid:activities/></dm:person>\r\n"
        "  <tuple id=\"t4109\">\r\n    <status>\r\n      <basic>open</basic>\r\n    </status>\r\n"
        "    <contact>sip:alice@a.example</contact>\r\n  </tuple>\r\n</presence>\r\n");
    REQUIRE(p.services.size() == 1);
    CHECK(p.services[0].id == "t4109");
    CHECK(p.services[0].contact == "sip:alice@a.example");
    REQUIRE(p.persons.size() == 1);
    CHECK(p.persons[0].activities == Activities{});
    CHECK(p.is_open());
}

TEST_CASE("pjsip's and Linphone's form: person note and activities, tuple note, timestamps") {
    const auto p = inside(
        "<tuple id='xyz'><status><basic>open</basic></status><contact priority='0.8'>sip:alice@192.0.2.1</contact>"
        "<note>On the phone</note><timestamp>2023-05-01T10:00:00.5+02:00</timestamp></tuple>"
        "<dm:person id='pj1'><rpid:activities><rpid:on-the-phone/><rpid:other>chess &amp; "
        "tea</rpid:other></rpid:activities>"
        "<dm:note xml:lang='en'>busy</dm:note></dm:person><note>whole document</note>");
    CHECK(p.services[0].contact_priority == 800);
    CHECK(p.services[0].notes == std::vector<Note>{{"", "On the phone"}});
    CHECK(p.services[0].timestamp == from_rfc3339("2023-05-01T08:00:00.5Z"));
    CHECK(p.persons[0].activities->names == std::vector<std::string>{"on-the-phone", "other:chess & tea"});
    CHECK(p.persons[0].notes == std::vector<Note>{{"en", "busy"}});
    CHECK(p.notes == std::vector<Note>{{"", "whole document"}});
}

TEST_CASE("OpenSIPS's and Kamailio's form: default namespaces redeclared on the way down") {
    const auto p = read(
        "<?xml version=\"1.0\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:alice@a.example\">\n"
        "<tuple id=\"0x8f3\"><status><basic>closed</basic></status></tuple>\n"
        "<person xmlns=\"urn:ietf:params:xml:ns:pidf:data-model\" id=\"p1\">\n"
        "<activities "
        "xmlns=\"urn:ietf:params:xml:ns:pidf:rpid\"><away/></activities><note>gone</note></person></presence>\n");
    CHECK(p.services[0].id == "0x8f3");
    CHECK_FALSE(p.is_open());
    CHECK(p.persons[0].activities->names == std::vector<std::string>{"away"});
    CHECK(p.persons[0].notes == std::vector<Note>{{"", "gone"}});
}

TEST_CASE("prefixes mean what is declared nearest") {
    const auto p = read(
        "<p:presence xmlns:p='urn:ietf:params:xml:ns:pidf' entity='sip:alice@a.example'>"
        "<p:tuple id='a'><p:status><p:basic> open </p:basic></p:status>"
        "<p:x xmlns:p='urn:other' p:k='1'/><note>not PIDF's</note><p:note>PIDF's</p:note></p:tuple></p:presence>");
    CHECK(p.services[0].basic == Basic::open);
    CHECK(p.services[0].notes == std::vector<Note>{{"", "PIDF's"}});
    CHECK(p.services[0].extensions ==
          std::vector<ExtensionXml>{R"(<x xmlns="urn:other" xmlns:a0="urn:other" a0:k="1"/>)",
                                    R"(<note xmlns="">not PIDF's</note>)"});
}

TEST_CASE("elements we do not know are kept, and come back out") {
    const auto p = inside(
        "<tuple id='a'><status><basic>open</basic><geo:x xmlns:geo='urn:geo'><geo:y>1</geo:y></geo:x></status>"
        "<rpid:mood><rpid:happy/></rpid:mood></tuple><cipid xmlns='urn:c'/>");
    CHECK(p.services[0].status_extensions == std::vector<ExtensionXml>{R"(<x xmlns="urn:geo"><y>1</y></x>)"});
    CHECK(p.services[0].extensions ==
          std::vector<ExtensionXml>{R"(<mood xmlns="urn:ietf:params:xml:ns:pidf:rpid"><happy/></mood>)"});
    CHECK(p.extensions == std::vector<ExtensionXml>{R"(<cipid xmlns="urn:c"/>)"});
    CHECK(read(write_pidf(alice, p)) == p);
}

TEST_CASE("a deviceID is the same however its element is laid out") {
    const auto p = inside(
        "<tuple id='a'><status/><dm:deviceID>\n  urn:device:1\n </dm:deviceID></tuple>"
        "<dm:device id='d'><dm:deviceID>\r\n\turn:device:1 </dm:deviceID></dm:device>");
    CHECK(p.services[0].device_ids == std::vector<std::string>{"urn:device:1"});
    CHECK(p.devices[0].device_id == "urn:device:1");
}

TEST_CASE("of activities and idle times the first counts, the others come back as they were") {
    const std::string later =
        "<rpid:activities from='2026-03-02T12:00:00Z'><rpid:vacation/></rpid:activities>"
        "<rpid:user-input>idle</rpid:user-input>";
    const auto p = inside(
        "<tuple id='a'><status><basic>open</basic><rpid:activities><rpid:meal/></rpid:activities></status>"
        "<rpid:user-input>active</rpid:user-input>" +
        later +
        "</tuple><dm:person id='p'><rpid:activities><rpid:meeting/>"
        "</rpid:activities><rpid:user-input>active</rpid:user-input>" +
        later + "</dm:person>");
    const std::vector<ExtensionXml> kept = {
        R"(<activities xmlns="urn:ietf:params:xml:ns:pidf:rpid" from="2026-03-02T12:00:00Z"><vacation/></activities>)",
        R"(<user-input xmlns="urn:ietf:params:xml:ns:pidf:rpid">idle</user-input>)"};
    CHECK(p.services[0].activities->names == std::vector<std::string>{"meal"});
    CHECK(p.services[0].extensions == kept);
    CHECK(p.services[0].status_extensions.empty());
    CHECK(p.persons[0].activities->names == std::vector<std::string>{"meeting"});
    CHECK_FALSE(p.persons[0].user_input->idle);
    CHECK(p.persons[0].extensions == kept);
    CHECK(read(write_pidf(alice, p)) == p);
}

TEST_CASE("languages: the body's, where no element says one") {
    const auto xml = root +
                     "<tuple id='a'><status/><note>un</note><note xml:lang='en'>one</note><note xml:lang=''>1</note>"
                     "</tuple><note>deux</note></presence>";
    const auto notes_of = [&](std::string_view language) {
        const auto parsed = read_pidf(as_bytes(xml), language);
        REQUIRE(parsed.has_value());
        CHECK(parsed->presence.services[0].notes[1].lang == "en");
        CHECK(parsed->presence.services[0].notes[2].lang == "");
        CHECK(parsed->presence.services[0].notes[0].lang == parsed->presence.notes[0].lang);
        return parsed->presence.notes[0].lang;
    };
    CHECK(notes_of("fr") == "fr");
    CHECK(notes_of("zh-Hant-TW") == "zh-Hant-TW");
    for (const std::string bad : {"", "fr, en", "f\xff", "<b>", "\"'"}) CHECK(notes_of(bad) == "");
}

TEST_CASE("languages: a note's own, or the nearest around it") {
    const auto p = inside(
        "<tuple id='a' xml:lang='fr'><status/><note>un</note><note xml:lang='en'>one</note></tuple><note>none</note>");
    CHECK(p.services[0].notes == std::vector<Note>{{"fr", "un"}, {"en", "one"}});
    CHECK(p.notes == std::vector<Note>{{"", "none"}});
}

TEST_CASE("languages: what an element we do not know has around it goes with its words") {
    const auto p = inside(
        "<dm:person id='p' xml:lang='fr'><rpid:mood><rpid:other>serein</rpid:other></rpid:mood>"
        "<rpid:mood xml:lang='de'><rpid:other>heiter</rpid:other></rpid:mood><rpid:privacy><rpid:audio/></rpid:privacy>"
        "</dm:person><x xmlns='urn:x'>none</x>");
    CHECK(p.persons[0].extensions ==
          std::vector<ExtensionXml>{
              R"(<mood xmlns="urn:ietf:params:xml:ns:pidf:rpid" xml:lang="fr"><other>serein</other></mood>)",
              R"(<mood xmlns="urn:ietf:params:xml:ns:pidf:rpid" xml:lang="de"><other>heiter</other></mood>)",
              R"(<privacy xmlns="urn:ietf:params:xml:ns:pidf:rpid"><audio/></privacy>)"});
    CHECK(p.extensions == std::vector<ExtensionXml>{R"(<x xmlns="urn:x">none</x>)"});
    CHECK(read(write_pidf(alice, p)) == p);
}

TEST_CASE("mustUnderstand on what we do not understand is carried to those who may") {
    const auto p = inside(
        "<tuple id='a'><status><basic>open</basic><x xmlns='urn:u' xmlns:p='urn:ietf:params:xml:ns:pidf' "
        "p:mustUnderstand='true'/></status></tuple>"
        "<x xmlns='urn:x' xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='1'/>");
    CHECK(p.is_open());
    CHECK(p.services[0].status_extensions.size() == 1);
    CHECK(p.extensions == std::vector<ExtensionXml>{
                              R"(<x xmlns="urn:x" xmlns:a0="urn:ietf:params:xml:ns:pidf" a0:mustUnderstand="1"/>)"});
    CHECK(read(write_pidf(alice, p)) == p);
}

TEST_CASE("ids that are not unique are told apart in document order") {
    const auto p =
        inside("<tuple id='a'><status/></tuple><tuple id='a'><status/></tuple><tuple id='a.2'><status/></tuple>");
    CHECK(p.services[0].id == "a");
    CHECK(p.services[1].id == "a.2");
    CHECK(p.services[2].id == "a.2.2");
    CHECK(read(write_pidf(alice, p)) == p);
}

TEST_CASE("malicious bodies are refused by name") {
    CHECK(reason_of("") == Reason::malformed);
    CHECK(reason_of("<!DOCTYPE presence [<!ENTITY a 'b'>]>" + root + "</presence>") == Reason::forbidden_xml);
    CHECK(reason_of("<!DOCTYPE lolz [<!ENTITY l 'lol'><!ENTITY m '&l;&l;&l;'>]><lolz>&m;</lolz>") ==
          Reason::forbidden_xml);
    CHECK(refused("<?php x?>") == Reason::forbidden_xml);
    CHECK(refused("<!ENTITY a 'b'>") == Reason::forbidden_xml);
    CHECK(refused("<note>&lol;</note>") == Reason::malformed);
    CHECK(refused("<note a='&lol;'/>") == Reason::malformed);
    CHECK(refused("<note>&#0;</note>") == Reason::malformed);
    CHECK(refused("<note>&#xFFFF;</note>") == Reason::malformed);
    CHECK(refused("<note>\xC3(</note>") == Reason::malformed);
    CHECK(refused(std::string("<note>\0</note>", 14)) == Reason::malformed);
    CHECK(refused("<note a='1' a='2'/>") == Reason::malformed);
    CHECK(refused("<q:note/>") == Reason::malformed);
    CHECK(refused("<note q:a='1'/>") == Reason::malformed);
    CHECK(refused("<note></tuple>") == Reason::malformed);
    CHECK(refused("<note") == Reason::malformed);
    CHECK(refused("<tuple><status/></tuple>") == Reason::malformed);
    CHECK(refused("<tuple id=' '><status/></tuple>") == Reason::malformed);
    CHECK(refused("<tuple id='a'><status><basic>maybe</basic></status></tuple>") == Reason::malformed);
    CHECK(reason_of(root + "</presence><presence/>") == Reason::malformed);
    CHECK(reason_of("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>") == Reason::malformed);
    CHECK(reason_of("<presence entity='sip:alice@a.example'/>") == Reason::wrong_namespace);
    CHECK(reason_of("<presence xmlns='urn:ietf:params:xml:ns:cpim-pidf' entity='sip:alice@a.example'/>") ==
          Reason::wrong_namespace);
    CHECK(reason_of("<?xml version='1.0' encoding='UTF-16'?>" + root + "</presence>") == Reason::malformed);
}

TEST_CASE("an entity that names no presentity costs no document; who asked knows whose it is") {
    for (const std::string entity : {"sip:alice@192.0.2.1", "sip:alice@[2001:db8::1]:5060", "tel:+15550123", "x"}) {
        const auto parsed =
            read_pidf(as_bytes("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='" + entity +
                               "'><tuple id='a'><status><basic>open</basic></status></tuple></presence>"));
        REQUIRE(parsed.has_value());
        CHECK_FALSE(parsed->entity.has_value());
        CHECK(parsed->presence.is_open());
    }
    CHECK(reason_of("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity=' '/>") == Reason::malformed);
}

TEST_CASE("large bodies are refused at their bound") {
    CHECK(refused("<note>" + std::string(10'000'000, 'x') + "</note>") == Reason::too_large);
    std::string deep, wide, tuples, attributes = "<note";
    for (std::size_t i = 0; i <= limits::xml_depth; ++i) deep += "<a>";
    for (std::size_t i = 0; i <= limits::xml_elements; ++i) wide += "<a/>";
    for (std::size_t i = 0; i <= limits::services_per_document; ++i)
        tuples += "<tuple id='t" + std::to_string(i) + "'/>";
    for (std::size_t i = 0; i <= limits::stanza_attributes; ++i) attributes += " b" + std::to_string(i) + "=''";
    CHECK(refused(deep) == Reason::too_large);
    CHECK(refused(wide) == Reason::too_large);
    CHECK(refused(tuples) == Reason::too_large);
    CHECK(refused(attributes + "/>") == Reason::too_large);
}

TEST_CASE("what is said once and counts for many elements does not grow with them") {
    const std::string lots(200'000, 'u');
    std::string elements, activities, attributed, notes;
    for (int i = 0; i < 4000; ++i) elements += "<p:a/>";
    for (int i = 0; i < 20; ++i) notes += "<note/>";
    for (int i = 0; i < 60; ++i) attributed += " p:b" + std::to_string(i) + "=''";
    const auto open = "<x xmlns='urn:x' xmlns:p='" + lots + "'";
    CHECK(refused(open + ">" + elements + "</x>") == Reason::too_large);
    CHECK(refused(open + attributed + "/>") == Reason::too_large);
    CHECK(refused("<tuple id='a'><rpid:activities xmlns:p='" + lots + "'>" + elements + "</rpid:activities></tuple>") ==
          Reason::too_large);
    CHECK(refused("<tuple id='a' xml:lang='" + lots + "'>" + notes + "</tuple>") == Reason::too_large);
    // As many elements as are allowed, of a namespace as long as they come.
    inside("<x xmlns='urn:x' xmlns:p='urn:ietf:params:xml:ns:pidf:caps'>" + elements + "</x>");
}

TEST_CASE("tuple ids are NCNames, and give back any id") {
    CHECK(tuple_id("t4109", false) == "t4109");
    CHECK(tuple_id("t4109", true) == "ID-t4109");
    CHECK(tuple_id("4109", false) == "ID-4109");
    CHECK(tuple_id("ID-x", false) == "ID-ID-x");
    CHECK(service_id("ID-my_phone") == "my_phone");
    CHECK(rc::check([] {
        const auto id = *testing::text_gen();
        const bool resource = *rc::gen::arbitrary<bool>();
        const auto written = tuple_id(id, resource);
        RC_ASSERT(service_id(written) == id);
        RC_ASSERT(written.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") ==
                  std::string::npos);
    }));
}

TEST_CASE("RFC 8048 note 6: all 128 priorities are mapped, distinct, and come back") {
    CHECK(contact_priority_of(0) == 0);
    CHECK(contact_priority_of(1) == 7);
    CHECK(contact_priority_of(2) == 15);
    CHECK(contact_priority_of(126) == 992);
    CHECK(contact_priority_of(127) == 1000);
    for (int x = 0; x <= 127; ++x) {
        CHECK(priority_of(contact_priority_of(static_cast<std::int8_t>(x))) == x);
        if (x > 0)
            CHECK(contact_priority_of(static_cast<std::int8_t>(x)) >
                  contact_priority_of(static_cast<std::int8_t>(x - 1)));
    }
}

TEST_CASE("negative priorities are not mapped to contact priority, and are kept") {
    for (int x = -128; x <= 127; ++x) {
        Presence p;
        p.services.resize(1);
        p.services[0].id = "r";
        p.services[0].priority = static_cast<std::int8_t>(x);
        const auto xml = write_pidf(alice, p);
        CHECK((xml.find("<contact") == std::string::npos) == (x < 0));
        CHECK(read(xml) == p);
    }
}

TEST_CASE("contact priorities as others write them") {
    const auto priority = [](const std::string& text) {
        return inside("<tuple id='a'><status/><contact priority='" + text + "'>sip:a@b</contact></tuple>")
            .services[0]
            .contact_priority;
    };
    CHECK(priority("0") == 0);
    CHECK(priority("1.000") == 1000);
    CHECK(priority(".5") == 500);
    CHECK(priority("0.5559") == 555);
    CHECK(priority("10") == 1000);
    CHECK_FALSE(priority("high").has_value());
    CHECK_FALSE(priority("").has_value());
}
