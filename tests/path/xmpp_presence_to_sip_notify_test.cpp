// The one path the other way: presence of an XMPP user at x.example becomes a SIP NOTIFY at a.example.
#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/path_steps.hpp"
#include "tests/support/path_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

/// The services of the newest NOTIFY's body; empty when it has none.
std::vector<proto::Service> services(const PathWorld& path) {
    if (path.notifies.empty() || !path.notifies.back().body) return {};
    auto read = translators::sip::read_pidf(proto::as_bytes(*path.notifies.back().body));
    return read ? read->presence.services : std::vector<proto::Service>{};
}

bool shows(const PathWorld& path, std::string_view note) {
    auto all = services(path);
    return !all.empty() && !all[0].notes.empty() && all[0].notes[0].text == note;
}

bool asked(const PathWorld& path, std::string_view type) {
    for (const auto& stanza : path.stanzas)
        if (stanza.get("type") == type && stanza.get("to") == "xena@x.example") return true;
    return false;
}

}  // namespace

TEST_CASE("XMPP presence at one provider is a SIP NOTIFY at another, one network delay later") {
    PathWorld path;
    auto subscribed = path.ask(path.request(translators::sip::Method::subscribe, "sip:xena@x.example"));
    REQUIRE(subscribed.status == 200);
    // The attached server is asked in Alice's name, and its user approves.
    REQUIRE(path.world.run_until([&] { return asked(path, "subscribe"); }, 30s));
    path.world.run_for(1s);
    CHECK(!path.notifies.empty());
    CHECK(path.notifies.back().subscription_state.starts_with("pending"));
    CHECK(services(path).empty());
    path.server_sends("<presence type='subscribed' from='xena@x.example' to='alice@a.example'/>");
    path.server_sends("<presence from='xena@x.example/desk' to='alice@a.example'><status>hello</status></presence>");
    REQUIRE(path.world.run_until([&] { return shows(path, "hello"); }, 30s));
    CHECK(path.notifies.back().subscription_state.starts_with("active"));
    path.rest(proto::limits::record_rewrite_least);  // so that a record is due with the next change
    path.a.diagnostics.steps.clear();
    path.x.diagnostics.steps.clear();

    const auto sent = path.world.now().steady;
    path.server_sends(
        "<presence from='xena@x.example/desk' to='alice@a.example'><show>xa</show><status xml:lang='de'>bin "
        "weg</status>"
        "<priority>7</priority></presence>");
    REQUIRE(path.world.run_until([&] { return shows(path, "bin weg"); }, 30s));
    // ARCHITECTURE's table the other way.
    using Names = std::vector<std::string>;
    CHECK(step_names(path.x) == Names{"xmpp.publish", "service.composed", "overlay.record", "channel.sent"});
    CHECK(step_names(path.a) == Names{"channel.received", "service.viewed", "sip.notify"});
    CHECK(step_time(path.x) == sent);
    CHECK(step_time(path.a) == sent + PathWorld::latency);
    CHECK(step_digests(path.x).size() == 1);
    CHECK(step_digests(path.a) == step_digests(path.x));
    auto service = services(path).at(0);
    CHECK(service.id == "desk");
    CHECK(service.show == proto::Show::xa);
    CHECK(service.basic == proto::Basic::open);
    CHECK(service.notes[0].lang == "de");
    CHECK(service.priority == 7);
}

TEST_CASE("an XMPP user who refuses ends the SIP subscription as rejected") {
    PathWorld path;
    REQUIRE(path.ask(path.request(translators::sip::Method::subscribe, "sip:xena@x.example")).status == 200);
    REQUIRE(path.world.run_until([&] { return asked(path, "subscribe"); }, 30s));
    path.server_sends("<presence type='unsubscribed' from='xena@x.example' to='alice@a.example'/>");
    REQUIRE(path.world.run_until(
        [&] { return !path.notifies.empty() && path.notifies.back().subscription_state.starts_with("terminated"); },
        30s));
    CHECK(path.notifies.back().subscription_state.find("reason=rejected") != std::string::npos);
}

TEST_CASE("an XMPP user who goes offline is closed, not unknown") {
    PathWorld path;
    REQUIRE(path.ask(path.request(translators::sip::Method::subscribe, "sip:xena@x.example")).status == 200);
    REQUIRE(path.world.run_until([&] { return asked(path, "subscribe"); }, 30s));
    path.server_sends("<presence type='subscribed' from='xena@x.example' to='alice@a.example'/>");
    path.server_sends("<presence from='xena@x.example/desk' to='alice@a.example'><status>hello</status></presence>");
    REQUIRE(path.world.run_until([&] { return shows(path, "hello"); }, 30s));
    path.server_sends("<presence type='unavailable' from='xena@x.example/desk' to='alice@a.example'/>");
    REQUIRE(path.world.run_until(
        [&] {
            auto all = services(path);
            return !all.empty() && all[0].basic == proto::Basic::closed;
        },
        30s));
    CHECK(path.notifies.back().subscription_state.starts_with("active"));
}
