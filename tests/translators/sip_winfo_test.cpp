// Watcher information over SIP (RFC 3857): who may ask, what the documents of a subscription add up to, rates, bounds
// and restarts.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <pugixml.hpp>

#include "proto/limits.hpp"
#include "tests/support/sip_talk.hpp"
#include "translators/sip/winfo.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using tr::WatcherEvent;
using tr::WatchState;

namespace {

const auto interval = proto::limits::winfo_interval;

/// What a subscriber makes of the documents, as RFC 3858 section 4 tells it to.
struct Table {
    std::int64_t version = -1;
    std::string extent;
    std::vector<std::string> last;  ///< "bob@b.example active approved", of the last document
    std::map<std::string, std::string> rows;
    std::map<std::string, std::string> ids;

    void read(const sip::Request& notify) {
        REQUIRE(notify.content_type == "application/watcherinfo+xml");
        pugi::xml_document document;
        REQUIRE(document.load_string(notify.body->c_str()));
        const auto root = document.child("watcherinfo");
        REQUIRE(root.attribute("version").as_llong() > version);
        version = root.attribute("version").as_llong();
        extent = root.attribute("state").value();
        if (extent == "full") rows.clear();
        last.clear();
        std::set<std::string> seen;
        for (const auto watcher : root.child("watcher-list").children("watcher")) {
            const auto name = proto::PresentityUri::from_sip(watcher.text().get()).value().canonical();
            const std::string id = watcher.attribute("id").value();
            REQUIRE(seen.insert(id).second);
            REQUIRE(ids.try_emplace(name, id).first->second == id);
            const std::string status = watcher.attribute("status").value();
            last.push_back(name + " " + status + " " + watcher.attribute("event").value());
            rows[name] = status;
            if (status == "terminated") rows.erase(name);
        }
    }
};
using Strings = std::vector<std::string>;

struct Talk : SipTalk {
    using SipTalk::SipTalk;

    sip::Request ask_for(std::string of = "sip:alice@a.example", std::optional<std::uint32_t> expires = 600) {
        auto request = subscribe(std::move(of), expires);
        request.event = asked_event;
        request.contact = contact;
        request.routes = routes;
        return request;
    }
    void send_first(std::uint32_t expires = 86'400) {
        first = ask_for("sip:alice@a.example", expires);
        accepted = ask(first);
        table = {};
        REQUIRE(accepted.status == 200);
    }
    /// Subscribed, and told the first list, or its beginning.
    void begin(std::uint32_t expires = 86'400) {
        send_first(expires);
        hear();
    }
    void watched_by(int watchers) {
        for (int i = 0; i < watchers; ++i)
            host.set_watcher(now, alice,
                             {uri("watcher" + std::to_string(i) + "@b.example"), WatchState::active, {}, {}});
    }
    void set(const proto::PresentityUri& watcher, WatchState state, WatcherEvent event = WatcherEvent::subscribe) {
        host.set_watcher(now, alice, {watcher, state, event, now.wall});
        end_turn();
    }
    void hear(int status = 200) {
        const auto notify = take_request();
        table.read(notify);
        reply(notify, status);
    }
    /// Everything that is still to come.
    void hear_all() {
        for (int i = 0; i < 1'000 && (!out.empty() || translator->next_timeout() <= now.steady + interval); ++i) {
            while (!out.empty()) hear();
            pass(interval);
        }
    }
    std::map<std::string, std::string> listed() const {
        std::map<std::string, std::string> rows;
        const auto found = host.audiences.find(alice);
        if (found != host.audiences.end())
            for (const auto& [watcher, status] : found->second) rows[watcher.canonical()] = to_string(status.state);
        return rows;
    }

    std::string asked_event = "presence.winfo";
    std::string contact = "sip:alice@192.0.2.1:5062";
    std::vector<std::string> routes;
    Table table;
    sip::Request first;
    sip::Response accepted;
};

}  // namespace

