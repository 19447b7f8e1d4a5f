// RFC 6665's subscriber towards an attached server: how a state and an authorization come in, and how it holds on.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/sip_talk.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

const auto dave = uri("pres:dave@c.example");

struct Attached : SipTalk {
    Attached() : Attached(attached()) {}
    explicit Attached(sip::SipSettings with) : SipTalk(quiet(std::move(with))) {}
    static sip::SipSettings quiet(sip::SipSettings with) {
        with.ping_every = 0s;
        return with;
    }

    sip::Request want(const proto::PresentityUri& who = carol) {
        translator->wanted(now, alice, who);
        end_turn();
        return take_request();
    }
    void accept(const sip::Request& subscribe, std::uint32_t expires = 300) {
        reply(subscribe, 200, [&](auto& response) {
            response.to_tag = "server";
            response.expires = expires;
            response.contact = "sip:127.0.0.1:5060;server";
            response.record_routes = {"<sip:near;lr>", "<sip:far;lr>"};
        });
    }
    sip::Request notify(const sip::Request& subscribe, std::string state, std::string body = pidf_text()) {
        auto request = plain(sip::Method::notify, subscribe.from.uri, subscribe.to.uri);
        request.call_id = subscribe.call_id;
        request.to = subscribe.from;
        request.from.tag = "server";
        request.subscription_state = std::move(state);
        if (!body.empty()) {
            request.content_type = sip::pidf_type;
            request.body = std::make_shared<const std::string>(std::move(body));
        }
        return request;
    }
    std::pair<tr::WatchState, std::string> decided(const proto::PresentityUri& who = carol) {
        return host.decisions.at({"alice@a.example", who.canonical()});
    }
};

using Decision = std::pair<tr::WatchState, std::string>;
const Decision is_active{tr::WatchState::active, ""};

}  // namespace

TEST_CASE("wanted: SUBSCRIBE, 200, NOTIFY active: a decision and a publication with a bounded life") {
    Attached talk;
    const auto subscribe = talk.want();
    CHECK(subscribe.method == sip::Method::subscribe);
    CHECK(subscribe.uri == "sip:alice@a.example");
    CHECK(subscribe.from.uri == "sip:presmesh@a.example");
    CHECK(subscribe.next_hop == "sip:127.0.0.1:5060");
    CHECK(subscribe.event == "presence");
    CHECK(subscribe.accept->at(0) == "application/pidf+xml");
    CHECK(subscribe.expires == 300u);
    talk.accept(subscribe);
    CHECK(talk.host.decisions.empty());  // neutral until a NOTIFY (RFC 8048 section 5.2.1)
    CHECK(talk.ask(talk.notify(subscribe, "pending;expires=300", "")).status == 200);
    CHECK(talk.host.documents.empty());
    CHECK(talk.ask(talk.notify(subscribe, "active;expires=300")).status == 200);
    CHECK(talk.decided() == is_active);
    REQUIRE(talk.host.documents[alice]);
    CHECK(talk.host.documents[alice]->presence().is_open());
    CHECK(talk.host.lifetimes[alice] == 360s);
    CHECK(talk.ask(talk.notify(subscribe, "active;expires=300", "")).status == 200);
    CHECK(talk.host.documents[alice] == nullptr);  // no body: the server knows nothing
}

TEST_CASE("a NOTIFY may come before the 200; one of another dialog, or older, is not taken") {
    Attached talk;
    const auto subscribe = talk.want();
    CHECK(talk.ask(talk.notify(subscribe, "active;expires=300")).status == 200);
    CHECK(talk.decided() == is_active);
    talk.accept(subscribe);
    auto fork = talk.notify(subscribe, "active;expires=300");
    fork.from.tag = "another";
    CHECK(talk.ask(fork).status == 481);
    auto old = talk.notify(subscribe, "active;expires=300");
    old.cseq = 0;
    CHECK(talk.ask(old).status == 500);
    auto stranger = talk.notify(subscribe, "active;expires=300");
    stranger.to.tag = "never-given";
    CHECK(talk.ask(stranger).status == 481);
    auto call = talk.notify(subscribe, "active;expires=300");
    call.call_id = "another";
    CHECK(talk.ask(call).status == 481);
}

