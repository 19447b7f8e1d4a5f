// HTTP as values: what node/daemon/http_server reads from sockets and writes to them, and http_api decides about.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/result.hpp"

namespace presmesh::daemon {

/// One request and its answer (a single response, or an event stream that ends when either side says so).
using ExchangeId = std::uint64_t;

struct HttpRequest {
    std::string method;
    std::string target;  ///< path and query as they came
    std::map<std::string, std::string, std::less<>>
        headers;  ///< names in lower case; several of a name joined with ", "
    std::string body;
    std::string_view header(std::string_view name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string_view() : std::string_view(found->second);
    }
};

struct HttpResponse {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> headers;  ///< beside Content-Type and Content-Length
    std::string content_type;
    std::string body;
};

struct HttpOutput {
    enum class Kind : std::uint8_t {
        response,      ///< the one answer
        stream_begin,  ///< the answer is an event stream; `response` has its header fields and first lines
        event,         ///< the newest state: replaces an event of this exchange that was not sent yet
        heartbeat,     ///< so that a dead client is noticed; dropped while something else waits to be sent
        stream_end,
    };
    ExchangeId exchange = 0;
    Kind kind = Kind::response;
    HttpResponse response;
    std::string text;  ///< of event: the lines of a server-sent event
};

/// RFC 9457, with the name of the reason as the member `reason`.
HttpResponse problem(unsigned status, std::string_view reason, std::string_view detail);
HttpResponse problem(const proto::Error& error);
/// The HTTP status that says the same as a Reason.
unsigned http_status(proto::Reason reason);
/// RFC 9110's phrase for a status this interface uses.
std::string_view status_phrase(unsigned status);

}  // namespace presmesh::daemon
