// RFC 3858's documents: well-formed whatever a watcher is called, every state and event, and bounded.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <pugixml.hpp>

#include "tests/support/people.hpp"
#include "tests/support/presence_gen.hpp"
#include "translators/sip/winfo_document.hpp"

using namespace presmesh;
using namespace presmesh::translators;
using namespace std::chrono_literals;
using sip::WinfoDocument;
using testing::alice;

namespace {

const proto::WallTime now = proto::wall_from_seconds(1'800'000'000);
constexpr std::size_t most_bytes = 60'000;
const std::vector<std::string> events{"subscribe", "approved", "deactivated", "probation",
                                      "rejected",  "timeout",  "giveup",      "noresource"};

WatcherStatus status(const std::string& watcher, WatchState state = WatchState::active,
                     WatcherEvent event = WatcherEvent::subscribe) {
    return {proto::PresentityUri::parse(watcher).value(), state, event, now - 90s};
}

pugi::xml_document winfo_of(const std::string& xml) {
    pugi::xml_document out;
    REQUIRE_MESSAGE(out.load_string(xml.c_str(), pugi::parse_full), xml);
    return out;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view("-.!%*_+`'~").find(c) != std::string_view::npos;
    });
}

/// Any user part that is one.
rc::Gen<proto::PresentityUri> uri_gen() {
    return rc::gen::map(testing::text_gen(), [](const std::string& user) {
        return proto::PresentityUri::from_canonical(user + "@b.example")
            .value_or(proto::PresentityUri::parse("sip:&%3C'%22;x=1@b.example").value());
    });
}

rc::Gen<WatcherStatus> status_gen() {
    return rc::gen::apply(
        [](proto::PresentityUri watcher, int state, int event, std::int64_t age) {
            return WatcherStatus{std::move(watcher), static_cast<WatchState>(state), static_cast<WatcherEvent>(event),
                                 now - std::chrono::seconds{age}};
        },
        uri_gen(), rc::gen::inRange(0, 3), rc::gen::inRange(0, 8), rc::gen::inRange<std::int64_t>(-10, 1'000'000));
}

}  // namespace

TEST_CASE("a watcherinfo document as RFC 3858 section 5 shows it") {
    WinfoDocument document(alice, 7, WinfoDocument::Extent::full, most_bytes);
    REQUIRE(document.add(now, status("sip:bob@b.example", WatchState::pending)));
    REQUIRE(document.add(now, status("xmpp:x%5C20y@x.example", WatchState::active, WatcherEvent::approved)));
    const auto id = sip::winfo_id("alice@a.example", "bob@b.example");
    const auto other = sip::winfo_id("alice@a.example", status("xmpp:x%5C20y@x.example").watcher.canonical());
    CHECK(id != other);
    CHECK(is_token(id));
    CHECK(std::move(document).take() ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<watcherinfo xmlns=\"urn:ietf:params:xml:ns:watcherinfo\" version=\"7\" state=\"full\">"
          "<watcher-list resource=\"sip:alice@a.example\" package=\"presence\">"
          "<watcher id=\"" +
              id +
              "\" status=\"pending\" event=\"subscribe\" duration-subscribed=\"90\">sip:bob@b.example</watcher>"
              "<watcher id=\"" +
              other +
              "\" status=\"active\" event=\"approved\" duration-subscribed=\"90\">sip:x%20y@x.example</watcher>"
              "</watcher-list></watcherinfo>\n");
}

TEST_CASE("a list without watchers is a document too") {
    const auto document = winfo_of(WinfoDocument(alice, 0, WinfoDocument::Extent::partial, most_bytes).take());
    const auto root = document.child("watcherinfo");
    CHECK(std::string(root.attribute("state").value()) == "partial");
    CHECK(std::string(root.attribute("version").value()) == "0");
    CHECK(root.child("watcher-list"));
    CHECK(!root.child("watcher-list").first_child());
}

TEST_CASE("property: any watchers in any state make a well-formed document that says them") {
    CHECK(rc::check([] {
        const auto presentity = *uri_gen();
        const auto watchers = *testing::few(status_gen());
        WinfoDocument written(presentity, 4'294'967'295u, WinfoDocument::Extent::full, most_bytes);
        for (const auto& watcher : watchers) RC_ASSERT(written.add(now, watcher));
        const auto xml = std::move(written).take();
        pugi::xml_document document;
        RC_ASSERT(static_cast<bool>(document.load_string(xml.c_str(), pugi::parse_full)));
        const auto list = document.child("watcherinfo").child("watcher-list");
        RC_ASSERT(std::string(document.child("watcherinfo").attribute("version").value()) == "4294967295");
        RC_ASSERT(proto::PresentityUri::from_sip(list.attribute("resource").value()).value() == presentity);
        auto element = list.first_child();
        for (const auto& watcher : watchers) {
            RC_ASSERT(std::string(element.name()) == "watcher");
            RC_ASSERT(proto::PresentityUri::from_sip(element.text().get()).value() == watcher.watcher);
            RC_ASSERT(element.attribute("status").value() == to_string(watcher.state));
            RC_ASSERT(element.attribute("event").value() == events.at(static_cast<std::size_t>(watcher.event)));
            RC_ASSERT(element.attribute("duration-subscribed").as_llong(-1) >= 0);
            RC_ASSERT(is_token(element.attribute("id").value()));
            element = element.next_sibling();
        }
        RC_ASSERT(!element);
    }));
}

TEST_CASE("a document is bounded: what does not fit is not begun") {
    WinfoDocument written(alice, 1, WinfoDocument::Extent::full, most_bytes);
    std::size_t added = 0;
    while (added < 10'000 && written.add(now, status(std::string(200, 'b') + std::to_string(added) + "@b.example")))
        ++added;
    const auto xml = std::move(written).take();
    CHECK(xml.size() <= most_bytes);
    CHECK(xml.size() + 400 > most_bytes);
    const auto document = winfo_of(xml);
    const auto list = document.child("watcherinfo").child("watcher-list");
    CHECK(static_cast<std::size_t>(std::distance(list.begin(), list.end())) == added);
}

TEST_CASE("a document that is too small for anything holds one watcher, so that a list gets on") {
    WinfoDocument written(alice, 1, WinfoDocument::Extent::partial, 0);
    CHECK(written.add(now, status("bob@b.example")));
    CHECK(!written.add(now, status("carol@b.example")));
    const auto document = winfo_of(std::move(written).take());
    CHECK(std::string(document.child("watcherinfo").child("watcher-list").child("watcher").text().get()) ==
          "sip:bob@b.example");
}