TEST_CASE("a NOTIFY in our dialog is taken from wherever it comes: the dialog's names are known to nobody else") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    auto notify = talk.notify(subscribe, "active;expires=300");
    notify.source = proto::Endpoint::v4(0xc0000207, 5060);
    CHECK(talk.ask(notify).status == 200);
    CHECK(talk.decided() == is_active);
}

TEST_CASE("a body that is not PIDF is 415; one that is broken is counted and changes nothing") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    auto text = talk.notify(subscribe, "active;expires=300");
    text.content_type = "text/plain";
    CHECK(talk.ask(text).status == 415);
    CHECK(talk.ask(talk.notify(subscribe, "active;expires=300", "<presence")).status == 200);
    CHECK(talk.host.documents[alice] != nullptr);
    CHECK(talk.host.counters["sip_bad_documents.malformed"] == 1);
    CHECK(talk.ask(talk.notify(subscribe, "")).status == 400);
}

TEST_CASE("refresh comes well before expiry, in the dialog, along its route; 481 begins a new one") {
    Attached talk;
    const auto first = talk.want();
    talk.accept(first);
    talk.ask(talk.notify(first, "active;expires=300"));
    talk.pass(260s);
    const auto refresh = talk.take_request();
    CHECK(refresh.call_id == first.call_id);
    CHECK(refresh.cseq == first.cseq + 1);
    CHECK(refresh.to.tag == "server");
    CHECK(refresh.routes == std::vector<std::string>{"<sip:far;lr>", "<sip:near;lr>"});
    talk.reply(refresh, 481);
    const auto anew = talk.take_request();
    CHECK(anew.call_id != first.call_id);
    CHECK(anew.to.tag.empty());
    CHECK(talk.decided() == is_active);  // RFC 8048 section 5.2.2: transient, the authorization stays
}

TEST_CASE("several watchers share one SUBSCRIBE; the last one's leave ends it") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    talk.translator->wanted(talk.now, alice, dave);
    talk.translator->wanted(talk.now, alice, dave);
    talk.end_turn();
    CHECK(talk.out.empty());
    CHECK(talk.decided(dave) == is_active);
    talk.translator->unwanted(talk.now, alice, carol);
    talk.end_turn();
    CHECK(talk.out.empty());
    talk.translator->unwanted(talk.now, alice, dave);
    talk.end_turn();
    const auto bye = talk.take_request();
    CHECK(bye.expires == 0u);
    CHECK(bye.call_id == subscribe.call_id);
    CHECK(talk.host.documents[alice] == nullptr);
    CHECK(talk.translator->followed() == 0);
    talk.reply(bye, 200);
    CHECK(talk.ask(talk.notify(subscribe, "terminated;reason=timeout")).status == 481);
}

TEST_CASE("as each watcher itself: a SUBSCRIBE and an answer of its own") {
    auto settings = SipTalk::attached();
    settings.as_real_watcher = true;
    Attached talk(settings);
    const auto for_carol = talk.want(carol);
    const auto for_dave = talk.want(dave);
    CHECK(for_carol.from.uri == "sip:carol@c.example");
    CHECK(for_dave.from.uri == "sip:dave@c.example");
    talk.accept(for_carol);
    talk.ask(talk.notify(for_carol, "active;expires=300"));
    talk.reply(for_dave, 403);
    CHECK(talk.decided(carol) == is_active);
    CHECK(talk.decided(dave) == Decision{tr::WatchState::terminated, "rejected"});
}

TEST_CASE("as each watcher itself: one that is refused takes nothing from the others") {
    auto settings = SipTalk::attached();
    settings.as_real_watcher = true;
    Attached talk(settings);
    const auto for_carol = talk.want(carol);
    const auto for_dave = talk.want(dave);
    talk.accept(for_carol);
    talk.ask(talk.notify(for_carol, "active;expires=300"));
    SUBCASE("at once") {
        talk.reply(for_dave, 403);
    }
    SUBCASE("later") {
        talk.accept(for_dave);
        talk.ask(talk.notify(for_dave, "active;expires=300", ""));
        CHECK(talk.host.documents[alice] != nullptr);
        talk.ask(talk.notify(for_dave, "terminated;reason=rejected", ""));
    }
    CHECK(talk.decided(dave) == Decision{tr::WatchState::terminated, "rejected"});
    CHECK(talk.host.documents[alice] != nullptr);
    talk.ask(talk.notify(for_carol, "terminated;reason=rejected", ""));
    CHECK(talk.host.documents[alice] == nullptr);
}

