// RFC 6665's notifier: subscriptions, their dialogs and states, and what a restart keeps of them.
#include <doctest/doctest.h>

#include "tests/support/sip_watching.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

TEST_CASE("SUBSCRIBE: 200, then a NOTIFY in the dialog, whose state is whole") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document("hello"));
    auto request = talk.subscribe();
    request.event = "presence;id=9";
    request.routes = {"<sip:p1;lr>", "<sip:p2;lr>"};
    const auto response = talk.ask(request);
    CHECK(response.status == 200);
    CHECK(response.expires == 600u);
    CHECK(response.with_contact);
    CHECK(response.record_routes == request.routes);
    const auto notify = talk.take_request();
    CHECK(notify.method == sip::Method::notify);
    CHECK(notify.uri == request.contact);
    CHECK(notify.call_id == request.call_id);
    CHECK(notify.from == sip::Party{request.to.uri, response.to_tag});
    CHECK(notify.to == request.from);
    CHECK(notify.routes == request.routes);
    CHECK(notify.event == "presence;id=9");
    CHECK(notify.subscription_state == "active;expires=600");
    CHECK(notify.content_type == "application/pidf+xml");
    CHECK(has(text(notify), "open"));
    CHECK(has(text(notify), "hello"));
    CHECK(talk.out.empty());
}

TEST_CASE("SUBSCRIBE: what is refused") {
    SipTalk talk;
    auto event = talk.subscribe();
    event.event = "dialog";
    CHECK(talk.ask(event).status == 489);
    auto accept = talk.subscribe();
    accept.accept = std::vector<std::string>{"application/cpim-pidf+xml"};
    CHECK(talk.ask(accept).status == 406);
    accept.accept = std::vector<std::string>{"text/plain", "application/*"};
    CHECK(talk.ask(accept).status == 200);
    talk.take();
    const auto brief = talk.ask(talk.subscribe("sip:bob@b.example", 10));
    CHECK(brief.status == 423);
    CHECK(brief.min_expires == 60u);
    auto contact = talk.subscribe();
    contact.contact.clear();
    CHECK(talk.ask(contact).status == 400);
    auto stranger = talk.subscribe();
    stranger.from.uri = "sip:eve@elsewhere.example";
    CHECK(talk.ask(stranger).status == 403);
    auto unknown = talk.subscribe();
    unknown.to.tag = "never-given";
    CHECK(talk.ask(unknown).status == 481);
    SipTalk attached(SipTalk::attached());
    CHECK(attached.ask(attached.subscribe("sip:bob@a.example")).status == 404);
}

TEST_CASE("attach: who a watcher is, is taken from the attached server alone") {
    const auto elsewhere = proto::Endpoint::v4(0xc0000207, 5060);
    SipTalk talk(SipTalk::attached());
    talk.host.show(talk.now, bob, open_document());
    auto stranger = talk.subscribe();
    stranger.source = elsewhere;
    CHECK(talk.ask(stranger).status == 403);
    CHECK(talk.out.empty());
    CHECK(talk.host.watches.empty());
    auto other_port = talk.subscribe();
    other_port.source.port = 40'000;
    const auto accepted = talk.ask(other_port);
    CHECK(accepted.status == 200);
    talk.reply(talk.take_request(), 200);
    auto moved = talk.again(other_port, accepted, 600);
    moved.source = elsewhere;
    moved.contact = "sip:eve@192.0.2.7";
    CHECK(talk.ask(moved).status == 403);
    CHECK(talk.out.empty());
    CHECK(talk.host.counters["sip_refused.not_the_server"] == 2);
    auto options = talk.plain(sip::Method::options, "sip:127.0.0.1", "sip:ping@b.example");
    options.source = elsewhere;
    CHECK(talk.ask(options).status == 200);
}

TEST_CASE("pending, active, terminated: the view's state is the subscription's") {
    SipTalk talk;
    talk.host.allow_by_default = false;
    const auto request = talk.subscribe();
    talk.ask(request);
    const auto pending = talk.take_request();
    CHECK(pending.subscription_state == "pending;expires=600");
    CHECK(!pending.body);
    talk.reply(pending, 200);
    talk.host.show(talk.now, bob, open_document());
    talk.end_turn();
    const auto active = talk.take_request();
    CHECK(has(active.subscription_state, "active"));
    CHECK(has(text(active), "open"));
    talk.reply(active, 200);
    talk.host.show(talk.now, bob, {tr::WatchState::terminated, "noresource", tr::Liveness::live, nullptr});
    talk.end_turn();
    const auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=noresource");
    talk.reply(last, 200);
    CHECK(talk.translator->subscriptions() == 0);
    CHECK(talk.host.watches.empty());
    CHECK(talk.host.saved["sip.serve"].empty());
}

