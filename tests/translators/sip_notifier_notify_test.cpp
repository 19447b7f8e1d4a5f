// The notifier's NOTIFYs: one at a time, at RFC 3856's and RFC 6446's rates, tried again, the newest state in the end.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "tests/support/sip_watching.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

TEST_CASE("one NOTIFY under way at a time, and the newest state next") {
    SipTalk talk;
    subscribe(talk);
    talk.host.show(talk.now, bob, open_document("one"));
    talk.end_turn();
    const auto one = talk.take_request();
    talk.host.show(talk.now, bob, open_document("two"));
    talk.host.show(talk.now, bob, open_document("three"));
    talk.end_turn();
    CHECK(talk.out.empty());
    talk.reply(one, 200);
    const auto three = talk.take_request();
    CHECK(has(text(three), "three"));
    CHECK(three.cseq == one.cseq + 1);
    talk.reply(three, 200);
    CHECK(talk.out.empty());
}

namespace {

/// What was saved of the one subscription.
std::optional<sip::SavedSubscription> saved_of(const SipTalk& talk) {
    const auto rows = talk.host.saved.find(talk.settings.name);
    if (rows == talk.host.saved.end() || rows->second.empty()) return std::nullopt;
    return sip::SavedSubscription::decode(rows->second.begin()->second).value();
}

}  // namespace

TEST_CASE("a NOTIFY leaves before its turn is committed only where nothing that it rests on was saved in the turn") {
    SipTalk talk;
    auto committed = saved_of(talk);
    std::size_t early = 0;
    std::size_t late = 0;
    const auto end_turn = [&] {
        talk.host.tell(talk.now);
        while (auto news = talk.translator->poll_news()) {
            const auto& notify = std::get<sip::Request>(*news);
            CHECK(notify.method == sip::Method::notify);
            REQUIRE(committed);
            CHECK(notify.from.tag == committed->dialog.local.tag);
            CHECK(notify.cseq <= committed->dialog.local_cseq);
            CHECK_FALSE(has(notify.subscription_state, "terminated"));
            talk.out.emplace_back(*news);
            ++early;
        }
        while (auto message = talk.translator->poll_output()) {
            late += std::holds_alternative<sip::Request>(*message) ? 1 : 0;
            talk.out.push_back(std::move(*message));
        }
        committed = saved_of(talk);
    };
    const auto answer = [&](const sip::Request& request) {
        sip::Response response;
        response.transaction = request.transaction;
        response.status = 200;
        talk.translator->handle_input(talk.now, response);
        end_turn();
    };
    auto request = talk.subscribe("sip:bob@b.example", 7200);
    request.transaction = 1;
    talk.translator->handle_input(talk.now, request);
    end_turn();
    CHECK(std::holds_alternative<sip::Response>(talk.take()));  // the 200 before the first NOTIFY
    answer(talk.take_request());
    CHECK(late == 1);
    for (int i = 0; i < 600; ++i) {
        talk.turn_to(talk.now.steady + 10s);
        talk.host.show(talk.now, bob, open_document("state " + std::to_string(i)));
        end_turn();
        REQUIRE(talk.out.size() == 1);
        answer(talk.take_request());
    }
    CHECK(late <= 5);  // the first body, and a new share of CSeq numbers twice
    CHECK(early + late == 601);
    talk.pass(7200s - 600 * 10s - 1ms);
    const auto before = early;
    talk.turn_to(talk.now.steady + 1ms);
    talk.translator->handle_timeout(talk.now);
    end_turn();
    CHECK(early == before);
    CHECK(talk.take_request().subscription_state == "terminated;reason=timeout");
}

TEST_CASE("RFC 3856 section 6.10: a burst, then one per interval, and the newest in the end") {
    SipTalk talk;
    subscribe(talk);  // takes the first of the burst
    int sent = 0;
    for (int i = 0; i < 50; ++i) {
        talk.host.show(talk.now, bob, open_document("state " + std::to_string(i)));
        talk.end_turn();
        if (talk.out.empty()) continue;
        talk.reply(talk.take_request(), 200);
        ++sent;
    }
    CHECK(sent == static_cast<int>(sip::RateControl{}.burst) - 1);
    const auto newest = told_after(talk, 5s);
    CHECK(has(text(newest), "state 49"));
    talk.reply(newest, 200);
    talk.pass(1min);
    CHECK(talk.out.empty());
}

