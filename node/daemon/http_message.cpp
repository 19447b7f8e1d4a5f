#include "node/daemon/http_message.hpp"

#include <nlohmann/json.hpp>

#include "proto/limits.hpp"

namespace presmesh::daemon {

using proto::Reason;

unsigned http_status(Reason reason) {
    switch (reason) {
        case Reason::malformed:
        case Reason::unsupported_version:
        case Reason::not_canonical:
        case Reason::forbidden_xml:
        case Reason::wrong_namespace:
            return 400;
        case Reason::unauthorized:
            return 401;
        case Reason::bad_signature:
        case Reason::not_admitted:
        case Reason::revoked:
        case Reason::not_yet_valid:
        case Reason::expired:
        case Reason::foreign_domain:
        case Reason::wrong_kademlia_id:
        case Reason::replayed:
        case Reason::forbidden:
            return 403;
        case Reason::not_found:
            return 404;
        case Reason::older:
        case Reason::conflict:
            return 409;
        case Reason::condition_failed:
            return 412;
        case Reason::too_large:
            return 413;
        case Reason::unsupported_type:
            return 415;
        case Reason::interval_too_brief:
            return 422;
        case Reason::quota:
        case Reason::rate_limited:
            return 429;
        case Reason::unsupported:
            return 501;
        case Reason::unavailable:
            return 503;
    }
    return 500;
}

std::string_view status_phrase(unsigned status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 204:
            return "No Content";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        default:
            return "Internal Server Error";
    }
}

HttpResponse problem(unsigned status, std::string_view reason, std::string_view detail) {
    nlohmann::ordered_json json = {
        {"type", "about:blank"}, {"title", status_phrase(status)}, {"status", status}, {"reason", reason}};
    if (!detail.empty()) json["detail"] = detail;
    HttpResponse response;
    response.status = status;
    response.content_type = "application/problem+json";
    if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"presmesh\"");
    if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
    response.body = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    return response;
}

HttpResponse problem(const proto::Error& error) {
    auto response = problem(http_status(error.reason), proto::to_string(error.reason), error.detail);
    if (error.reason == Reason::interval_too_brief) {
        response.headers.emplace_back("Presence-Min-Expires",
                                      std::to_string(proto::limits::publication_min_expires.count()));
    }
    return response;
}

}  // namespace presmesh::daemon
