// The XEP-0114 stream as a state machine: handshake, named failures, waiting, silence, bounds.
#include <string>

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* servers_header =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='3BF96D32'>";

struct Line {
    proto::SeededRandom random{1};
    xm::XmppSettings settings = xmpp_settings();
    xm::Component component{settings.components[0], settings, random};
    proto::Now now{proto::SteadyTime{1000s}, proto::wall_from_seconds(1'700'000'000)};

    std::string output() {
        std::string all;
        while (auto piece = component.poll_output()) all += *piece;
        return all;
    }
    void input(std::string_view text) { component.handle_input(now, proto::as_bytes(text)); }
    /// Until the next wake-up; how long that was.
    proto::Duration wait() {
        const auto before = now.steady;
        now.steady = std::max(before, component.next_timeout());
        component.handle_timeout(now);
        return now.steady - before;
    }
    void connect() {
        component.connecting(now);
        component.connected(now);
    }
    void come_up() {
        component.start(now);
        connect();
        input(servers_header);
        input("<handshake/>");
        output();
        REQUIRE(std::holds_alternative<xm::ComponentUp>(component.poll_event().value()));
    }
    std::string down_reason() {
        auto event = component.poll_event();
        REQUIRE(event);
        REQUIRE(std::holds_alternative<xm::ComponentDown>(*event));
        return std::get<xm::ComponentDown>(*event).reason;
    }
};

}  // namespace

TEST_CASE("XEP-0114 section 3: SHA-1 over stream id and secret (the vector of FIPS 180)") {
    CHECK(xm::component_handshake("", "abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(xm::component_handshake("a", "bc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST_CASE("a stream is opened, and up when the server takes the handshake") {
    Line line;
    line.component.start(line.now);
    CHECK(line.component.wants_connection());
    line.connect();
    CHECK(line.output().find("to='a.example'") != std::string::npos);
    line.input(servers_header);
    CHECK(line.output() == "<handshake>" + xm::component_handshake("3BF96D32", "s3cret") + "</handshake>");
    CHECK(line.component.state() == xm::ComponentState::authenticating);
    CHECK_FALSE(line.component.send(line.now, "<presence/>"));
    line.input("<handshake/>");
    CHECK(line.component.state() == xm::ComponentState::up);
    CHECK(line.component.send(line.now, "<presence/>"));
    CHECK(line.output() == "<presence/>");
}

TEST_CASE("a stream speaks of domains in U-labels, as servers do") {
    Line line;
    line.settings.domain = "xn--mnchen-3ya.example";
    line.settings.components[0].name = "xn--bcher-kva.example";
    xm::Component component(line.settings.components[0], line.settings, line.random);
    component.start(line.now);
    component.connecting(line.now);
    component.connected(line.now);
    CHECK(component.poll_output().value().find("to='bücher.example'") != std::string::npos);
    component.handle_input(line.now, proto::as_bytes(servers_header));
    component.handle_input(line.now, proto::as_bytes("<handshake/>"));
    CHECK(component.poll_output());
    line.now.steady = component.next_timeout();
    component.handle_timeout(line.now);
    CHECK(component.poll_output().value().find("from='bücher.example' to='münchen.example'") != std::string::npos);
}

TEST_CASE("users of such domains are spoken of in U-labels too, and read in both") {
    auto settings = xmpp_settings();
    settings.domain = "xn--mnchen-3ya.example";
    settings.components = {{"xn--bcher-kva.example", "s3cret", false}, {"gw.xn--mnchen-3ya.example", "s4cret", true}};
    const xm::Addresses addresses(settings);
    const auto native = XmppWorld::uri("alice@xn--bcher-kva.example");
    const auto through_gateway = XmppWorld::uri("bob@xn--kln-sna.example");
    CHECK(addresses.of_user(native)->jid == "alice@bücher.example");
    CHECK(addresses.of_user(through_gateway)->jid == "bob\\40köln.example@gw.münchen.example");
    CHECK(addresses.user_at(0, "alice@bücher.example/r") == native);
    CHECK(addresses.user_at(0, "alice@xn--bcher-kva.example") == native);
    CHECK(addresses.user_at(1, "bob\\40köln.example@gw.münchen.example") == through_gateway);
    CHECK(addresses.user_at(1, "bob\\40xn--kln-sna.example@gw.xn--mnchen-3ya.example") == through_gateway);
    CHECK(addresses.contact("carol@münchen.example")->domain() == "xn--mnchen-3ya.example");
}

TEST_CASE("a gateway's name for a user is no longer than a local part may be") {
    auto settings = xmpp_settings();
    settings.components = {{"gw.x.example", "s4cret", true}};
    const xm::Addresses addresses(settings);
    std::string label, slashes;
    for (int i = 0; i < 50; ++i) label += "日";
    for (int i = 0; i < 139; ++i) slashes += "\\2f";
    const auto user = XmppWorld::uri("a" + slashes + "@" + label + "." + label + "." + label + "." + label);
    CHECK(user.jid().size() == proto::limits::jid_part_bytes - 1);
    const auto jid = addresses.of_user(user)->jid;
    CHECK(xm::cut_jid(jid).local.size() <= proto::limits::jid_part_bytes);
    CHECK(addresses.user_at(0, jid) == user);
}

TEST_CASE("every stream error is named, and the stream is tried again") {
    for (const std::string condition : {"not-authorized", "host-unknown", "conflict", "system-shutdown"}) {
        Line line;
        line.component.start(line.now);
        line.connect();
        line.input(servers_header);
        line.input("<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
        CHECK(line.component.wants_close());
        line.component.disconnected(line.now, "closed");
        CHECK(line.down_reason() == condition);
        CHECK_FALSE(line.component.wants_connection());
        line.wait();
        CHECK(line.component.wants_connection());
    }
}

TEST_CASE("waits double up to their bound, with jitter, and start anew after a stream that held") {
    Line line;
    line.component.start(line.now);
    proto::Duration base = line.settings.reconnect_min;
    for (int i = 0; i < 12; ++i) {
        line.component.connecting(line.now);
        line.component.disconnected(line.now, "connection-refused");
        const auto waited = line.wait();
        CHECK(waited >= base * 3 / 4);
        CHECK(waited <= base * 5 / 4);
        base = std::min<proto::Duration>(base * 2, line.settings.reconnect_max);
        CHECK(line.down_reason() == "connection-refused");
    }
    line.connect();
    line.input(servers_header);
    line.input("<handshake/>");
    line.now.steady += 30s;
    line.component.disconnected(line.now, "closed-by-server");
    CHECK(line.wait() <= proto::Duration(line.settings.reconnect_min) * 5 / 4);
}

TEST_CASE("a silent server is asked, then dropped; a late answer keeps it") {
    Line line;
    line.come_up();
    CHECK(line.wait() == line.settings.ping_every);
    CHECK(line.output().find("urn:xmpp:ping") != std::string::npos);
    line.now.steady += 19s;
    line.input(" ");
    CHECK(line.wait() == line.settings.ping_every);
    CHECK_FALSE(line.component.wants_close());
    CHECK(line.wait() == line.settings.ping_timeout);
    CHECK(line.component.wants_close());
    line.component.disconnected(line.now, "closed");
    CHECK(line.down_reason() == "ping-timeout");
}

TEST_CASE("connecting and the handshake have an end") {
    Line line;
    line.component.start(line.now);
    line.component.connecting(line.now);
    CHECK(line.wait() == line.settings.connect_timeout);
    CHECK(line.component.wants_close());
    line.component.disconnected(line.now, "closed");
    CHECK(line.down_reason() == "connect-timeout");
    line.wait();
    line.connect();
    CHECK(line.wait() == line.settings.handshake_timeout);
    line.component.disconnected(line.now, "closed");
    CHECK(line.down_reason() == "handshake-timeout");
}

TEST_CASE("bad bytes end the stream with a named condition") {
    const std::pair<const char*, const char*> cases[] = {
        {"<presence", "not-well-formed"},     // made bad by what follows
        {"<!DOCTYPE x>", "not-well-formed"},  // inside the root it is not even XML
        {"<?php ?>", "restricted-xml"},      {"<!-- hello -->", "restricted-xml"},
        {"\xff\xfe", "not-well-formed"},     {"words", "not-well-formed"},
    };
    for (const auto& [sent, condition] : cases) {
        const auto& bytes = sent;  // clang 14 captures no structured bindings
        CAPTURE(bytes);
        Line line;
        line.come_up();
        line.input(bytes);
        line.input("<<<");
        CHECK(line.component.wants_close());
        CHECK(line.output().find(condition) != std::string::npos);
    }
    Line line;
    line.come_up();
    line.input("<message>");
    for (int i = 0; i < 700 && !line.component.wants_close(); ++i) line.input(std::string(16384, 'a'));
    CHECK(line.output().find("policy-violation") != std::string::npos);
    line.component.disconnected(line.now, "closed");
    CHECK(line.down_reason() == "too_large");
}

TEST_CASE("a server that does not read is given up, not waited for") {
    Line line;
    line.come_up();
    const std::string stanza = "<presence>" + std::string(60'000, 'x') + "</presence>";
    std::size_t sent = 0;
    while (line.component.send(line.now, stanza)) {
        sent += stanza.size();
        REQUIRE(sent <= proto::limits::xmpp_output_bytes);
        REQUIRE(line.component.queued_bytes() <= proto::limits::xmpp_output_bytes);
    }
    CHECK(line.component.wants_close());
    line.component.disconnected(line.now, "closed");
    CHECK(line.down_reason() == "output-overflow");
}

TEST_CASE("a stop says goodbye and wants nothing more") {
    Line line;
    line.come_up();
    line.component.stop(line.now);
    CHECK(line.output() == "</stream:stream>");
    CHECK(line.component.wants_close());
    line.component.disconnected(line.now, "closed");
    CHECK(line.component.next_timeout() == proto::never);
    CHECK_FALSE(line.component.wants_connection());
}

TEST_CASE("each stream's link is told: up, or down, why, and since when") {
    XmppWorld world;
    const auto link = [&](std::size_t i) {
        const auto& one = world.translator->links()[i];
        return one.name + " " + std::string(to_string(one.state)) + " " + one.reason;
    };
    REQUIRE(world.translator->links().size() == 2);
    CHECK(link(0) == "xmpp.x.example/a.example untried ");
    world.translator->connecting(world.now, 0);
    world.translator->disconnected(world.now, 0, "connection-refused");
    world.end_turn();
    CHECK(link(0) == "xmpp.x.example/a.example down connection-refused");
    const auto start = world.translator->links()[0].since;
    world.wait(5s);
    world.translator->connecting(world.now, 0);
    world.translator->disconnected(world.now, 0, "host-not-found");
    world.end_turn();
    CHECK(link(0) == "xmpp.x.example/a.example down host-not-found");
    CHECK(world.translator->links()[0].since == start);
    world.connect();
    CHECK(link(0) == "xmpp.x.example/a.example up ");
    CHECK(link(1) == "xmpp.x.example/k.example up ");
    CHECK(world.translator->links()[0].since > start);
    world.feed(0, "<presence from='juliet@x.example/b' to='alice@k.example'/>");
    CHECK(link(0) == "xmpp.x.example/a.example up foreign-stanzas");
    CHECK(link(1) == "xmpp.x.example/k.example up ");
    world.drop(0);
    world.connect(0);
    CHECK(link(0) == "xmpp.x.example/a.example up ");  // told anew when it happens again
    world.feed(1, "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
    CHECK(link(0) == "xmpp.x.example/a.example up ");
    CHECK(link(1) == "xmpp.x.example/k.example down conflict");
    world.translator->stop(world.now);
    world.end_turn();
    CHECK(link(0) == "xmpp.x.example/a.example up ");  // that we go is no fault of the server's
}

TEST_CASE("one user's oversize stanza is answered with an error, and everybody's stream goes on") {
    XmppWorld world;
    world.connect();
    world.sent.clear();
    const auto large = std::string(2 * proto::limits::stanza_bytes, 'x');
    const auto send = [&](const std::string& head) {
        const auto name = head.substr(0, head.find(' '));
        world.feed("<" + head + "><body>" + large + "</body></" + name + ">");
    };
    send("message from='juliet@x.example/b' to='alice@a.example' id='m1' type='chat'");
    REQUIRE(world.sent.size() == 1);
    const auto error = world.sent.front();
    CHECK(error.is("message", xm::ns_client));
    CHECK(error.get("type") == "error");
    CHECK(error.get("to") == "juliet@x.example/b");
    CHECK(error.get("from") == "alice@a.example");
    CHECK(error.get("id") == "m1");
    CHECK(xm::error_condition(error) == "policy-violation");
    world.sent.clear();
    send("message from='juliet@x.example/b' to='alice@a.example' id='m2' type='error'");  // errors are not answered
    send("message from='juliet@x.example/b' to='alice@elsewhere.example' id='m3'");       // nor is what is not ours
    CHECK(world.sent.empty());
    CHECK(world.host.counters["xmpp_dropped.too_large"] == 3);
    CHECK(world.translator->stream(0).state() == xm::ComponentState::up);
}