TEST_CASE("RFC 6446: max-rate spaces NOTIFYs, min-rate repeats the state, both are reflected") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document("first"));
    auto request = talk.subscribe("sip:bob@b.example", 600);
    request.event = "presence;max-rate=0.05;min-rate=0.02";  // every 20 s at most, every 50 s at least
    const auto response = talk.ask(request);
    REQUIRE(response.status == 200);
    const auto first = talk.take_request();
    CHECK(first.subscription_state == "active;expires=600;max-rate=0.05;min-rate=0.02");
    talk.reply(first, 200);
    talk.host.show(talk.now, bob, open_document("second"));
    talk.end_turn();
    const auto second = told_after(talk, 20s);
    CHECK(has(text(second), "second"));
    talk.reply(second, 200);
    const auto again = told_after(talk, 50s);
    CHECK(has(text(again), "second"));
    talk.reply(again, 200);
    talk.restart();
    const auto restored = talk.take_request();
    CHECK(has(restored.subscription_state, ";max-rate=0.05;min-rate=0.02"));
    talk.reply(restored, 200);
    // A refresh that does not say them takes them back.
    auto refresh = talk.again(request, response, 600);
    refresh.event = "presence";
    CHECK(talk.ask(refresh).status == 200);
    const auto free = talk.take_request();
    CHECK(free.subscription_state == "active;expires=600");
    talk.reply(free, 200);
    talk.host.show(talk.now, bob, open_document("third"));
    talk.end_turn();
    CHECK(has(text(talk.take_request()), "third"));
}

TEST_CASE("RFC 6446: repeats come no faster than changes may, and what is no rate is refused") {
    SipTalk talk;
    auto request = talk.subscribe("sip:bob@b.example", 600);
    request.event = "presence;min-rate=10";
    REQUIRE(talk.ask(request).status == 200);
    CHECK(has(talk.take_request().subscription_state, ";min-rate=0.2000000000"));
    for (const auto* wrong : {"0", "0.0", "-1", "100", "1.", ".5", "1e3", "1.12345678901", "fast"}) {
        auto refused = talk.subscribe("sip:bob@b.example", 600);
        refused.event = std::string("presence;max-rate=") + wrong;
        CHECK_MESSAGE(talk.ask(refused).status == 400, wrong);
    }
}

TEST_CASE("RFC 6446: an approval does not wait for max-rate") {
    SipTalk talk;
    talk.host.allow_by_default = false;
    auto request = talk.subscribe("sip:bob@b.example", 600);
    request.event = "presence;max-rate=0.01";
    REQUIRE(talk.ask(request).status == 200);
    talk.reply(talk.take_request(), 200);
    talk.host.show(talk.now, bob, open_document("approved"));
    talk.end_turn();
    REQUIRE_FALSE(talk.out.empty());
    CHECK(has(text(talk.take_request()), "approved"));
}

TEST_CASE("the last NOTIFY does not wait for max-rate") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document());
    auto request = talk.subscribe("sip:bob@b.example", 600);
    request.event = "presence;max-rate=0.01";
    REQUIRE(talk.ask(request).status == 200);
    talk.reply(talk.take_request(), 200);
    talk.host.show(talk.now, bob, {tr::WatchState::terminated, "rejected", tr::Liveness::live, nullptr});
    talk.end_turn();
    REQUIRE_FALSE(talk.out.empty());
    CHECK(talk.take_request().subscription_state == "terminated;reason=rejected");
}

TEST_CASE("a NOTIFY that fails: which answers end the subscription, and which are tried again") {
    SipTalk talk;
    subscribe(talk);
    talk.host.show(talk.now, bob, open_document("one"));
    talk.end_turn();
    int status = 0;
    SUBCASE("481 ends it") {
        status = 481;
    }
    SUBCASE("408 ends it") {
        status = 408;
    }
    SUBCASE("500 does not") {}
    if (status != 0) {
        talk.reply(talk.take_request(), status);
        CHECK(talk.translator->subscriptions() == 0);
        CHECK(talk.host.saved["sip.serve"].empty());
    } else {  // and is tried again, with the newest state
        talk.reply(talk.take_request(), 500);
        talk.host.show(talk.now, bob, open_document("two"));
        talk.end_turn();
        CHECK(talk.out.empty());
        talk.pass(7s);
        const auto again = talk.take_request();
        CHECK(has(text(again), "two"));
    }
}