TEST_CASE("refresh: a NOTIFY at once; a lower CSeq is 500; Contact may move") {
    SipTalk talk;
    const auto dialog = subscribe(talk);
    auto refresh = talk.again(dialog.request, dialog.response, 1'200);
    refresh.contact = "sip:alice@192.0.2.9";
    CHECK(talk.ask(refresh).expires == 1'200u);
    const auto notify = talk.take_request();
    CHECK(notify.uri == "sip:alice@192.0.2.9");
    CHECK(notify.subscription_state == "active;expires=1200");
    talk.reply(notify, 200);
    auto late = refresh;
    late.cseq = dialog.request.cseq;
    CHECK(talk.ask(late).status == 500);
    auto other = talk.again(dialog.request, dialog.response, 600);
    other.from.tag = "someone-else";
    CHECK(talk.ask(other).status == 481);
}

TEST_CASE("unsubscribe and expiry: a last NOTIFY with the state, reason timeout") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document());
    const auto first = subscribe(talk);
    CHECK(talk.ask(talk.again(first.request, first.response, 0)).status == 200);
    auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=timeout");
    CHECK(has(text(last), "open"));
    talk.reply(last, 200);
    CHECK(talk.translator->subscriptions() == 0);

    subscribe(talk);
    talk.pass(599s);
    CHECK(talk.out.empty());
    talk.pass(1s);
    last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=timeout");
    talk.reply(last, 481);
    CHECK(talk.translator->subscriptions() == 0);
    CHECK(talk.host.watches.empty());
}

TEST_CASE("RFC 6665 section 4.4.3: a fetch waits a little for the first state, and leaves nothing behind") {
    SipTalk talk;
    CHECK(talk.ask(talk.subscribe("sip:bob@b.example", 0)).expires == 0u);
    CHECK(talk.out.empty());
    SUBCASE("the state comes") {
        talk.host.show(talk.now, bob, open_document());
        talk.end_turn();
        const auto notify = talk.take_request();
        CHECK(notify.subscription_state == "terminated;reason=timeout");
        CHECK(has(text(notify), "open"));
        talk.reply(notify, 200);
    }
    SUBCASE("it does not") {
        talk.pass(2s);
        const auto notify = talk.take_request();
        CHECK(notify.subscription_state == "terminated;reason=timeout");
        CHECK(!notify.body);
        talk.reply(notify, 200);
    }
    CHECK(talk.host.watches.empty());
    CHECK(talk.host.saved["sip.serve"].empty());
}

TEST_CASE("unknown is neither online nor offline") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document());
    subscribe(talk);
    talk.host.show(talk.now, bob, {tr::WatchState::active, "", tr::Liveness::unknown, open_document()});
    talk.end_turn();
    auto notify = talk.take_request();
    CHECK(has(notify.subscription_state, "active"));
    CHECK(has(text(notify), "presence unknown"));
    CHECK(!has(text(notify), "<basic>"));
    talk.reply(notify, 200);
    talk.host.show(talk.now, bob, open_document());
    talk.end_turn();
    CHECK(has(text(talk.take_request()), "open"));
}

TEST_CASE("whoever was shown a state and must wait for an answer again is not left with it") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document());
    const auto dialog = subscribe(talk);
    // Authorization taken back, or nobody left who may be asked.
    talk.host.show(talk.now, bob, {tr::WatchState::pending, "", tr::Liveness::unknown, nullptr});
    talk.end_turn();
    const auto notify = talk.take_request();
    CHECK(has(notify.subscription_state, "pending"));
    CHECK(has(text(notify), "presence unknown"));
    CHECK(!has(text(notify), "<basic>"));
    talk.reply(notify, 200);
    CHECK(talk.ask(talk.again(dialog.request, dialog.response, 600)).status == 200);
    CHECK(has(text(talk.take_request()), "presence unknown"));
}

TEST_CASE("restart: no subscription is lost, and NOTIFYs go on in the same dialog with higher CSeq") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document("before"));
    auto request = talk.subscribe();
    request.routes = {"<sip:proxy;lr>"};
    const auto response = talk.ask(request);
    auto notify = talk.take_request();
    talk.reply(notify, 200);
    const auto call_id = notify.call_id;
    talk.host.documents.clear();  // the node has to find it again
    talk.pass(100s);
    talk.restart();
    CHECK(talk.out.empty());  // nothing is known yet, so the watcher keeps what it was shown
    talk.host.show(talk.now, bob, open_document("after"));
    talk.end_turn();
    const auto next = talk.take_request();
    CHECK(next.call_id == call_id);
    CHECK(next.from == notify.from);
    CHECK(next.to == notify.to);
    CHECK(next.routes == notify.routes);
    CHECK(next.cseq > notify.cseq);
    CHECK(next.subscription_state == "active;expires=500");
    CHECK(has(text(next), "after"));
    talk.reply(next, 200);
    // The dialog can be refreshed, and ended, as if nothing had happened.
    CHECK(talk.ask(talk.again(request, response, 0)).status == 200);
    CHECK(talk.take_request().subscription_state == "terminated;reason=timeout");
}

