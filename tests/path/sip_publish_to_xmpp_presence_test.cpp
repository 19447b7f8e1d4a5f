// ARCHITECTURE.md's one path, walked in its order: a SIP PUBLISH at a.example becomes a presence stanza at x.example.
#include <doctest/doctest.h>

#include "tests/support/path_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

std::string pidf(const std::string& note, const std::string& show = {}, const std::string& priority = "0.039") {
    std::string status = "<basic>open</basic>";
    if (!show.empty()) status += "<show xmlns='jabber:client'>" + show + "</show>";
    return "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:alice@a.example'>"
           "<tuple id='ID-phone'><status>" +
           status + "</status><contact priority='" + priority + "'>sip:alice@192.0.2.1</contact><note xml:lang='en'>" +
           note + "</note></tuple></presence>";
}

std::string_view text_of(const translators::xmpp::Element& stanza, std::string_view child) {
    for (const auto& c : stanza.children)
        if (c.name == child) return c.text;
    return {};
}

/// The first step of this name at a node since `from`, and where it stands in the list.
const node::RecordingDiagnostics::Step* find_step(const NodeWorld::Provider& provider, std::string_view name,
                                                  std::size_t* position = nullptr) {
    const auto& steps = provider.diagnostics.steps;
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (steps[i].step == name) {
            if (position) *position = i;
            return &steps[i];
        }
    return nullptr;
}

std::string digest_of(const node::RecordingDiagnostics::Step& step) {
    return step.detail.substr(step.detail.find("digest="));
}

}  // namespace

TEST_CASE("a SIP PUBLISH at one provider is an XMPP presence stanza at another, one network delay later") {
    PathWorld path;
    path.server_sends("<presence type='subscribe' from='xena@x.example' to='alice@a.example'/>");
    auto first = path.publish(pidf("first"));
    REQUIRE(first.status == 200);
    auto seen = [&](std::string_view note) {
        return [&path, note] { return !path.stanzas.empty() && text_of(path.stanzas.back(), "status") == note; };
    };
    REQUIRE(path.world.run_until(seen("first"), 30s));
    path.world.run_for(5s);
    path.stanzas.clear();
    path.a.diagnostics.steps.clear();
    path.x.diagnostics.steps.clear();

    // 1-2: PUBLISH -> entity, body, expiry, tag -> document
    const auto sent = path.world.now().steady;
    auto second = path.publish(pidf("in a meeting", "dnd"), first.etag);
    REQUIRE(second.status == 200);
    CHECK(second.etag != first.etag);
    std::size_t published = 0, composed = 0, viewed = 0, stanza = 0;
    REQUIRE(find_step(path.a, "sip.publish", &published));
    // 3: publication -> this source's new document
    const auto* source = find_step(path.a, "service.composed", &composed);
    REQUIRE(source);
    CHECK(published < composed);
    // 4-6: the change crosses in one delay
    REQUIRE(path.world.run_until(seen("in a meeting"), 30s));
    CHECK(path.world.now().steady - sent == PathWorld::latency);
    // 7: sources -> composed, authorized view; the same document that was composed
    const auto* view = find_step(path.x, "service.viewed", &viewed);
    REQUIRE(view);
    CHECK(digest_of(*view) == digest_of(*source));
    // 8-9: view -> translator -> stanza
    REQUIRE(find_step(path.x, "xmpp.presence", &stanza));
    CHECK(viewed < stanza);
    REQUIRE(path.stanzas.size() == 1);
    const auto& presence = path.stanzas.back();
    CHECK(presence.get("from") == "alice@a.example/phone");
    CHECK(presence.get("to") == "xena@x.example");
    CHECK(presence.get("type") == "");
    CHECK(text_of(presence, "show") == "dnd");
    CHECK(text_of(presence, "priority") == "5");
}

TEST_CASE("a publication that is removed takes the resource down") {
    PathWorld path;
    path.server_sends("<presence type='subscribe' from='xena@x.example' to='alice@a.example'/>");
    auto first = path.publish(pidf("here"));
    REQUIRE(path.world.run_until(
        [&] { return !path.stanzas.empty() && text_of(path.stanzas.back(), "status") == "here"; }, 30s));
    auto removal = path.request(translators::sip::Method::publish, "sip:alice@a.example");
    removal.if_match = first.etag;
    removal.expires = 0;
    const auto sent = path.world.now().steady;
    REQUIRE(path.ask(removal).status == 200);
    REQUIRE(path.world.run_until([&] { return path.stanzas.back().get("type") == "unavailable"; }, 30s));
    CHECK(path.stanzas.back().get("from") == "alice@a.example/phone");
    CHECK(path.world.now().steady - sent == PathWorld::latency);
}
