#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/record.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/presence_gen.hpp"

using namespace presmesh::proto;

namespace {

SymmetricKey content_key(std::uint8_t seed) {
    SymmetricKey out;
    out.fill(seed);
    return out;
}

const WallTime noon = wall_from_seconds(1'772'366'400);
const Summary busy{Basic::open, Show::dnd, {"meeting", "on-the-phone"}, "bitte nicht st\xc3\xb6ren", 5};

}  // namespace

TEST_CASE("a summary opens under its key and no other") {
    SeededRandom random(3);
    Bytes sealed = seal_summary(busy, content_key(1), random);
    CHECK(open_summary(sealed, content_key(1)).value() == busy);
    CHECK(open_summary(sealed, content_key(2)).error().reason == Reason::bad_signature);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes forged = sealed;
        forged[i] ^= 1;
        CHECK(open_summary(forged, content_key(1)).error().reason == Reason::bad_signature);
    }
    CHECK(open_summary(BytesView(sealed).first(39), content_key(1)).error().reason == Reason::malformed);
    CHECK(open_summary(Bytes(1000), content_key(1)).error().reason == Reason::too_large);
    CHECK(seal_summary(busy, content_key(1), random) != sealed);  // another nonce
}

TEST_CASE("the golden summary of version 1 stays readable, and stays what is written") {
    SeededRandom random(9);
    CHECK(to_hex(seal_summary(busy, content_key(7), random)) == to_hex(presmesh::testing::golden("summary_v1.hex")));
    CHECK(open_summary(presmesh::testing::golden("summary_v1.hex"), content_key(7)).value() == busy);
}

TEST_CASE("lengths tell little: three of them") {
    SeededRandom random(3);
    CHECK(seal_summary({}, content_key(1), random).size() == 24 + 32 + 16);
    CHECK(seal_summary({Basic::open, Show::away, {}, "brb", 1}, content_key(1), random).size() == 24 + 32 + 16);
    CHECK(seal_summary(busy, content_key(1), random).size() == 24 + 64 + 16);
}

TEST_CASE("a summary takes the best service, the activities and the first note") {
    Presence presence;
    Service closed;
    closed.id = "phone";
    closed.basic = Basic::closed;
    closed.notes = {{"en", "off"}};
    Service open;
    open.id = "desk";
    open.basic = Basic::open;
    open.show = Show::away;
    open.priority = 7;
    open.notes = {{"en", "lunch"}, {"de", "Mittag"}};
    Person person;
    person.id = "p";
    person.activities.emplace();
    person.activities->names = {"meal", "meal"};
    presence.services = {closed, open};
    presence.persons = {person};
    CHECK(Summary::of(presence, noon) == Summary{Basic::open, Show::away, {"meal"}, "lunch", 7});
    presence.services.clear();
    CHECK(Summary::of(presence, noon) == Summary{Basic::closed, std::nullopt, {"meal"}, "", std::nullopt});
    presence.persons[0].notes = {{"", "away for the week"}};
    CHECK(Summary::of(presence, noon).note == "away for the week");
    presence = {};
    presence.notes = {{"", "closed on Sundays"}};
    CHECK(Summary::of(presence, noon).note == "closed on Sundays");
}

TEST_CASE("a summary tells of the activities that are going on") {
    Presence presence;
    presence.persons.resize(1);
    auto& activities = presence.persons[0].activities.emplace();
    activities.names = {"meal"};
    activities.from = noon;
    activities.until = noon + std::chrono::hours{1};
    CHECK(Summary::of(presence, noon - std::chrono::seconds{1}).activities.empty());
    CHECK(Summary::of(presence, noon).activities.size() == 1);
    CHECK(Summary::of(presence, noon + std::chrono::hours{1}).activities.empty());
}

TEST_CASE("an activity without a name costs no summary") {
    Presence presence;
    presence.persons.resize(1);
    presence.persons[0].activities.emplace().names = {"", "meal"};
    SeededRandom random(1);
    const auto summary = Summary::of(presence, noon);
    CHECK(summary.activities == std::vector<std::string>{"meal"});
    CHECK(open_summary(seal_summary(summary, content_key(1), random), content_key(1)).value() == summary);
}

TEST_CASE("a note is cut between characters") {
    Presence presence;
    presence.notes = {{"", std::string(limits::summary_note_bytes - 1, 'x') + "\xc3\xa9"}};
    CHECK(Summary::of(presence, noon).note == std::string(limits::summary_note_bytes - 1, 'x'));
    presence.notes = {{"", std::string(limits::summary_note_bytes - 2, 'x') + "\xc3\xa9"}};
    CHECK(Summary::of(presence, noon).note.size() == limits::summary_note_bytes);
}

TEST_CASE("whatever the document, its summary seals, opens, and comes back through a document") {
    CHECK(rc::check("round trip", [] {
        SeededRandom random(1);
        Summary there = Summary::of(*presmesh::testing::presence_gen(), noon);
        auto opened = open_summary(seal_summary(there, content_key(1), random), content_key(1));
        RC_ASSERT(opened.has_value());
        RC_ASSERT(*opened == there);
        RC_ASSERT(Summary::of(there.to_presence(), noon) == there);
        RC_ASSERT(Document::make(there.to_presence()).has_value());
    }));
}