TEST_CASE("a NOTIFY that comes before the 200 to its refresh keeps the state for as long as the refresh does") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    talk.pass(260s);
    const auto refresh = talk.take_request();
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    CHECK(talk.host.lifetimes[alice] == 360s);
    talk.accept(refresh);
    talk.pass(200s);
    CHECK(talk.out.empty());
    talk.pass(60s);
    CHECK(talk.take_request().call_id == subscribe.call_id);
}

TEST_CASE("401 and 407 are answered once, with the password; twice is a wrong password") {
    auto settings = SipTalk::attached();
    settings.credentials = {"presmesh", "secret", ""};
    Attached talk(settings);
    const auto subscribe = talk.want();
    const auto challenge = [](auto& response) {
        response.www_authenticate = {"Digest realm=\"a.example\", nonce=\"n1\", qop=\"auth\""};
    };
    talk.reply(subscribe, 401, challenge);
    const auto with = talk.take_request();
    CHECK(with.cseq == subscribe.cseq + 1);
    CHECK(with.call_id == subscribe.call_id);
    REQUIRE(with.authorization.size() == 1);
    CHECK(with.authorization[0].find("username=\"presmesh\"") != std::string::npos);
    talk.reply(with, 401, challenge);
    CHECK(talk.out.empty());
    talk.pass(10s);
    CHECK(talk.take_request().authorization.empty());
}

TEST_CASE("the link tells whether the server takes us") {
    Attached talk;
    const auto link = [&] {
        const auto links = talk.translator->links();
        REQUIRE(links.size() == 1);
        CHECK(links[0].name == "sip.attach");
        return std::string(to_string(links[0].state)) + " " + links[0].reason;
    };
    CHECK(link() == "untried ");
    const auto start = talk.now.wall;
    SUBCASE("nobody answers, then somebody does") {
        talk.reply(talk.want(), 408, [](auto& response) { response.local = true; });
        CHECK(link() == "down no-answer");
        talk.pass(10s);
        CHECK(talk.translator->links()[0].since == start);
        talk.accept(talk.take_request());
        CHECK(link() == "up ");
        CHECK(talk.translator->links()[0].since > start);
    }
    SUBCASE("a password is wanted that we have not") {
        talk.reply(talk.want(), 401);
        CHECK(link() == "down 401");
    }
    SUBCASE("we are forbidden everything") {
        talk.reply(talk.want(), 403);
        CHECK(link() == "down 403");
    }
    SUBCASE("one user is denied, one does not exist, among others") {
        talk.reply(talk.want(), 404);
        CHECK(link() == "up ");
        talk.translator->wanted(talk.now, uri("pres:ann@a.example"), carol);
        talk.end_turn();
        talk.accept(talk.take_request());
        talk.translator->wanted(talk.now, uri("pres:amy@a.example"), carol);
        talk.end_turn();
        talk.reply(talk.take_request(), 403);
        CHECK(link() == "up ");
    }
    SUBCASE("what was taken once is refused now") {
        talk.accept(talk.want());
        talk.pass(300s);
        talk.out.clear();
        talk.translator->wanted(talk.now, uri("pres:amy@a.example"), carol);
        talk.end_turn();
        talk.pass(1s);
        talk.reply(talk.take_request(), 403);
        CHECK(link() == "down 403");
    }
}

TEST_CASE("who serves is attached to nobody") {
    CHECK(SipTalk().translator->links().empty());
}

TEST_CASE("a ping that nobody answers shows that the server is away, and one that is answered that it is back") {
    auto settings = SipTalk::attached();
    settings.ping_every = 10s;
    SipTalk talk(settings);
    talk.translator->wanted(talk.now, alice, carol);
    talk.end_turn();
    talk.take_request();  // its SUBSCRIBE, which waits
    talk.pass(10s);
    auto options = talk.take_request();
    REQUIRE(options.method == sip::Method::options);
    talk.reply(options, 503, [](auto& response) { response.local = true; });
    CHECK(talk.translator->links()[0].state == tr::LinkState::down);
    talk.pass(10s);
    talk.reply(talk.take_request(), 200);
    CHECK(talk.translator->links()[0].state == tr::LinkState::up);
}

