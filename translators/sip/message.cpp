#include "translators/sip/message.hpp"

#include <utility>

#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {

std::string_view to_string(Method method) {
    switch (method) {
        case Method::publish:
            return "PUBLISH";
        case Method::subscribe:
            return "SUBSCRIBE";
        case Method::notify:
            return "NOTIFY";
        case Method::options:
            return "OPTIONS";
        case Method::other:
            return "other";
    }
    return "other";
}

const std::string& hop_of(const Request& request) {
    return !request.routes.empty()     ? request.routes.front()
           : !request.next_hop.empty() ? request.next_hop
                                       : request.uri;
}

bool names_tcp(std::string_view uri) {
    return lower_case(uri).find("transport=tcp") != std::string::npos;
}

std::size_t header_bytes(const Request& request) {
    // Names and line ends, Via and Contact with IPv6 addresses, Max-Forwards, CSeq, Subscription-State, Content-Type
    // and Content-Length.
    std::size_t bytes = 480;
    for (const auto* text : {&request.uri, &request.from.uri, &request.from.tag, &request.to.uri, &request.to.tag,
                             &request.call_id, &request.event})
        bytes += text->size();
    for (const auto& route : request.routes) bytes += route.size() + 9;
    return bytes;
}

Response answer(const Request& request, int status, std::string phrase) {
    Response response;
    response.transaction = request.transaction;
    response.status = status;
    response.phrase = std::move(phrase);
    return response;
}

}  // namespace presmesh::translators::sip