TEST_CASE("SUBSCRIBE to presence.winfo: 200, then the whole list in the dialog") {
    Talk talk;
    talk.set(bob, WatchState::pending);
    talk.set(carol, WatchState::active, WatcherEvent::approved);
    auto request = talk.ask_for("sip:alice@a.example;user=phone", std::nullopt);
    request.event = "presence.winfo;id=3";
    request.accept = std::vector<std::string>{"application/watcherinfo+xml"};
    const auto response = talk.ask(request);
    CHECK(response.status == 200);
    CHECK(response.expires == 3'600u);
    CHECK(response.with_contact);
    const auto notify = talk.take_request();
    CHECK(notify.event == "presence.winfo;id=3");
    CHECK(notify.subscription_state == "active;expires=3600");
    CHECK(notify.from == sip::Party{request.to.uri, response.to_tag});
    talk.table.read(notify);
    CHECK(talk.table.version == 0);
    CHECK(talk.table.extent == "full");
    CHECK(talk.table.last == Strings{"bob@b.example pending subscribe", "carol@c.example active approved"});
    CHECK(talk.out.empty());
}

TEST_CASE("nobody but the presentity itself is told who watches it") {
    Talk talk;
    CHECK(talk.ask(talk.ask_for("sip:ann@a.example")).status == 403);
    CHECK(talk.ask(talk.ask_for("sip:bob@b.example")).status == 403);
    auto stranger = talk.ask_for();
    stranger.from.uri = "sip:eve@b.example";
    CHECK(talk.ask(stranger).status == 403);
    auto own = talk.ask_for("sip:bob@b.example");
    own.from.uri = "sip:bob@b.example";
    CHECK(talk.ask(own).status == 404);  // who watches him is known elsewhere
    CHECK(talk.host.observers.empty());
    // Whoever has heard of a dialog is not let into it.
    talk.begin();
    auto taken = talk.again(talk.first, talk.accepted, 600);
    taken.from.uri = "sip:mallory@a.example";
    taken.contact = "sip:mallory@192.0.2.66";
    CHECK(talk.ask(taken).status == 403);
    talk.set(bob, WatchState::pending);
    talk.pass(interval);
    CHECK(talk.take_request().uri == talk.first.contact);
}

TEST_CASE("with digest authentication, only who proved to be the presentity is told") {
    auto settings = SipTalk::serving();
    settings.authenticate = true;
    for (const auto* user : {"alice", "mallory"})
        settings.accounts[user] = {sip::hash_hex(sip::HashName::md5, std::string(user) + ":a.example:secret"), ""};
    Talk talk(settings);
    const auto with = [&](sip::Request request, const std::string& user) {
        const auto challenge = talk.ask(request);
        REQUIRE(challenge.status == 401);
        proto::SeededRandom random(7);
        request.authorization = {sip::answer_challenge({challenge.www_authenticate.back()}, {user, "secret", ""},
                                                       to_string(request.method), request.uri, random)
                                     .value()};
        request.cseq = ++talk.cseq;
        return talk.ask(request);
    };
    CHECK(with(talk.ask_for(), "mallory").status == 403);
    auto other = talk.ask_for();
    other.from.uri = "sip:mallory@a.example";
    CHECK(with(other, "mallory").status == 403);
    CHECK(talk.host.observers.empty());
    CHECK(with(talk.ask_for(), "alice").status == 200);
    talk.hear();
}

TEST_CASE("what else is refused, and where the package is not to be had") {
    Talk talk;
    auto deeper = talk.ask_for();
    deeper.event = "presence.winfo.winfo";
    const auto bad = talk.ask(deeper);
    CHECK(bad.status == 489);
    CHECK(bad.allow_events == "presence, presence.winfo");
    auto accept = talk.ask_for();
    accept.accept = std::vector<std::string>{"application/pidf+xml"};
    const auto type = talk.ask(accept);
    CHECK(type.status == 406);
    CHECK(type.accept == "application/watcherinfo+xml");
    const auto brief = talk.ask(talk.ask_for("sip:alice@a.example", 59));
    CHECK(brief.status == 423);
    CHECK(brief.min_expires == 60u);
    auto contact = talk.ask_for();
    contact.contact.clear();
    CHECK(talk.ask(contact).status == 400);
    auto options = talk.plain(sip::Method::options, "sip:alice@a.example", "sip:alice@a.example");
    CHECK(talk.ask(options).allow_events == "presence, presence.winfo");
    auto publish = talk.publish(pidf_text());
    publish.event = "presence.winfo";
    CHECK(talk.ask(publish).status == 489);
    // A dialog is one package's.
    talk.begin();
    auto mixed = talk.again(talk.first, talk.accepted, 600);
    mixed.event = "presence";
    CHECK(talk.ask(mixed).status == 481);

    Talk attached(SipTalk::attached());
    const auto refused = attached.ask(attached.ask_for());
    CHECK(refused.status == 489);
    CHECK(refused.allow_events == "presence");
}

TEST_CASE("changes come in partial documents, a watcher that went once, and versions rise by one") {
    Talk talk;
    talk.begin();
    CHECK(talk.table.last.empty());
    talk.pass(1min);
    CHECK(talk.out.empty());
    talk.set(bob, WatchState::pending);
    talk.hear();
    CHECK(talk.table.extent == "partial");
    CHECK(talk.table.version == 1);
    CHECK(talk.table.last == Strings{"bob@b.example pending subscribe"});
    talk.pass(1min);
    talk.set(bob, WatchState::active, WatcherEvent::approved);
    talk.hear();
    CHECK(talk.table.last == Strings{"bob@b.example active approved"});
    talk.pass(1min);
    talk.set(bob, WatchState::terminated, WatcherEvent::timeout);
    talk.hear();
    CHECK(talk.table.last == Strings{"bob@b.example terminated timeout"});
    talk.pass(1min);
    CHECK(talk.out.empty());
    talk.set(carol, WatchState::active);
    talk.hear();
    CHECK(talk.table.last == Strings{"carol@c.example active subscribe"});
    CHECK(talk.table.version == 4);
}

TEST_CASE("RFC 3857 section 4.10: one NOTIFY in five seconds, with the newest of everyone") {
    Talk talk;
    talk.begin();
    talk.set(bob, WatchState::pending);
    talk.set(bob, WatchState::active, WatcherEvent::approved);
    talk.set(carol, WatchState::pending);
    talk.pass(interval - 1ms);
    CHECK(talk.out.empty());
    talk.pass(1ms);
    talk.hear();
    CHECK(talk.table.last == Strings{"bob@b.example active approved", "carol@c.example pending subscribe"});
    // A refresh is answered at once, and what comes after it waits again.
    talk.pass(interval - 1ms);
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 600)).status == 200);
    talk.hear();
    talk.set(carol, WatchState::active, WatcherEvent::approved);
    talk.pass(1ms);
    CHECK(talk.out.empty());
    talk.pass(interval - 1ms);
    talk.hear();
    CHECK(talk.table.last == Strings{"carol@c.example active approved"});
}