TEST_CASE("while nobody is watched the server is pinged too, so that the link is told as it is") {
    SipTalk talk(SipTalk::attached());
    const auto link = [&] { return talk.translator->links()[0].state; };
    const auto ping = [&] {
        talk.pass(talk.settings.ping_every);
        auto options = talk.take_request();
        CHECK(options.method == sip::Method::options);
        CHECK(talk.out.empty());
        return options;
    };
    const auto silent = [](auto& response) { response.local = true; };
    CHECK(link() == tr::LinkState::untried);
    SUBCASE("it was never there") {
        talk.reply(ping(), 408, silent);
        CHECK(link() == tr::LinkState::down);
    }
    SUBCASE("it goes when the last watcher has gone") {
        talk.translator->wanted(talk.now, alice, carol);
        talk.end_turn();
        talk.reply(talk.take_request(), 404);
        talk.translator->unwanted(talk.now, alice, carol);
        talk.end_turn();
        for (int i = 0; i < 10; ++i) {
            talk.reply(ping(), 200);
            CHECK(link() == tr::LinkState::up);
        }
        talk.reply(ping(), 503, silent);
        CHECK(link() == tr::LinkState::down);
        talk.reply(ping(), 200);
        CHECK(link() == tr::LinkState::up);
        // Who is watched then is not met with an alarm that is an hour old.
        talk.translator->wanted(talk.now, alice, carol);
        talk.end_turn();
        talk.out.clear();
        talk.pass(talk.settings.ping_every);
        CHECK(link() == tr::LinkState::up);
    }
}

