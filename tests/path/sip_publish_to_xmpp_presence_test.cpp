// ARCHITECTURE.md's one path, walked in its order: a SIP PUBLISH at a.example becomes a presence stanza at x.example.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/path_steps.hpp"
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
    path.rest(proto::limits::record_rewrite_least);  // so that a record is due with the next change
    path.stanzas.clear();
    path.a.diagnostics.steps.clear();
    path.x.diagnostics.steps.clear();

    const auto sent = path.world.now().steady;
    auto second = path.publish(pidf("in a meeting", "dnd"), first.etag);
    REQUIRE(second.status == 200);
    CHECK(second.etag != first.etag);
    REQUIRE(path.world.run_until(seen("in a meeting"), 30s));
    // ARCHITECTURE's table, steps 1 to 5 here and 6 to 9 there; steps 2 and 8 have no name of their own.
    using Names = std::vector<std::string>;
    CHECK(step_names(path.a) == Names{"sip.publish", "service.composed", "overlay.record", "channel.sent"});
    CHECK(step_names(path.x) == Names{"channel.received", "service.viewed", "xmpp.presence"});
    CHECK(step_time(path.a) == sent);
    CHECK(step_time(path.x) == sent + PathWorld::latency);
    CHECK(step_digests(path.a).size() == 1);  // one and the same document all the way
    CHECK(step_digests(path.x) == step_digests(path.a));
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