TEST_CASE("restart: when nothing is found again the watcher is told so, once") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document("before"));
    subscribe(talk);
    talk.host.documents.clear();
    talk.restart();
    talk.pass(10s);
    const auto notify = talk.take_request();
    CHECK(has(text(notify), "presence unknown"));
    talk.reply(notify, 200);
    talk.pass(1min);
    CHECK(talk.out.empty());
}

TEST_CASE("restart: when nobody who may be asked is found, what the watcher was shown is taken back") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document("before"));
    subscribe(talk);
    talk.host.allow_by_default = false;
    talk.restart();
    const auto notify = told_after(talk, 10s);
    CHECK(has(notify.subscription_state, "pending"));
    CHECK(has(text(notify), "presence unknown"));
}

TEST_CASE("restart: a subscription that may not go on is ended, in its dialog") {
    SipTalk talk;
    talk.host.show(talk.now, bob, open_document());
    const auto dialog = subscribe(talk);
    talk.host.domains.clear();  // another federation file, another configuration
    talk.restart();
    const auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=noresource");
    CHECK(last.call_id == dialog.request.call_id);
    CHECK(last.cseq > 1);
    talk.reply(last, 200);
    CHECK(talk.translator->subscriptions() == 0);
    CHECK(talk.host.saved["sip.serve"].empty());
}

TEST_CASE("restart: one that expired meanwhile is ended") {
    SipTalk talk;
    subscribe(talk);
    talk.now.wall += 601s;
    talk.restart();
    const auto last = talk.take_request();
    CHECK(last.subscription_state == "terminated;reason=timeout");
    talk.reply(last, 200);
    CHECK(talk.host.saved["sip.serve"].empty());
}

TEST_CASE("restart: CSeq never goes back, however many NOTIFYs there were since the last save") {
    auto settings = SipTalk::serving();
    settings.rate.interval = 0ms;
    SipTalk talk(settings);
    subscribe(talk);
    std::uint32_t last = 0;
    for (int i = 0; i < 700; ++i) {
        talk.host.show(talk.now, bob, open_document(std::to_string(i)));
        talk.end_turn();
        const auto notify = talk.take_request();
        CHECK(notify.cseq > last);
        last = notify.cseq;
        talk.reply(notify, 200);
        if (i % 150 == 149) talk.restart();
        while (!talk.out.empty()) {
            const auto restored = talk.take_request();
            CHECK(restored.cseq > last);
            last = restored.cseq;
            talk.reply(restored, 200);
        }
    }
}

TEST_CASE("saved subscriptions: round trip, and damage is refused") {
    sip::SavedSubscription saved;
    saved.dialog = {"call", {"sip:bob@b.example", "l"}, {"sip:alice@a.example", "r"}, "sip:alice@h", {"<sip:p;lr>"}, 7,
                    8};
    saved.watcher = uri("pres:alice@a.example");
    saved.presentity = uri("pres:b%C3%BCb@b.example");
    saved.expires = proto::wall_from_seconds(1'800'000'000);
    saved.rate = {"0.2", "0.0125"};
    const auto bytes = saved.encode();
    CHECK(sip::SavedSubscription::decode(bytes).value() == saved);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
        CHECK(!sip::SavedSubscription::decode(proto::BytesView(bytes).first(cut)));
    saved.package = sip::Package::winfo;
    CHECK(sip::SavedSubscription::decode(saved.encode()).value() == saved);
    saved.package = sip::Package::presence;
    auto old = std::string(proto::as_text(bytes));
    old.replace(0, std::string("subscription 3\npresence").size(), "subscription 2");
    CHECK(sip::SavedSubscription::decode(proto::as_bytes(old)).value() == saved);
    saved.rate = {};
    old = proto::as_text(saved.encode());
    old.replace(0, std::string("subscription 3\npresence").size(), "subscription 1");
    old.erase(old.find("\n\n\n") + 1, 2);  // without its two lines
    CHECK(sip::SavedSubscription::decode(proto::as_bytes(old)).value() == saved);
    CHECK(!sip::SavedSubscription::decode(proto::as_bytes("subscription 3\ndialog\n")));
    auto returned = bytes;  // a carriage return, which encode never writes (found by the fuzzer)
    returned[returned.size() - 3] = '\r';
    CHECK(!sip::SavedSubscription::decode(returned));
    CHECK(sip::SavedSubscription::decode(proto::as_bytes("subscription 4\n")).error().reason ==
          proto::Reason::unsupported_version);
}