TEST_CASE("423 asks for longer; 403, 489 and 603 are for good; 404 is nobody") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.reply(subscribe, 423, [](auto& response) { response.min_expires = 1'800; });
    const auto longer = talk.take_request();
    CHECK(longer.expires == 1'800u);
    int status = 0;
    const char* reason = "rejected";
    SUBCASE("403") {
        status = 403;
    }
    SUBCASE("489") {
        status = 489;
    }
    SUBCASE("603") {
        status = 603;
    }
    SUBCASE("404") {
        status = 404;
        reason = "noresource";
    }
    talk.reply(longer, status);
    CHECK(talk.decided() == Decision{tr::WatchState::terminated, reason});
    talk.pass(24h);
    CHECK(talk.out.empty());
}

TEST_CASE("RFC 6665 section 4.1.3: what each termination means") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    SUBCASE("rejected and noresource are final") {
        talk.ask(talk.notify(subscribe, "terminated;reason=rejected", ""));
        CHECK(talk.decided() == Decision{tr::WatchState::terminated, "rejected"});
        CHECK(talk.host.documents[alice] == nullptr);
        talk.pass(24h);
        CHECK(talk.out.empty());
    }
    SUBCASE("deactivated and timeout: again at once, in a new dialog") {
        talk.ask(talk.notify(subscribe, "terminated;reason=deactivated", ""));
        talk.pass(0s);
        CHECK(talk.take_request().call_id != subscribe.call_id);
        CHECK(talk.decided() == is_active);
        CHECK(talk.host.documents[alice] != nullptr);
    }
    SUBCASE("probation and giveup: after a while, or when they say") {
        talk.ask(talk.notify(subscribe, "terminated;reason=probation;retry-after=100", ""));
        talk.pass(74s);
        CHECK(talk.out.empty());
        talk.pass(60s);
        CHECK(talk.take_request().call_id != subscribe.call_id);
        CHECK(talk.decided() == is_active);
    }
}

TEST_CASE("a server that takes every subscription and ends it is met with growing patience") {
    Attached talk;
    auto subscribe = talk.want();
    const auto round = [&](const auto& end) {
        end(subscribe);
        const auto before = talk.now.steady;
        talk.pass(0s);
        while (talk.out.empty()) talk.pass(1s);
        subscribe = talk.take_request();
        return talk.now.steady - before;
    };
    std::vector<proto::Duration> waits;
    SUBCASE("with a NOTIFY") {
        for (const std::string reason : {"deactivated", "timeout", "deactivated", "probation;retry-after=0", "timeout"})
            waits.push_back(round([&](const auto& request) {
                talk.accept(request);
                talk.ask(talk.notify(request, "active;expires=300"));
                talk.ask(talk.notify(request, "terminated;reason=" + reason, ""));
            }));
        CHECK(waits.front() == 0s);
    }
    SUBCASE("by granting no time") {
        for (int i = 0; i < 5; ++i) waits.push_back(round([&](const auto& request) { talk.accept(request, 0); }));
    }
    for (std::size_t i = 1; i < waits.size(); ++i) CHECK(waits[i] >= 5s);
    CHECK(waits.back() >= 50s);
    // One that stands for a while ends the patience.
    talk.accept(subscribe);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    talk.pass(1min);
    talk.ask(talk.notify(subscribe, "active;expires=300"));
    CHECK(round([&](const auto& request) { talk.ask(talk.notify(request, "terminated;reason=deactivated", "")); }) ==
          0s);
}

TEST_CASE("a server that takes a subscription and sends no NOTIFY for it is asked anew after timer N, with patience") {
    Attached talk;
    auto subscribe = talk.want();
    std::vector<proto::Duration> waits;
    for (int i = 0; i < 4; ++i) {
        talk.accept(subscribe, 60);
        talk.pass(32s - 1ms);
        CHECK(talk.out.empty());
        CHECK(talk.host.counters["sip_no_notify.sip.attach"] == static_cast<std::uint64_t>(i));
        talk.pass(1ms);
        CHECK(talk.host.counters["sip_no_notify.sip.attach"] == static_cast<std::uint64_t>(i + 1));
        const auto before = talk.now.steady;
        while (talk.out.empty()) talk.pass(1s);
        waits.push_back(talk.now.steady - before);
        const auto anew = talk.take_request();
        CHECK(anew.call_id != subscribe.call_id);
        subscribe = anew;
    }
    CHECK(waits.front() <= 8s);
    CHECK(waits.back() >= 30s);
    talk.accept(subscribe);
    talk.pass(10s);
    CHECK(talk.ask(talk.notify(subscribe, "pending;expires=290", "")).status == 200);
    talk.pass(1min);
    CHECK(talk.out.empty());
    CHECK(talk.host.counters["sip_no_notify.sip.attach"] == 4);
}

TEST_CASE("a NOTIFY that came before the 200, or after timer N, is one") {
    Attached talk;
    const auto subscribe = talk.want();
    SUBCASE("before") {
        talk.ask(talk.notify(subscribe, "active;expires=300"));
        talk.accept(subscribe);
    }
    SUBCASE("after") {
        talk.accept(subscribe);
        talk.pass(33s);
        CHECK(talk.ask(talk.notify(subscribe, "active;expires=267")).status == 200);
    }
    CHECK(talk.decided() == is_active);
    talk.pass(2min);
    CHECK(talk.out.empty());
    talk.pass(140s);
    CHECK(talk.take_request().call_id == subscribe.call_id);
}

TEST_CASE("a server that is away is knocked at with growing patience, and its users' state runs out") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.reply(subscribe, 503, [](auto& response) { response.local = true; });
    std::vector<proto::Duration> waits;
    for (int i = 0; i < 8; ++i) {
        const auto before = talk.now.steady;
        while (talk.out.empty()) talk.pass(1s);
        waits.push_back(talk.now.steady - before);
        talk.reply(talk.take_request(), 408, [](auto& response) { response.local = true; });
    }
    CHECK(waits.front() <= 8s);
    CHECK(waits.back() >= 200s);
    CHECK(waits.back() <= 376s);
}

namespace {

/// Attached, with pings and some subscriptions that the server took.
struct Pinging : SipTalk {
    explicit Pinging(int follows) : SipTalk(every_10s()) {
        for (int i = 0; i < follows; ++i) {
            translator->wanted(now, uri("pres:u" + std::to_string(i) + "@a.example"), carol);
            end_turn();
            accept(take_request());
        }
    }
    static sip::SipSettings every_10s() {
        auto settings = SipTalk::attached();
        settings.ping_every = 10s;
        return settings;
    }
    void accept(const sip::Request& subscribe) {
        reply(subscribe, 200, [](auto& response) {
            response.to_tag = "server";
            response.expires = 300;
        });
    }
    void lose(const sip::Request& request) {
        reply(request, 503, [](auto& response) { response.local = true; });
    }
    /// Whom the requests that wait to be sent are for; the server takes each (or forgot it: 481).
    std::multiset<std::string> asked(int status = 200) {
        std::multiset<std::string> to;
        for (auto left = out.size(); left > 0; --left) {
            const auto request = take_request();
            to.insert(request.to.uri + (request.to.tag.empty() ? "" : ";known"));
            if (status == 481 && !request.to.tag.empty())
                reply(request, 481);
            else
                accept(request);
        }
        return to;
    }
};
using Asked = std::multiset<std::string>;

}  // namespace

