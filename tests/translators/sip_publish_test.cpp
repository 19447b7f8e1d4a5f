// RFC 3903, the event state compositor's side. The model at the end knows nothing but the four operations.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/sip_talk.hpp"

using namespace presmesh;
using namespace presmesh::testing;

TEST_CASE("RFC 3903 section 4: publish, refresh, modify, remove, each with a new entity tag") {
    SipTalk talk;
    const auto first = talk.ask(talk.publish(pidf_text("open")));
    CHECK(first.status == 200);
    CHECK(first.expires == 3600u);
    CHECK(!first.etag.empty());
    const auto refreshed = talk.ask(talk.publish("", first.etag));
    CHECK(refreshed.status == 200);
    CHECK(refreshed.etag != first.etag);
    const auto modified = talk.ask(talk.publish(pidf_text("closed"), refreshed.etag));
    CHECK(modified.status == 200);
    CHECK(!talk.host.documents[uri("pres:alice@a.example")]->presence().is_open());
    const auto removed = talk.ask(talk.publish("", modified.etag, 0));
    CHECK(removed.status == 200);
    CHECK(removed.expires == 0u);
    CHECK(talk.host.documents[uri("pres:alice@a.example")] == nullptr);
    CHECK(talk.out.empty());
}

TEST_CASE("RFC 3903 section 6: what is refused, and how") {
    SipTalk talk;
    const auto status = [&](sip::Request request) { return talk.ask(std::move(request)); };

    auto elsewhere = talk.publish(pidf_text());
    elsewhere.uri = "sip:alice@other.example";
    CHECK(status(elsewhere).status == 404);

    auto event = talk.publish(pidf_text());
    event.event = "dialog";
    const auto bad_event = status(event);
    CHECK(bad_event.status == 489);
    CHECK(bad_event.allow_events == "presence, presence.winfo");
    event.event = "";
    CHECK(status(event).status == 489);

    CHECK(status(talk.publish("", "no-such-tag")).status == 412);

    const auto brief = status(talk.publish(pidf_text(), "", 59));
    CHECK(brief.status == 423);
    CHECK(brief.min_expires == 60u);

    auto type = talk.publish(pidf_text());
    type.content_type = "text/plain";
    const auto unsupported = status(type);
    CHECK(unsupported.status == 415);
    CHECK(unsupported.accept == "application/pidf+xml");
    auto packed = talk.publish(pidf_text());
    packed.content_encoding = "gzip";
    CHECK(status(packed).status == 415);

    CHECK(status(talk.publish("")).status == 400);
    CHECK(status(talk.publish(pidf_text(), "", 0)).status == 400);
    CHECK(status(talk.publish("not xml")).status == 400);
    const auto forbidden = status(talk.publish("<!DOCTYPE x [<!ENTITY a 'b'>]>" + pidf_text()));
    CHECK(forbidden.status == 400);
    CHECK(forbidden.phrase.find("forbidden_xml") != std::string::npos);
    CHECK(status(talk.publish(std::string(300 * 1024, ' ') + pidf_text())).status == 413);

    auto extension = talk.publish(pidf_text());
    extension.require = {"x-ray"};
    const auto refused = status(extension);
    CHECK(refused.status == 420);
    CHECK(refused.unsupported == "x-ray");
    CHECK(talk.host.documents.empty());
}

TEST_CASE("a lifetime nobody could mean is cut to the longest") {
    SipTalk talk;
    CHECK(talk.ask(talk.publish(pidf_text(), "", 0xffffffff)).expires == 86'400u);
}

TEST_CASE("OPTIONS says what is spoken; other methods are 405; attach takes no PUBLISH") {
    SipTalk talk;
    const auto options = talk.ask(talk.plain(sip::Method::options, "sip:a.example", "sip:x@a.example"));
    CHECK(options.status == 200);
    CHECK(options.allow.find("PUBLISH") != std::string::npos);
    CHECK(talk.ask(talk.plain(sip::Method::other, "sip:alice@a.example", "sip:x@a.example")).status == 405);
    SipTalk attached(SipTalk::attached());
    CHECK(attached.ask(attached.publish(pidf_text())).status == 405);
}

TEST_CASE("property: whatever the order of operations, only the newest entity tag is good, once") {
    CHECK(rc::check([] {
        SipTalk talk;
        std::string current;  // the model: the tag of the one publication, or none
        std::vector<std::string> old;
        for (int step = 0; step < 30; ++step) {
            const auto operation = *rc::gen::inRange(0, 5);
            const bool with_old = operation == 4 && !old.empty();
            const auto etag = with_old ? *rc::gen::elementOf(old) : operation == 0 ? std::string() : current;
            const auto body =
                operation == 0 || operation == 2 ? pidf_text(step % 2 == 0 ? "open" : "closed") : std::string();
            const auto response = talk.ask(talk.publish(body, etag, operation == 3 ? 0u : 3600u));
            if (etag.empty() && (body.empty() || operation == 3)) {
                RC_ASSERT(response.status == 400);
            } else if (with_old) {
                RC_ASSERT(response.status == 412);
            } else {
                RC_ASSERT(response.status == 200);
                RC_ASSERT(response.etag != current);
                // A second initial publication is a second one; the model follows the newest and counts the first as
                // unused.
                if (!current.empty() && operation != 0) old.push_back(current);
                current = operation == 3 ? std::string() : response.etag;
            }
        }
    }));
}

TEST_CASE("RFC 3261 section 20.13: Content-Language is the language of notes that name none") {
    SipTalk talk;
    auto request = talk.publish(pidf_text("open", "au travail"));
    request.content_language = "fr";
    CHECK(talk.ask(request).status == 200);
    const auto notes = talk.host.documents[uri("pres:alice@a.example")]->presence().services.at(0).notes;
    CHECK(notes == std::vector<proto::Note>{{"fr", "au travail"}});
}