TEST_CASE("behind a proxy, silence is the proxy's restart: the dialog goes on, for so long") {
    SipTalk talk;
    auto request = talk.subscribe("sip:bob@b.example", 86'400);
    request.routes = {"<sip:proxy;lr>"};
    talk.ask(request);
    const auto silent = [](auto& response) { response.local = true; };
    SUBCASE("it comes back, also while we restart") {
        talk.reply(talk.take_request(), 200);
        talk.host.show(talk.now, bob, open_document());
        talk.end_turn();
        talk.reply(talk.take_request(), 408, silent);
        CHECK(talk.translator->subscriptions() == 1);
        talk.restart();
        talk.pass(10s);
        talk.reply(talk.take_request(), 408, silent);
        CHECK(talk.translator->subscriptions() == 1);
        talk.pass(10s);
        const auto again = talk.take_request();
        CHECK(again.call_id == request.call_id);
        talk.reply(again, 200);
        talk.pass(1min);
        CHECK(talk.out.empty());
    }
    SUBCASE("it does not") {
        talk.reply(talk.take_request(), 200);
        talk.host.show(talk.now, bob, open_document());
        talk.end_turn();
        std::uint32_t unanswered = 0;
        const auto begun = talk.now.steady;
        while (!talk.out.empty()) {
            talk.reply(talk.take_request(), 408, silent);
            ++unanswered;
            talk.pass(400s);
        }
        CHECK(unanswered == proto::limits::sip_notify_failures_proxy + 1);
        CHECK(talk.now.steady - begun < 3h);
        CHECK(talk.translator->subscriptions() == 0);
        CHECK(talk.host.saved["sip.serve"].empty());
    }
    SUBCASE("it was never there: who says that there is one may be anybody") {
        talk.reply(talk.take_request(), 408, silent);
        CHECK(talk.translator->subscriptions() == 0);
        CHECK(talk.host.saved["sip.serve"].empty());
    }
}

TEST_CASE("what an attached server was away for is sent when it is back, however long it was away") {
    auto settings = SipTalk::attached();
    settings.ping_every = 10s;
    SipTalk talk(settings);
    auto request = talk.subscribe("sip:bob@b.example", 86'400);
    request.routes = {"<sip:127.0.0.1:5060;lr>"};
    talk.ask(request);
    talk.reply(talk.take_request(), 200);
    talk.host.show(talk.now, bob, open_document("news"));
    talk.end_turn();
    const auto silent = [](auto& response) { response.local = true; };
    bool asked_to_wait = false;
    SUBCASE("the server was silent") {}
    SUBCASE("the watcher answered that it is to come later") {
        asked_to_wait = true;
        talk.reply(talk.take_request(), 503, [](auto& response) { response.retry_after = 3'000; });
    }
    for (int i = 0; i < 12; ++i) {
        while (!talk.out.empty()) talk.reply(talk.take_request(), 408, silent);
        talk.pass(10s);
    }
    int notifies = 0;
    for (int i = 0; i < 2; ++i) {
        while (!talk.out.empty()) {
            const auto next = talk.take_request();
            notifies += next.method == sip::Method::notify ? 1 : 0;
            talk.reply(next, 200);
        }
        talk.pass(1s);
    }
    CHECK(notifies == (asked_to_wait ? 0 : 1));
}

TEST_CASE("the last NOTIFY too is sent when the attached server is back, while the watcher thinks that it watches") {
    bool lapses = false;
    bool restarts = false;
    SUBCASE("it has lapsed by then") {
        lapses = true;
    }
    SUBCASE("the node was restarted besides") {
        restarts = true;
    }
    SUBCASE("it goes on") {}
    auto settings = SipTalk::attached();
    settings.ping_every = 10s;
    SipTalk talk(settings);
    auto request = talk.subscribe("sip:bob@b.example", lapses ? 120 : 3'600);
    request.routes = {"<sip:127.0.0.1:5060;lr>"};
    talk.ask(request);
    talk.reply(talk.take_request(), 200);
    talk.host.show(talk.now, bob, {tr::WatchState::terminated, "rejected", {}, nullptr});
    talk.end_turn();
    if (restarts) {
        talk.out.clear();
        talk.restart();
        talk.host.show(talk.now, bob, {tr::WatchState::terminated, "rejected", {}, nullptr});
        talk.end_turn();
    }
    const auto silent = [](auto& response) { response.local = true; };
    for (int i = 0; i < 30; ++i) {
        while (!talk.out.empty()) talk.reply(talk.take_request(), 408, silent);
        talk.pass(10s);
    }
    std::vector<std::string> told;
    for (int i = 0; i < 3; ++i) {
        while (!talk.out.empty()) {
            const auto next = talk.take_request();
            if (next.method == sip::Method::notify) told.push_back(next.subscription_state);
            talk.reply(next, 200);
        }
        talk.pass(1s);
    }
    CHECK(told == std::vector<std::string>(lapses ? 0 : 1, "terminated;reason=rejected"));
}

TEST_CASE("RFC 3261 section 18.1.1: a large state goes over UDP only to who has answered from there") {
    SipTalk talk;
    const auto large = std::string(2'000, 'x');
    const auto show = [&](const std::string& note) {
        talk.host.show(talk.now, bob, open_document(note));
        talk.end_turn();
    };
    auto request = talk.subscribe();
    const auto ask = [&] {
        const auto response = talk.ask(request);
        REQUIRE(response.status == 200);
        talk.host.show(talk.now, bob, open_document(large));
        talk.end_turn();
        return response;
    };
    // The first state is there when it is asked for.
    const auto other = talk.subscribe();
    talk.ask(other);
    talk.take_request();
    show(large);
    talk.out.clear();

    SUBCASE("first without, and at once with the answer") {
        SUBCASE("nothing said") {}
        SUBCASE("UDP said") {
            request.contact = "sip:alice@192.0.2.1:5062;transport=udp";
        }
        SUBCASE("a proxy") {
            request.routes = {"<sip:192.0.2.5;lr>"};
        }
        const auto response = ask();
        const auto first = talk.take_request();
        CHECK(first.subscription_state == "active;expires=600");
        CHECK(!first.body);
        CHECK(first.content_type.empty());
        CHECK(talk.out.empty());
        talk.reply(first, 200);
        const auto second = talk.take_request();
        CHECK(has(text(second), large));
        talk.reply(second, 200);
        CHECK(talk.out.empty());
        show("y" + large);
        const auto third = talk.take_request();
        CHECK(has(text(third), "y" + large));
        // Elsewhere, who has answered is another one; and an answer from before does not count.
        auto refresh = talk.again(request, response, 600);
        refresh.contact = "sip:victim@198.51.100.1";
        talk.ask(refresh);
        talk.reply(third, 200);
        const auto fourth = talk.take_request();
        CHECK(fourth.uri == refresh.contact);
        CHECK(!fourth.body);
        talk.reply(fourth, 200);
        CHECK(has(text(talk.take_request()), "y" + large));
    }
    SUBCASE("who never answers has nothing more") {
        request.routes = {"<sip:192.0.2.5;lr>"};
        ask();
        talk.reply(talk.take_request(), 408, [](auto& response) { response.local = true; });
        talk.pass(10min);
        CHECK(talk.out.empty());
        CHECK(talk.translator->subscriptions() == 1);  // the other one
    }
    SUBCASE("who fell silent is asked with little whether it is back") {
        request.routes = {"<sip:192.0.2.5;lr>"};
        ask();
        talk.reply(talk.take_request(), 200);
        talk.reply(talk.take_request(), 408, [](auto& response) { response.local = true; });
        talk.pass(7s);
        const auto again = talk.take_request();
        CHECK(!again.body);
        talk.reply(again, 200);
        CHECK(has(text(talk.take_request()), large));
    }
    SUBCASE("over TCP it goes at once") {
        request.contact = "sip:alice@192.0.2.1:5062;transport=TCP";
        ask();
        CHECK(has(text(talk.take_request()), large));
    }
    SUBCASE("a fetch has it before it ends") {
        request.expires = 0;
        ask();
        const auto first = talk.take_request();
        CHECK(first.subscription_state == "active;expires=32");
        CHECK(!first.body);
        talk.reply(first, 200);
        const auto last = talk.take_request();
        CHECK(last.subscription_state == "terminated;reason=timeout");
        CHECK(has(text(last), large));
        talk.reply(last, 200);
        CHECK(talk.translator->subscriptions() == 1);
    }
    SUBCASE("after a restart it goes at once") {
        ask();
        talk.reply(talk.take_request(), 200);
        talk.reply(talk.take_request(), 200);
        talk.restart();
        show("z" + large);
        talk.pass(10s);
        REQUIRE(talk.out.size() == 2);
        CHECK(has(text(talk.take_request()), large));
    }
}

TEST_CASE("property: whatever happens on the way, the watcher ends with the newest state") {
    CHECK(rc::check([] {
        SipTalk talk;
        subscribe(talk, 86'400);
        std::optional<sip::Request> under_way;
        std::string shown, newest;
        std::uint32_t last_cseq = 0;
        const auto collect = [&] {
            RC_ASSERT(talk.out.size() + (under_way ? 1 : 0) <= 1);  // one under way at a time
            if (talk.out.empty()) return;
            under_way = talk.take_request();
            RC_ASSERT(under_way->cseq > last_cseq);
            last_cseq = under_way->cseq;
        };
        for (int step = 0; step < 40; ++step) {
            const auto choice = *rc::gen::inRange(0, 5);
            if (choice <= 1) {
                newest = "note-" + std::to_string(step);
                talk.host.show(talk.now, bob, open_document(newest));
                talk.end_turn();
            } else if (choice == 2 && under_way) {
                const auto answered = *under_way;
                under_way.reset();
                if (*rc::gen::inRange(0, 4) == 0) {
                    talk.reply(answered, 500);
                } else {
                    shown = text(answered);
                    talk.reply(answered, 200);
                }
            } else {
                talk.pass(std::chrono::milliseconds{*rc::gen::inRange(1, 6'000)});
            }
            collect();
        }
        for (int i = 0; i < 20; ++i) {
            if (under_way) {
                const auto answered = *under_way;
                under_way.reset();
                shown = text(answered);
                talk.reply(answered, 200);
            }
            collect();
            talk.pass(1min);
            collect();
        }
        RC_ASSERT(newest.empty() || has(shown, newest));
    }));
}