TEST_CASE("refreshes that the server takes do not stand in for the first NOTIFY") {
    Pinging talk(1);
    for (int i = 0; i < 3; ++i) {
        talk.pass(10s);
        CHECK(talk.asked() == Asked{"sip:u0@a.example;known"});
    }
    talk.pass(2s);
    CHECK(talk.host.counters["sip_no_notify.sip.attach"] == 1);
    talk.pass(7s);
    CHECK(talk.asked() == Asked{"sip:u0@a.example"});
}

TEST_CASE("a server that comes back is subscribed to again, all of it, not all at once") {
    Pinging talk(3);
    talk.pass(10s);
    talk.lose(talk.take_request());
    talk.pass(10s);
    const auto retry = talk.take_request();
    const auto ping = talk.take_request();
    CHECK(ping.method == sip::Method::options);
    talk.lose(retry);
    talk.reply(ping, 404);  // any word of the server's own will do
    CHECK(talk.out.empty());
    talk.pass(1s);
    CHECK(talk.asked() == Asked{"sip:u0@a.example", "sip:u1@a.example", "sip:u2@a.example"});
}

TEST_CASE("pings refresh the subscriptions in turn; without any they are OPTIONS") {
    Pinging talk(2);
    for (const auto* user : {"sip:u0@a.example;known", "sip:u1@a.example;known", "sip:u0@a.example;known"}) {
        talk.pass(10s);
        CHECK(talk.asked() == Asked{user});
    }
    Pinging refused(1);
    refused.pass(10s);
    refused.reply(refused.take_request(), 403);
    refused.pass(10s);
    CHECK(refused.take_request().method == sip::Method::options);
}

TEST_CASE("a server that restarted between two pings is noticed by what it forgot, once, and all is asked again") {
    Pinging talk(5);
    talk.pass(10s);
    talk.reply(talk.take_request(), 481);
    CHECK(talk.asked() == Asked{"sip:u0@a.example"});
    talk.pass(1s);
    CHECK(talk.asked(481) == Asked{"sip:u1@a.example;known", "sip:u2@a.example;known", "sip:u3@a.example;known",
                                   "sip:u4@a.example;known"});
    CHECK(talk.asked() == Asked{"sip:u1@a.example", "sip:u2@a.example", "sip:u3@a.example", "sip:u4@a.example"});
    CHECK(talk.host.counters["sip_server_forgot.sip.attach"] == 1);
    talk.pass(8s);
    CHECK(talk.out.empty());
    talk.pass(1s);
    talk.reply(talk.take_request(), 481);  // and it restarted once more
    talk.asked();
    talk.pass(1s);
    CHECK(talk.asked().size() == 4);
    CHECK(talk.host.counters["sip_server_forgot.sip.attach"] == 2);
}

TEST_CASE("what was forgotten is asked for at a bounded rate") {
    Pinging talk(2'000);
    talk.pass(10s);
    talk.reply(talk.take_request(), 481);
    talk.out.clear();
    std::size_t all = 0;
    for (int i = 0; i < 42; ++i) {
        talk.pass(100ms);
        CHECK(talk.out.size() < 100);
        all += talk.out.size();
        talk.asked();
    }
    CHECK(all == 1'999);
}

TEST_CASE("a clean stop says goodbye to the server") {
    Attached talk;
    const auto subscribe = talk.want();
    talk.accept(subscribe);
    talk.translator->stop(talk.now);
    talk.end_turn();
    const auto bye = talk.take_request();
    CHECK(bye.expires == 0u);
    talk.reply(bye, 200);
    talk.pass(1min);
    CHECK(talk.out.empty());
}
