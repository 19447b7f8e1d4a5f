// Plays the conversations of tests/transcripts/sip. Heads: METHOD URI, or a status. A client's headers: From, To-Tag,
// Event, Expires, Contact, SIP-If-Match, Accept; {to-tag} and {etag} stand for those last given. What the node says is
// compared by pattern (* is anything); `Body: none` is no body. Events: `show URI open|closed NOTE`,
// `watcher URI STATE EVENT` (of Alice), `restart`.
#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>

#include "tests/support/sip_talk.hpp"
#include "tests/support/transcript.hpp"

using namespace presmesh;
using namespace presmesh::testing;

namespace {

class SipPlayer {
  public:
    void play(const TranscriptStep& step) {
        using Kind = TranscriptStep::Kind;
        if (step.kind == Kind::send) send(step);
        if (step.kind == Kind::expect) expect(step);
        if (step.kind == Kind::wait) talk_.pass(step.wait());
        if (step.kind == Kind::event) happen(step);
    }
    bool is_silent() const { return talk_.out.empty(); }

  private:
    std::string filled(std::string text) const {
        for (const auto& [name, value] : {std::pair{"{to-tag}", to_tag_}, std::pair{"{etag}", etag_}})
            if (const auto at = text.find(name); at != std::string::npos)
                text.replace(at, std::string(name).size(), value);
        return text;
    }

    void send(const TranscriptStep& step) {
        if (std::isdigit(step.head.front()) != 0) return talk_.reply(asked_.value(), std::stoi(step.head));
        const auto space = step.head.find(' ');
        const auto name = step.head.substr(0, space);
        const auto method = name == "PUBLISH"     ? sip::Method::publish
                            : name == "SUBSCRIBE" ? sip::Method::subscribe
                                                  : sip::Method::other;
        auto request = talk_.plain(method, step.head.substr(space + 1), step.header("From"));
        request.transaction = ++talk_.transaction;
        request.event = step.header("Event");
        request.contact = step.header("Contact");
        request.if_match = filled(step.header("SIP-If-Match"));
        request.to.tag = filled(step.header("To-Tag"));
        if (!step.header("Expires").empty())
            request.expires = static_cast<std::uint32_t>(std::stoul(step.header("Expires")));
        if (!request.to.tag.empty()) {
            request.call_id = dialog_.call_id;
            request.from = dialog_.from;
        } else if (method == sip::Method::subscribe) {
            dialog_ = request;
        }
        if (!step.body.empty()) {
            request.content_type = sip::pidf_type;
            request.body = std::make_shared<const std::string>(step.body);
        }
        talk_.receive(request);
    }

    void expect(const TranscriptStep& step) {
        if (step.head == "nothing") {
            CHECK(talk_.out.empty());
            return;
        }
        REQUIRE(!talk_.out.empty());
        const auto said = talk_.take();
        if (const auto* response = std::get_if<sip::Response>(&said)) {
            CHECK(std::to_string(response->status) == step.head);
            if (!response->to_tag.empty()) to_tag_ = response->to_tag;
            if (!response->etag.empty()) etag_ = response->etag;
            compare(step, {{"SIP-ETag", response->etag},
                           {"Expires", response->expires ? std::to_string(*response->expires) : ""},
                           {"Allow-Events", response->allow_events}});
            return;
        }
        asked_ = std::get<sip::Request>(said);
        CHECK(std::string(sip::to_string(asked_->method)) + " " + asked_->uri == step.head);
        compare(step, {{"Event", asked_->event},
                       {"Subscription-State", asked_->subscription_state},
                       {"Body", asked_->body ? *asked_->body : "none"}});
    }
    static void compare(const TranscriptStep& step, const std::map<std::string, std::string>& said) {
        for (const auto& header : step.headers) {
            const auto& name = header.first;
            const auto& pattern = header.second;
            const auto found = said.find(name);
            REQUIRE_MESSAGE(found != said.end(), name);
            CHECK_MESSAGE(is_like(found->second, pattern), name << ": " << found->second << " is not like " << pattern);
        }
    }

    void happen(const TranscriptStep& step) {
        std::istringstream words(step.head);
        std::string verb, who, basic, note;
        words >> verb >> who >> basic >> note;
        if (verb == "restart") {
            talk_.host.documents.clear();
            return talk_.restart();
        }
        if (verb == "watcher") return set_watcher(who, basic, note);
        REQUIRE(verb == "show");
        talk_.host.show(talk_.now, proto::PresentityUri::from_sip(who).value(),
                        open_document(note, basic == "open" ? proto::Basic::open : proto::Basic::closed));
        talk_.end_turn();
    }

    /// Of Alice.
    void set_watcher(const std::string& who, const std::string& state, const std::string& event) {
        static const std::map<std::string, tr::WatcherEvent> events{{"subscribe", tr::WatcherEvent::subscribe},
                                                                    {"approved", tr::WatcherEvent::approved},
                                                                    {"timeout", tr::WatcherEvent::timeout}};
        const auto stands = state == "pending"  ? tr::WatchState::pending
                            : state == "active" ? tr::WatchState::active
                                                : tr::WatchState::terminated;
        talk_.host.set_watcher(talk_.now, uri("alice@a.example"),
                               {proto::PresentityUri::from_sip(who).value(), stands, events.at(event), talk_.now.wall});
        talk_.end_turn();
    }

    SipTalk talk_;
    sip::Request dialog_;
    std::optional<sip::Request> asked_;
    std::string to_tag_;
    std::string etag_;
};

}  // namespace

TEST_CASE("the conversations of tests/transcripts/sip") {
    int played = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::string(TESTS_DIR) + "/transcripts/sip")) {
        SipPlayer player;
        std::string heading;
        for (const auto& step : read_transcript(file.path())) {
            if (step.kind == TranscriptStep::Kind::heading) heading = step.head;
            INFO(file.path().filename().string() << ":" << step.line << " " << heading);
            player.play(step);
        }
        CHECK(player.is_silent());
        ++played;
    }
    CHECK(played >= 2);
}
