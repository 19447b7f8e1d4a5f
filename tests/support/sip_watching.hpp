// A watcher of bob's over SIP: what the notifier's tests share.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/sip_talk.hpp"

namespace presmesh::testing {

inline std::string text(const sip::Request& request) {
    return request.body ? *request.body : std::string();
}

struct Subscribed {
    sip::Request request;
    sip::Response response;
};

/// Subscribed and told the first state.
inline Subscribed subscribe(SipTalk& talk, std::uint32_t expires = 600) {
    Subscribed out;
    out.request = talk.subscribe("sip:bob@b.example", expires);
    out.response = talk.ask(out.request);
    REQUIRE(out.response.status == 200);
    talk.reply(talk.take_request(), 200);
    return out;
}

/// What is sent when `span` is over; nothing is before.
inline sip::Request told_after(SipTalk& talk, proto::Duration span) {
    talk.pass(span - std::chrono::milliseconds{1});
    CHECK(talk.out.empty());
    talk.pass(std::chrono::milliseconds{1});
    return talk.take_request();
}

}  // namespace presmesh::testing
