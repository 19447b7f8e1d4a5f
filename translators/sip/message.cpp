#include "translators/sip/message.hpp"

#include <utility>

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

Response answer(const Request& request, int status, std::string phrase) {
    Response response;
    response.transaction = request.transaction;
    response.status = status;
    response.phrase = std::move(phrase);
    return response;
}

}  // namespace presmesh::translators::sip
