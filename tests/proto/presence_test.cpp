#include "proto/presence.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/presence_gen.hpp"

using namespace presmesh::proto;
using namespace presmesh::testing;

namespace {

Presence sample() {
    Presence p;
    Service s;
    s.id = "phone";
    s.basic = Basic::open;
    s.show = Show::dnd;
    s.contact = "sip:alice@a.example";
    s.contact_priority = 800;
    s.priority = std::int8_t{-5};
    s.notes = {{"en", "In a meeting"}, {"", "Bitte nicht stören"}};
    s.activities =
        Activities{{"meeting", "other:chess"}, {{"", "till noon"}}, wall_from_seconds(1'600'000'000), std::nullopt};
    s.user_input = UserInput{true, wall_from_seconds(1'600'000'100), 300};
    s.device_ids = {"urn:uuid:1"};
    s.timestamp = wall_from_seconds(1'600'000'200);
    s.status_extensions = {R"(<x xmlns="urn:example:x"/>)"};
    s.extensions = {R"(<c xmlns="http://jabber.org/protocol/caps" ver="1"/>)"};
    p.services = {s};
    p.persons = {Person{"p1", Activities{{"busy"}, {}, {}, {}}, {}, {{"", "hi"}}, {}, {}}};
    p.devices = {Device{"d1", "urn:uuid:1", {}, {}, wall_from_seconds(1'600'000'300), {}}};
    p.notes = {{"", "whole"}};
    p.extensions = {R"(<y xmlns="urn:example:y">t</y>)"};
    return p;
}

Reason reason_of(const Bytes& bytes) {
    auto read = decode_presence(bytes);
    REQUIRE_FALSE(read.has_value());
    return read.error().reason;
}

Bytes with_extension(std::string_view xml) {
    return MsgpackWriter().map(2).uint(0).uint(1).uint(5).array(1).str(xml).take();
}
Bytes with_note(std::string_view text) {
    return MsgpackWriter().map(2).uint(0).uint(1).uint(4).array(1).array(2).str("").str(text).take();
}

}  // namespace

TEST_CASE("a document comes back as it went") {
    CHECK(rc::check([](const Presence& presence) {
        const auto bytes = encode(presence);
        auto back = decode_presence(bytes);
        RC_ASSERT(back.has_value());
        RC_ASSERT(*back == presence);
        RC_ASSERT(encode(*back) == bytes);
    }));
}

TEST_CASE("bytes that are accepted are the one encoding of what they say") {
    CHECK(rc::check([](const Presence& presence) {
        auto bytes = encode(presence);
        const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
        bytes[at] = *rc::gen::arbitrary<std::uint8_t>();
        if (auto read = decode_presence(bytes)) RC_ASSERT(decode_presence(encode(*read)).value() == *read);
    }));
}

TEST_CASE("the golden document of version 1 stays readable, and stays what is written") {
    const auto bytes = golden("document_v1.hex");
    auto read = decode_presence(bytes);
    REQUIRE(read.has_value());
    CHECK(*read == sample());
    CHECK(to_hex(encode(sample())) == to_hex(bytes));
}

TEST_CASE("what is not a document is refused by name") {
    CHECK(reason_of({}) == Reason::malformed);
    CHECK(reason_of({0x80}) == Reason::malformed);
    CHECK(reason_of(MsgpackWriter().map(1).uint(0).uint(2).take()) == Reason::unsupported_version);
    CHECK(reason_of(MsgpackWriter().map(2).uint(0).uint(2).uint(1).uint(7).take()) == Reason::unsupported_version);
    CHECK(reason_of(MsgpackWriter().map(2).uint(0).uint(1).uint(1).array(0).take()) == Reason::not_canonical);
    CHECK(reason_of(MsgpackWriter().map(3).uint(0).uint(1).uint(9).nil().uint(8).nil().take()) ==
          Reason::not_canonical);
    CHECK(reason_of(Bytes(limits::document_bytes + 1, 0)) == Reason::too_large);
    auto longer = encode(sample());
    longer.push_back(0);
    CHECK(reason_of(longer) == Reason::malformed);
}

TEST_CASE("a field of a later minor version is passed over") {
    auto read = decode_presence(MsgpackWriter().map(2).uint(0).uint(1).uint(40).array(2).str("new").nil().take());
    REQUIRE(read.has_value());
    CHECK(*read == Presence{});
}

TEST_CASE("text is strict UTF-8 that XML can carry") {
    CHECK(decode_presence(with_note("tab\tand \U0001F98A")).has_value());
    for (const std::string bad :
         {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\xE2\x82", "\x01", "\xEF\xBF\xBF"})
        CHECK(reason_of(with_note(bad)) == Reason::malformed);
    CHECK(reason_of(with_note(std::string_view("\0", 1))) == Reason::malformed);
}

TEST_CASE("an extension must stand by itself") {
    for (const std::string good : {R"(<a xmlns=""/>)", R"(<a xmlns="u">t&amp;<b k="1"/>&gt;</a>)",
                                   R"(<a xmlns="u" xmlns:a0="v" a0:k="1" k="2" xml:lang="en"/>)"})
        CHECK(decode_presence(with_extension(good)).has_value());
    for (const std::string bad :
         {"", "text", "<a/>", R"(<a xmlns="u">)", R"(<a xmlns="u"/><b xmlns="u"/>)", R"(<p:a xmlns="u"/>)",
          R"(<a xmlns="u" p:k="1"/>)", R"(<a xmlns="u"></b>)", R"(<a xmlns="u"/></presence>)",
          R"(<a xmlns="u">&foo;</a>)", R"(<a xmlns="u"><!-- c --></a>)", R"(<a xmlns="u" k="1" k="2"/>)",
          R"(<?pi?><a xmlns="u"/>)", R"(<a xmlns="u" k="<"/>)", R"(<a xmlns='u'/>)", R"(<a xmlns="u" xmlns:xml="v"/>)",
          R"(<a xmlns="u" xmlns:a="v" xmlns:b="v" a:k="1" b:k="1"/>)", R"(<é xmlns="u"/>)"})
        CHECK_MESSAGE(reason_of(with_extension(bad)) == Reason::malformed, bad);
    std::string deep = R"(<a xmlns="u">)";
    std::string end = "</a>";
    for (int i = 0; i < 40; ++i) deep += "<a>", end += "</a>";
    CHECK(reason_of(with_extension(deep + end)) == Reason::malformed);
}

TEST_CASE("a document is made only of what can be read back") {
    auto whole = sample();
    whole.services[0].published = whole.persons[0].published = whole.devices[0].published =
        wall_from_seconds(1'700'000'000);
    auto made = Document::make(whole);
    REQUIRE(made.has_value());
    CHECK((*made)->digest == blake2b_256((*made)->bytes));
    auto read = Document::read((*made)->bytes);
    REQUIRE(read.has_value());
    CHECK((*read)->presence() == whole);
    CHECK((*read)->digest == (*made)->digest);

    Presence large;
    large.notes = {{"", std::string(limits::document_bytes, 'x')}};
    CHECK(Document::make(large).error().reason == Reason::too_large);
    Presence many;
    many.services.resize(limits::services_per_document + 1);
    CHECK(Document::make(many).error().reason == Reason::too_large);
    Presence bad;
    bad.notes = {{"", "\x01"}};
    CHECK(Document::make(bad).error().reason == Reason::malformed);
}

TEST_CASE("the best service is the open one of the highest priority, the first among equals") {
    const auto service = [](std::string id, std::optional<Basic> basic, std::optional<std::int8_t> priority) {
        Service s;
        s.id = std::move(id);
        s.basic = basic;
        s.priority = priority;
        return s;
    };
    Presence p;
    CHECK(p.best_service() == nullptr);
    CHECK_FALSE(p.is_open());
    p.services = {service("a", Basic::closed, 9), service("b", {}, 5)};
    CHECK(p.best_service()->id == "a");
    CHECK_FALSE(p.is_open());
    p.services.push_back(service("c", Basic::open, -1));
    CHECK(p.best_service()->id == "c");
    p.services.push_back(service("d", Basic::open, {}));
    p.services.push_back(service("e", Basic::open, 0));
    CHECK(p.best_service()->id == "d");
    p.services.back().priority.reset();
    p.services.back().contact_priority = 1000;
    CHECK(p.best_service()->id == "e");
    CHECK(p.is_open());
}
