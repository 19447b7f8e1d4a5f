// A SipTranslator on a FakeHost, with a clock the test turns: for unit tests and transcripts of SIP.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/random.hpp"
#include "tests/support/fake_host.hpp"
#include "tests/support/people.hpp"
#include "translators/sip/translator.hpp"

namespace presmesh::testing {

namespace sip = presmesh::translators::sip;

inline proto::DocumentPtr open_document(std::string note = {}, proto::Basic basic = proto::Basic::open) {
    proto::Presence presence;
    proto::Service service;
    service.id = "t1";
    service.basic = basic;
    if (!note.empty()) service.notes.push_back({"", note});
    presence.services.push_back(std::move(service));
    return proto::Document::make(std::move(presence)).value();
}

inline bool has(const std::string& whole, std::string_view part) {
    return whole.find(part) != std::string::npos;
}

inline std::string pidf_text(std::string_view basic = "open", std::string_view note = "") {
    std::string out =
        "<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf' "
        "entity='pres:alice@a.example'><tuple id='t1'><status><basic>" +
        std::string(basic) + "</basic></status>";
    if (!note.empty()) out += "<note>" + std::string(note) + "</note>";
    return out + "</tuple></presence>";
}

struct SipTalk {
    explicit SipTalk(sip::SipSettings with = serving(), std::uint64_t seed = 1)
        : settings(std::move(with)), random(seed) {
        boot();
    }

    static sip::SipSettings serving() {
        sip::SipSettings settings;
        settings.name = "sip.serve";
        settings.domains = {"a.example"};
        return settings;
    }
    /// Where the attached server is, and all requests come from unless a test says otherwise.
    static proto::Endpoint server() { return proto::Endpoint::v4(0x7f000001, 5060); }
    static sip::SipSettings attached() {
        sip::SipSettings settings;
        settings.name = "sip.attach";
        settings.mode = sip::Mode::attach;
        settings.domains = {"a.example"};
        settings.server = "sip:127.0.0.1:5060";
        settings.from = {server()};
        settings.watcher = "sip:presmesh@a.example";
        return settings;
    }

    void boot() {
        translator = std::make_unique<sip::SipTranslator>(settings, random);
        translator->start(now, host);
        end_turn();
    }
    /// The node dies without a word and starts again; only what was saved is left.
    void restart() {
        translator.reset();
        host.forget_watches();
        out.clear();
        boot();
    }
    void end_turn() {
        host.tell(now);
        while (auto message = translator->poll_output()) out.push_back(std::move(*message));
    }
    /// Time passes; every wake-up on the way is served at its time.
    void pass(proto::Duration time) {
        const auto until = now.steady + time;
        for (int guard = 0; guard < 100'000; ++guard) {
            const auto next = std::max(translator->next_timeout(), now.steady);
            if (next > until) break;
            turn_to(next);
            translator->handle_timeout(now);
            end_turn();
        }
        turn_to(until);
    }
    void turn_to(proto::SteadyTime at) {
        now.wall += at - now.steady;
        now.steady = at;
    }

    void receive(const sip::Incoming& message) {
        translator->handle_input(now, message);
        end_turn();
    }
    /// Sends a request and takes its response, which must be the first thing said.
    sip::Response ask(sip::Request request) {
        request.transaction = ++transaction;
        receive(request);
        auto response = std::get<sip::Response>(take());
        if (response.transaction != request.transaction) throw std::runtime_error("another request's response");
        return response;
    }
    sip::Outgoing take() {
        if (out.empty()) throw std::runtime_error("nothing was sent");
        auto front = std::move(out.front());
        out.pop_front();
        return front;
    }
    sip::Request take_request() { return std::get<sip::Request>(take()); }
    void reply(const sip::Request& to, int status, std::function<void(sip::Response&)> with = {}) {
        sip::Response response;
        response.transaction = to.transaction;
        response.status = status;
        if (with) with(response);
        receive(response);
    }

    // ---- requests a client would send
    sip::Request publish(std::string body, std::string etag = {}, std::optional<std::uint32_t> expires = 3600) {
        auto request = plain(sip::Method::publish, "sip:alice@a.example", "sip:alice@a.example");
        request.expires = expires;
        request.if_match = std::move(etag);
        if (!body.empty()) {
            request.content_type = sip::pidf_type;
            request.body = std::make_shared<const std::string>(std::move(body));
        }
        return request;
    }
    sip::Request subscribe(std::string to = "sip:bob@b.example", std::optional<std::uint32_t> expires = 600) {
        auto request = plain(sip::Method::subscribe, std::move(to), "sip:alice@a.example");
        request.expires = expires;
        request.contact = "sip:alice@192.0.2.1:5062";
        return request;
    }
    /// The next SUBSCRIBE in the dialog that `first` began and `response` accepted.
    sip::Request again(sip::Request first, const sip::Response& response, std::uint32_t expires) {
        first.to.tag = response.to_tag;
        first.cseq = ++cseq;
        first.expires = expires;
        return first;
    }
    sip::Request plain(sip::Method method, std::string to, std::string from) {
        sip::Request request;
        request.method = method;
        request.uri = to;
        request.to.uri = std::move(to);
        request.from = {std::move(from), "from-" + std::to_string(++transaction)};
        request.call_id = "call-" + std::to_string(transaction);
        request.cseq = ++cseq;
        request.event = "presence";
        request.source = server();
        return request;
    }

    sip::SipSettings settings;
    proto::SeededRandom random;
    FakeHost host;
    proto::Now now{proto::SteadyTime{std::chrono::hours{1}}, proto::wall_from_seconds(1'800'000'000)};
    std::unique_ptr<sip::SipTranslator> translator;
    std::deque<sip::Outgoing> out;
    std::uint64_t transaction = 1'000;
    std::uint32_t cseq = 0;
};

}  // namespace presmesh::testing
