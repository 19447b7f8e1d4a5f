#include "translators/sip/publications.hpp"

#include "proto/limits.hpp"
#include "translators/sip/header_text.hpp"
#include "translators/sip/pidf.hpp"

namespace presmesh::translators::sip {
namespace {

using proto::Reason;

int status_of(Reason reason) {
    switch (reason) {
        case Reason::not_found:
            return 404;
        case Reason::condition_failed:
            return 412;
        case Reason::interval_too_brief:
            return 423;
        case Reason::too_large:
            return 413;
        case Reason::unsupported_type:
            return 415;
        case Reason::forbidden:
        case Reason::foreign_domain:
        case Reason::not_admitted:
            return 403;
        case Reason::quota:
        case Reason::rate_limited:
        case Reason::unavailable:
            return 503;
        case Reason::malformed:
        case Reason::not_canonical:
        case Reason::forbidden_xml:
        case Reason::wrong_namespace:
        case Reason::unsupported_version:
            return 400;
        default:
            return 500;
    }
}

std::string phrase_of(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 412:
            return "Conditional Request Failed";
        case 413:
            return "Request Entity Too Large";
        case 415:
            return "Unsupported Media Type";
        case 423:
            return "Interval Too Brief";
        case 503:
            return "Service Unavailable";
        default:
            return "Server Internal Error";
    }
}

bool has_body(const Request& request) {
    return request.body && !request.body->empty();
}

proto::Result<proto::DocumentPtr> read_document(const Request& request) {
    if (request.content_type != pidf_type) return proto::refuse(Reason::unsupported_type);
    if (!request.content_encoding.empty() && request.content_encoding != "identity")
        return proto::refuse(Reason::unsupported_type);
    auto parsed = read_pidf(proto::as_bytes(*request.body), request.content_language);
    if (!parsed) return tl::make_unexpected(parsed.error());
    return proto::Document::make(std::move(parsed->presence));
}

/// What the four operations have in common with what was sent (RFC 3903 section 4.1, table 1).
proto::Result<PublishRequest> read_publish(const Request& request) {
    auto presentity = proto::PresentityUri::from_sip(request.uri);
    if (!presentity) return proto::refuse(Reason::not_found);
    PublishRequest out;
    out.presentity = *presentity;
    out.etag = request.if_match;
    if (request.expires)
        out.expires = std::min<std::chrono::seconds>(std::chrono::seconds{*request.expires},
                                                     proto::limits::publication_max_expires);
    const bool removes = request.expires == 0u;
    if (request.if_match.empty() && (removes || !has_body(request)))
        return proto::refuse(Reason::malformed, "an initial publication needs a body and a lifetime");
    if (has_body(request) && !removes) {
        auto document = read_document(request);
        if (!document) return tl::make_unexpected(document.error());
        out.document = std::move(*document);
    }
    return out;
}

}  // namespace

bool is_presence(const Request& request) {
    if (request.event == presence_event) return true;
    const auto event = read_parameterized(request.event);
    return event && event->value == presence_event;
}

std::string allowed_events(Mode mode) {
    std::string out(presence_event);
    if (mode == Mode::serve) out.append(", ").append(winfo_event);
    return out;
}

Response bad_event(const Request& request, Mode mode) {
    auto response = answer(request, 489, "Bad Event");
    response.allow_events = allowed_events(mode);
    return response;
}

Response refusal(const Request& request, const proto::Error& error) {
    const int status = status_of(error.reason);
    auto response =
        answer(request, status, phrase_of(status) + " (" + std::string(proto::to_string(error.reason)) + ")");
    if (status == 415) response.accept = pidf_type;
    if (status == 423)
        response.min_expires =
            static_cast<std::uint32_t>(std::chrono::seconds{proto::limits::publication_min_expires}.count());
    if (status == 503) response.retry_after = 60;
    return response;
}

Response handle_publish(proto::Now now, Host& host, const Request& request) {
    if (const auto presentity = proto::PresentityUri::from_sip(request.uri); !presentity || !host.serves(*presentity))
        return answer(request, 404, "Not Found");
    if (!is_presence(request)) return bad_event(request, Mode::serve);
    const auto publication = read_publish(request);
    if (!publication) return refusal(request, publication.error());
    const auto receipt = host.publish(now, *publication);
    if (!receipt) return refusal(request, receipt.error());
    host.step(now, "sip.publish", publication->presentity, "etag=" + receipt->etag);
    auto response = answer(request, 200, "OK");
    response.etag = receipt->etag;
    response.expires = static_cast<std::uint32_t>(receipt->expires.count());
    return response;
}

}  // namespace presmesh::translators::sip
