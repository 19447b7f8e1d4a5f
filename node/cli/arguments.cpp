#include "node/cli/arguments.hpp"

#include "node/cli/client.hpp"
#include "node/daemon/printable.hpp"
#include "node/daemon/tokens.hpp"
#include "proto/federation.hpp"
#include "proto/limits.hpp"
#include "proto/uri.hpp"

namespace presmesh::cli {

namespace {

std::string quoted(const std::string& text) {
    return "\"" + daemon::quotable(text) + "\"";
}

}  // namespace

std::string is_user(const std::string& text) {
    const auto uri = proto::PresentityUri::parse(text);
    return uri ? "" : quoted(text) + " is not user@domain: " + daemon::printable(uri.error().detail);
}

std::string is_domain(const std::string& text) {
    const auto domain = proto::canonical_domain(text);
    return domain ? "" : quoted(text) + " is not a domain: " + daemon::printable(domain.error().detail);
}

std::string is_url(const std::string& text) {
    const auto address = address_of_url(text);
    return address ? "" : daemon::printable(address.error().detail);
}

std::string is_token(const std::string& text) {
    return daemon::is_token(text) ? "" : "it holds a character that an Authorization header cannot carry";
}

std::string is_bootstrap(const std::string& text) {
    return proto::is_bootstrap(text) ? "" : quoted(text) + " is not host:port with a port that is a multiple of 8";
}

std::string is_publication(const std::string& text) {
    const auto most = proto::limits::http_slot_name_bytes;
    return text.size() <= most ? "" : "the name is longer than " + std::to_string(most) + " bytes";
}

}  // namespace presmesh::cli