TEST_CASE("a watcher that came and went between two NOTIFYs is not told of") {
    Talk talk;
    talk.begin();
    talk.set(bob, WatchState::pending);
    talk.set(bob, WatchState::terminated, WatcherEvent::giveup);
    talk.set(carol, WatchState::pending);
    talk.pass(interval);
    talk.hear();
    CHECK(talk.table.last == Strings{"carol@c.example pending subscribe"});
    // One that was there is, and if it is there again, as it is now.
    talk.set(carol, WatchState::terminated, WatcherEvent::timeout);
    talk.set(carol, WatchState::active);
    talk.pass(interval);
    talk.hear();
    CHECK(talk.table.last == Strings{"carol@c.example active subscribe"});
}

TEST_CASE("RFC 3857 section 4.7.2: a watcher alone that came and went between two NOTIFYs brings none") {
    Talk talk;
    talk.begin();
    talk.set(bob, WatchState::pending);
    talk.set(bob, WatchState::terminated, WatcherEvent::giveup);
    talk.pass(1min);
    CHECK(talk.out.empty());
    talk.set(carol, WatchState::pending);
    talk.hear();
    CHECK(talk.table.extent == "partial");
    CHECK(talk.table.last == Strings{"carol@c.example pending subscribe"});
    // What is owed to a refresh is not taken back with it.
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 600)).status == 200);
    const auto under_way = talk.take_request();
    talk.set(bob, WatchState::pending);
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 600)).status == 200);
    talk.set(bob, WatchState::terminated, WatcherEvent::giveup);
    talk.table.read(under_way);
    talk.reply(under_way, 200);
    talk.hear();
    CHECK(talk.table.extent == "full");
}

