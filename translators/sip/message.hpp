// SIP messages as plain values: what the logic sees of them. The shell turns sofia-sip's messages into these and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/endpoint.hpp"

namespace presmesh::translators::sip {

inline constexpr std::string_view pidf_type = "application/pidf+xml";
inline constexpr std::string_view winfo_type = "application/watcherinfo+xml";
inline constexpr std::string_view presence_event = "presence";
inline constexpr std::string_view winfo_event = "presence.winfo";
inline constexpr std::string_view allowed_methods = "PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS";

enum class Method : std::uint8_t { publish, subscribe, notify, options, other };
std::string_view to_string(Method method);

enum class Transport : std::uint8_t { udp, tcp };

/// Shared, because one document goes to many watchers.
using Body = std::shared_ptr<const std::string>;

/// The URI and tag of a From or To. Display names are dropped.
struct Party {
    std::string uri;
    std::string tag;
    bool operator==(const Party&) const = default;
};

/// Names a request we received until it is answered, or one we sent until its answer is there.
using TransactionId = std::uint64_t;

struct Request {
    TransactionId transaction = 0;
    Method method = Method::other;
    std::string uri;  ///< Request-URI
    Party from;
    Party to;
    std::string call_id;
    std::uint32_t cseq = 0;
    std::string event;  ///< Event, whole: "presence;id=7"
    std::optional<std::uint32_t> expires;
    std::string if_match;                            ///< SIP-If-Match
    std::optional<std::vector<std::string>> accept;  ///< media types, lower case, no parameters; none: no such header
    std::vector<std::string> require;                ///< option tags
    std::string content_type;                        ///< lower case, no parameters
    std::string content_language;
    std::string content_encoding;
    Body body;                        ///< null: none
    std::string contact;              ///< the URI. Empty in one we send: the shell says where we listen
    std::vector<std::string> routes;  ///< received: Record-Route in order; sent: Route in order. Whole: "<sip:h;lr>"
    std::string subscription_state;   ///< whole: "active;expires=300"
    std::vector<std::string> authorization;        ///< whole: "Digest username=..."
    std::vector<std::string> proxy_authorization;  ///< whole
    std::string next_hop;    ///< sent: where to, when neither Route nor Request-URI says; empty: they do
    proto::Endpoint source;  ///< received: from where
    Transport transport = Transport::udp;
};

struct Response {
    TransactionId transaction = 0;
    int status = 0;
    std::string phrase;  ///< empty: the usual one
    std::string to_tag;  ///< of the response's To; in one we send, empty: any
    std::string etag;    ///< SIP-ETag
    std::optional<std::uint32_t> expires;
    std::optional<std::uint32_t> min_expires;
    std::optional<std::uint32_t> retry_after;
    std::string allow_events;
    std::string allow;
    std::string accept;
    std::string unsupported;
    std::string contact;                          ///< received: the URI
    bool with_contact = false;                    ///< sent: say where we listen
    std::vector<std::string> record_routes;       ///< sent: copied from the request
    std::vector<std::string> www_authenticate;    ///< whole: "Digest realm=..."
    std::vector<std::string> proxy_authenticate;  ///< whole
    bool local = false;  ///< received: nobody answered, this is our own transport's word (timeout 408, unreachable 503)
};

using Incoming = std::variant<Request, Response>;
using Outgoing = std::variant<Request, Response>;

/// Where a request we send goes: the first Route, next_hop or Request-URI.
const std::string& hop_of(const Request& request);
/// Does the URI name TCP? One that names nothing may mean UDP (RFC 3263 section 4.1).
bool names_tcp(std::string_view uri);
/// What the headers of a request we send take, at most where our own address is no long name, with those that the shell
/// adds.
std::size_t header_bytes(const Request& request);

/// A response to `request` with nothing in it but `status`.
Response answer(const Request& request, int status, std::string phrase = {});

}  // namespace presmesh::translators::sip
