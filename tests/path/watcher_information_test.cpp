// Who watches Alice, as her SIP user agent is told: a user of another provider's XMPP server, through both nodes.
#include <doctest/doctest.h>

#include "node/rules.hpp"
#include "tests/support/path_world.hpp"
#include "tests/support/people.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

/// Has Alice's last NOTIFY said so of Xena?
bool says(const PathWorld& path, const std::string& status, const std::string& event) {
    if (path.notifies.empty() || !path.notifies.back().body) return false;
    const auto& body = *path.notifies.back().body;
    return body.find("status=\"" + status + "\" event=\"" + event + "\"") != std::string::npos &&
           body.find(">sip:xena@x.example<") != std::string::npos;
}

}  // namespace

TEST_CASE("an XMPP user of another provider is a watcher that Alice's user agent is told of, as she answers") {
    PathWorld path;
    auto& service = path.a.node->service();
    path.world.turn(path.a, [&](proto::Now now) {
        auto rules = node::RuleSet::make({node::Rule::make("x.example", node::Handling::confirm).value()}).value();
        REQUIRE(service.set_rules(now, alice, std::move(rules)));
    });
    auto request = path.request(translators::sip::Method::subscribe, "sip:alice@a.example");
    request.event = "presence.winfo";
    REQUIRE(path.ask(request).status == 200);
    REQUIRE(path.notifies.size() == 1);
    CHECK(path.notifies.back().body->find("state=\"full\"") != std::string::npos);
    CHECK(path.notifies.back().body->find("<watcher ") == std::string::npos);

    path.server_sends("<presence type='subscribe' from='xena@x.example' to='alice@a.example'/>");
    REQUIRE(path.world.run_until([&] { return says(path, "pending", "subscribe"); }, 30s));
    path.world.turn(path.a, [&](proto::Now now) { REQUIRE(service.decide(now, alice, xena, node::Handling::allow)); });
    REQUIRE(path.world.run_until([&] { return says(path, "active", "approved"); }, 6s));
    CHECK(path.notifies.back().body->find("state=\"partial\"") != std::string::npos);
    path.server_sends("<presence type='unsubscribe' from='xena@x.example' to='alice@a.example'/>");
    REQUIRE(path.world.run_until([&] { return says(path, "terminated", "timeout"); }, 30s));

    const auto told = path.notifies.size();
    path.rest(60s);
    CHECK(path.notifies.size() == told);
    auto fetch = path.request(translators::sip::Method::subscribe, "sip:alice@a.example");
    fetch.event = "presence.winfo";
    fetch.expires = 0;
    REQUIRE(path.ask(fetch).status == 200);
    CHECK(path.notifies.size() == told + 1);
    CHECK(path.notifies.back().body->find("<watcher ") == std::string::npos);
}

TEST_CASE("watchers at the own node are in it too, whom the rules refuse are told once") {
    PathWorld path;
    auto& service = path.a.node->service();
    auto ann = path.request(translators::sip::Method::subscribe, "sip:alice@a.example");
    ann.from.uri = "sip:ann@a.example";
    REQUIRE(path.ask(ann).status == 200);
    auto request = path.request(translators::sip::Method::subscribe, "sip:alice@a.example");
    request.event = "presence.winfo";
    REQUIRE(path.ask(request).status == 200);
    CHECK(path.notifies.back().body->find("event=\"subscribe\"") != std::string::npos);
    CHECK(path.notifies.back().body->find(">sip:ann@a.example<") != std::string::npos);
    path.world.turn(path.a, [&](proto::Now now) {
        auto rules = node::RuleSet::make({node::Rule::make("ann@a.example", node::Handling::block).value()}).value();
        REQUIRE(service.set_rules(now, alice, std::move(rules)));
    });
    const auto refused = [&] {
        return path.notifies.back().event == "presence.winfo" &&
               path.notifies.back().body->find("status=\"terminated\" event=\"rejected\"") != std::string::npos;
    };
    REQUIRE(path.world.run_until(refused, 6s));
    const auto told = path.notifies.size();
    path.rest(60s);
    CHECK(path.notifies.size() == told);
}

TEST_CASE("watcher information goes on over a crash of the node") {
    PathWorld path;
    auto request = path.request(translators::sip::Method::subscribe, "sip:alice@a.example");
    request.event = "presence.winfo";
    REQUIRE(path.ask(request).status == 200);
    path.server_sends("<presence type='subscribe' from='xena@x.example' to='alice@a.example'/>");
    REQUIRE(path.world.run_until([&] { return says(path, "active", "subscribe"); }, 30s));
    const auto cseq = path.notifies.back().cseq;

    path.world.crash(path.a);
    translators::sip::SipTranslator reborn{path.sip.settings(), path.random};
    path.a.translators = {&reborn};
    path.a.after_turn = [&](proto::Now now) {
        while (auto out = reborn.poll_output()) {
            auto& notify = std::get<translators::sip::Request>(*out);
            translators::sip::Response ok;
            ok.transaction = notify.transaction;
            ok.status = 200;
            reborn.handle_input(now, ok);
            path.notifies.push_back(std::move(notify));
        }
    };
    path.notifies.clear();
    path.world.start(path.a);
    REQUIRE(path.world.run_until([&] { return says(path, "active", "subscribe"); }, 60s));
    CHECK(path.notifies.front().call_id == request.call_id);
    CHECK(path.notifies.front().cseq > cseq);
    CHECK(path.notifies.front().body->find("state=\"full\"") != std::string::npos);
}