TEST_CASE("refresh: the whole list again; who went and was not told of is in it once") {
    Talk talk;
    talk.set(bob, WatchState::active);
    talk.set(carol, WatchState::active);
    talk.begin();
    talk.set(bob, WatchState::terminated, WatcherEvent::rejected);
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 600)).expires == 600u);
    talk.hear();
    CHECK(talk.table.extent == "full");
    CHECK(talk.table.last == Strings{"bob@b.example terminated rejected", "carol@c.example active subscribe"});
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 600)).status == 200);
    talk.hear();
    CHECK(talk.table.last == Strings{"carol@c.example active subscribe"});
}

TEST_CASE("a fetch, an unsubscription and an expiry end with the list, and nothing is observed any more") {
    Talk talk;
    talk.set(bob, WatchState::active);
    SUBCASE("fetch") {
        CHECK(talk.ask(talk.ask_for("sip:alice@a.example", 0)).expires == 0u);
    }
    SUBCASE("unsubscription") {
        talk.begin();
        CHECK(talk.ask(talk.again(talk.first, talk.accepted, 0)).status == 200);
    }
    SUBCASE("expiry") {
        talk.begin(60);
        talk.pass(60s);
    }
    const auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=timeout");
    talk.table.read(last);
    CHECK(talk.table.extent == "full");
    CHECK(talk.table.last == Strings{"bob@b.example active subscribe"});
    talk.reply(last, 200);
    CHECK(talk.translator->subscriptions() == 0);
    CHECK(talk.host.observers.empty());
    CHECK(talk.host.saved["sip.serve"].empty());
}

TEST_CASE("a NOTIFY that did not arrive: 481 ends it, others have the whole list told again") {
    Talk talk;
    talk.begin();
    talk.set(bob, WatchState::pending);
    talk.pass(interval);
    SUBCASE("481") {
        talk.hear(481);
        CHECK(talk.translator->subscriptions() == 0);
        CHECK(talk.host.observers.empty());
        CHECK(talk.host.saved["sip.serve"].empty());
    }
    SUBCASE("500") {
        talk.reply(talk.take_request(), 500);
        talk.set(carol, WatchState::pending);
        CHECK(talk.out.empty());
        talk.pass(7s);
        talk.hear();
        CHECK(talk.table.extent == "full");
        CHECK(talk.table.version == 2);
        CHECK(talk.table.rows == talk.listed());
    }
}

TEST_CASE("restart: the subscription goes on in its dialog, with a whole list of a higher version") {
    Talk talk;
    talk.begin(600);
    talk.set(bob, WatchState::active);
    talk.pass(interval);
    talk.hear();
    const auto call_id = talk.first.call_id;
    talk.pass(95s);
    const auto audiences = std::exchange(talk.host.audiences, {});
    talk.restart();
    talk.pass(9s);
    CHECK(talk.out.empty());  // watchers come back one by one
    for (const auto& [watcher, status] : audiences.at(alice)) talk.set(watcher, status.state, status.event);
    talk.set(carol, WatchState::pending);
    talk.pass(1s);
    const auto notify = talk.take_request();
    CHECK(notify.call_id == call_id);
    CHECK(notify.event == "presence.winfo");
    CHECK(notify.subscription_state == "active;expires=490");
    talk.table.read(notify);
    CHECK(talk.table.extent == "full");
    CHECK(talk.table.rows == talk.listed());
    talk.reply(notify, 200);
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 0)).status == 200);
    talk.hear();
    CHECK(talk.translator->subscriptions() == 0);
}

TEST_CASE("the presentity's domain is no longer ours: the subscription ends, running or over a restart") {
    Talk talk;
    talk.begin();
    talk.host.domains.clear();
    SUBCASE("while it runs") {
        talk.host.tell_watchers(talk.now, alice, {});
        talk.end_turn();
    }
    SUBCASE("over a restart") {
        talk.restart();
    }
    const auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=noresource");
    CHECK(!last.body);
    talk.reply(last, 200);
    CHECK(talk.translator->subscriptions() == 0);
    CHECK(talk.host.observers.empty());
}

TEST_CASE("a list longer than a document goes on in partial ones, each once the one before was answered") {
    Talk talk;
    talk.watched_by(1'500);
    talk.contact = "sip:alice@192.0.2.1:5062;transport=tcp";
    talk.send_first();
    const auto first = talk.take_request();
    talk.table.read(first);
    CHECK(talk.table.extent == "full");
    const auto at_once = talk.table.rows.size();
    CHECK(at_once > 300);
    CHECK(at_once < 1'500);
    talk.set(bob, WatchState::pending);  // a change need not wait for the end of the list
    for (const auto& [watcher, status] : talk.host.audiences.at(alice))
        if (!talk.table.rows.contains(watcher.canonical()) && watcher != bob) {
            talk.set(watcher, WatchState::active, WatcherEvent::approved);  // and is in the next document only once
            break;
        }
    talk.set(uri("watcher0@b.example"), WatchState::terminated, WatcherEvent::timeout);
    CHECK(talk.out.empty());
    talk.reply(first, 200);
    talk.hear();
    CHECK(talk.table.extent == "partial");
    CHECK(talk.table.last.at(0) == "bob@b.example pending subscribe");
    while (!talk.out.empty()) talk.hear();
    CHECK(talk.table.rows == talk.listed());
    CHECK(talk.table.rows.size() == 1'500);
    CHECK(talk.table.version < 8);
    talk.set(bob, WatchState::active, WatcherEvent::approved);  // and from here at the package's rate
    talk.pass(interval - 1ms);
    CHECK(talk.out.empty());
    talk.pass(1ms);
    talk.hear();
}

TEST_CASE("RFC 3261 section 18.1.1: where TCP is not asked for, no part of a list is large") {
    Talk talk;
    talk.watched_by(900);
    const auto small = [](const sip::Request& notify) {
        return sip::header_bytes(notify) + notify.body->size() <= proto::limits::sip_udp_message_bytes;
    };
    SUBCASE("all of it is told as fast as it is answered") {
        SUBCASE("nothing said") {}
        SUBCASE("UDP said") {
            talk.contact = "sip:alice@192.0.2.1:5062;transport=udp";
        }
        SUBCASE("a proxy") {
            talk.routes = {"<sip:192.0.2.5;lr>"};
        }
        talk.send_first();
        while (!talk.out.empty()) {
            REQUIRE(talk.out.size() == 1);
            CHECK(small(std::get<sip::Request>(talk.out.front())));
            talk.hear();
        }
        CHECK(talk.table.rows == talk.listed());
        CHECK(talk.table.version < 600);
    }
    SUBCASE("what is not answered has one part alone") {
        talk.send_first();
        const auto first = talk.take_request();
        CHECK(small(first));
        talk.pass(32s);
        CHECK(talk.out.empty());
        talk.reply(first, 408, [](auto& response) { response.local = true; });
        CHECK(talk.translator->subscriptions() == 0);
    }
    SUBCASE("a part that is refused for now has the list told anew") {
        talk.begin();
        talk.hear();
        talk.reply(talk.take_request(), 500);
        CHECK(talk.out.empty());
        talk.pass(7s);
        talk.hear();
        CHECK(talk.table.extent == "full");
        while (!talk.out.empty()) talk.hear();
        CHECK(talk.table.rows == talk.listed());
    }
    SUBCASE("the watcher's own max-rate holds") {
        talk.asked_event = "presence.winfo;max-rate=1";
        talk.begin();
        talk.pass(999ms);
        CHECK(talk.out.empty());
        talk.pass(1ms);
        talk.hear();
    }
    SUBCASE("names as long as they get come one by one") {
        talk.host.audiences.clear();
        for (const char c : {'b', 'c', 'd'})
            talk.host.set_watcher(talk.now, alice,
                                  {uri(std::string(proto::limits::user_bytes, c) + "@" + std::string(60, c) + "." +
                                       std::string(60, c) + "." + std::string(60, c) + ".example"),
                                   WatchState::active,
                                   {},
                                   {}});
        talk.send_first();
        while (!talk.out.empty()) talk.hear();
        CHECK(talk.table.rows == talk.listed());
        CHECK(talk.table.version == 2);
    }
}

TEST_CASE("a fetch, an unsubscription and an expiry of a long list end with its end") {
    for (const std::string how : {"fetch", "unsubscription", "expiry"})
        for (const std::string then : {"answered", "refused", "not ours"}) {
            INFO(how << ", " << then);
            Talk talk;
            talk.watched_by(100);
            talk.send_first(how == "fetch" ? 0 : 60);
            if (how != "fetch")
                while (!talk.out.empty()) talk.hear();
            if (how == "unsubscription") CHECK(talk.ask(talk.again(talk.first, talk.accepted, 0)).status == 200);
            if (how == "expiry") talk.pass(60s);
            const auto notify = talk.take_request();
            CHECK(notify.subscription_state == "active;expires=32");
            talk.table.read(notify);
            CHECK(talk.table.extent == "full");
            const auto expected = talk.listed();
            std::string state;
            if (then == "not ours") talk.host.domains.clear();
            talk.reply(notify, then == "refused" ? 500 : 200);
            for (int i = 0; i < 200 && !talk.out.empty(); ++i) {
                // Who comes now is not told of: it need never end.
                talk.set(uri("a" + std::to_string(i) + "@b.example"), WatchState::active);
                const auto next = talk.take_request();
                CHECK((state.empty() || state == "active;expires=32"));
                state = next.subscription_state;
                if (next.body) talk.table.read(next);
                talk.reply(next, 200);
            }
            if (then == "answered") {
                CHECK(state == "terminated;reason=timeout");
                CHECK(talk.table.extent == "partial");
                CHECK(talk.table.rows == expected);
            }
            if (then == "refused") CHECK(state.empty());
            if (then == "not ours") CHECK(state == "terminated;reason=noresource");
            talk.pass(1min);
            CHECK(talk.out.empty());
            CHECK(talk.translator->subscriptions() == 0);
            CHECK(talk.host.observers.empty());
            CHECK(talk.host.saved["sip.serve"].empty());
        }
}

TEST_CASE("a flood of watchers: what waits for a subscription is bounded, and in the end it has the list") {
    Talk talk;
    talk.contact = "sip:alice@192.0.2.1:5062;transport=tcp";
    talk.begin();
    std::size_t notified = 0;
    for (int i = 0; i < 6'000; ++i) {
        const auto watcher = uri("w" + std::to_string(i) + "@b.example");
        talk.set(watcher, WatchState::active);
        if (i % 3 == 0) talk.set(watcher, WatchState::terminated, WatcherEvent::timeout);
        if (i % 3 == 1) talk.set(watcher, WatchState::pending);
        talk.pass(5ms);
        CHECK(talk.out.size() <= 1);
        while (!talk.out.empty() && i >= 3'000) {  // it is slow to answer at first
            talk.hear();
            ++notified;
        }
    }
    CHECK(notified <= 12);  // in 15 s; what does not fit one follows at once
    CHECK(talk.host.counters["sip_winfo.list_again"] >= 1);
    talk.hear_all();
    CHECK(talk.table.rows == talk.listed());
}

TEST_CASE("subscriptions are bounded, for a presentity and in all") {
    Talk talk;
    for (std::size_t i = 0; i < proto::limits::winfo_per_presentity; ++i) talk.begin();
    const auto refused = talk.ask(talk.ask_for());
    CHECK(refused.status == 503);
    CHECK(refused.retry_after);
    CHECK(talk.ask(talk.again(talk.first, talk.accepted, 0)).status == 200);
    talk.hear();
    talk.begin();

    FakeHost host;
    sip::Winfo winfo;
    winfo.start(host, *talk.translator);
    for (std::size_t i = 0; i < proto::limits::winfo_subscriptions; ++i)
        REQUIRE(winfo.add(i + 1, uri("u" + std::to_string(i) + "@a.example")));
    CHECK(winfo.add(0, alice).error().reason == proto::Reason::quota);
    winfo.remove(5);
    CHECK(winfo.add(0, alice));
    CHECK(winfo.size() == proto::limits::winfo_subscriptions);
}

TEST_CASE("two devices of one user are told apart; a change of another user is for neither") {
    Talk talk;
    talk.begin();
    Table second;
    const auto request = talk.ask_for();
    CHECK(talk.ask(request).status == 200);
    const auto notify = talk.take_request();
    second.read(notify);
    talk.reply(notify, 200);
    CHECK(talk.host.observers.at(alice).size() == 1);
    talk.host.set_watcher(talk.now, uri("ann@a.example"), {bob, WatchState::active, {}, {}});
    talk.pass(interval);
    CHECK(talk.out.empty());
    talk.set(bob, WatchState::pending);
    const auto one = talk.take_request(), two = talk.take_request();
    CHECK(one.call_id != two.call_id);
    CHECK(*one.body == *two.body);
}

TEST_CASE("RFC 6446: repeats of watcher information say the whole list") {
    Talk talk;
    talk.set(bob, WatchState::active);
    auto request = talk.ask_for();
    request.event = "presence.winfo;min-rate=1";
    REQUIRE(talk.ask(request).status == 200);
    CHECK(talk.out.front().index() == 0);
    CHECK(std::get<sip::Request>(talk.out.front()).subscription_state.ends_with(";min-rate=0.2000000000"));
    talk.hear();
    talk.pass(interval - 1ms);
    CHECK(talk.out.empty());
    talk.pass(1ms);
    talk.hear();
    CHECK(talk.table.extent == "full");
    CHECK(talk.table.last == Strings{"bob@b.example active subscribe"});
}

TEST_CASE("property: whatever happens on the way, the subscriber ends with the list there is") {
    CHECK(rc::check([] {
        Talk talk;
        talk.begin();
        std::optional<sip::Request> under_way;
        for (int step = 0; step < 60; ++step) {
            const auto choice = *rc::gen::inRange(0, 8);
            if (choice < 4) {
                const auto watcher = uri("w" + std::to_string(*rc::gen::inRange(0, 6)) + "@b.example");
                const auto is_there = talk.host.audiences[alice].contains(watcher);
                const auto state = static_cast<WatchState>(*rc::gen::inRange(0, is_there ? 3 : 2));
                talk.set(watcher, state);
            } else if (choice < 6 && under_way) {
                const auto answered = *std::exchange(under_way, std::nullopt);
                const bool arrives = *rc::gen::inRange(0, 4) != 0;
                if (arrives) talk.table.read(answered);
                talk.reply(answered, arrives ? 200 : 500);
            } else if (choice == 6 && !under_way && *rc::gen::inRange(0, 6) == 0) {
                talk.restart();
            } else {
                talk.pass(std::chrono::milliseconds{*rc::gen::inRange(1, 6'000)});
            }
            RC_ASSERT(talk.out.size() + (under_way ? 1 : 0) <= 1);
            if (!talk.out.empty()) under_way = talk.take_request();
        }
        if (under_way) {
            talk.table.read(*under_way);
            talk.reply(*under_way, 200);
        }
        for (int i = 0; i < 100; ++i) {
            while (!talk.out.empty()) talk.hear();
            talk.pass(10s);
        }
        RC_ASSERT(talk.table.rows == talk.listed());
    }));
}
