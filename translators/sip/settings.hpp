// What an operator says about a SIP translator, as plain values; node/daemon reads them from the TOML file.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/endpoint.hpp"

namespace presmesh::translators::sip {

enum class Mode : std::uint8_t {
    serve,   ///< this node is the domains' presence server
    attach,  ///< an existing server is, and this node stands beside it
};

/// What we say when the attached server asks who we are (RFC 3261 section 22).
struct Credentials {
    std::string user;
    std::string password;
    std::string realm;  ///< only a challenge of this realm is answered; empty: of any realm
};

/// One account of serve mode: never the password, only H(user:realm:password) in lower-case hexadecimal.
struct Account {
    std::string ha1_md5;     ///< 32 digits, or empty: this account cannot log in by MD5
    std::string ha1_sha256;  ///< 64 digits, or empty
};

/// A token bucket per subscription (RFC 3856 section 6.10): `burst` notifications at once, then one per `interval`.
struct RateControl {
    std::uint32_t burst = 20;                   ///< at least 1; a person's own changes fit in it
    std::chrono::milliseconds interval{5'000};  ///< 0: no limit
};

struct SipSettings {
    Mode mode = Mode::serve;
    /// Names this translator's saved state and metrics; stable across restarts.
    std::string name = "sip";
    std::vector<std::string> domains;  ///< canonical; whose users are served here or by the attached server

    /// "udp:127.0.0.1:5060", "tcp:[::1]:5060", or without a transport for both. Port 0: any free one (tests).
    std::vector<std::string> listen;
    /// Host (a name or an address, IPv6 in brackets) to put in Contact and Via instead of the listening address; empty:
    /// that.
    std::string advertised;

    // attach
    std::string server;  ///< where to send our SUBSCRIBEs: "sip:127.0.0.1:5060;transport=tcp"
    /// Its addresses; ports do not matter. Who a watcher is, it has found out: SUBSCRIBEs from elsewhere are refused.
    std::vector<proto::Endpoint> from;
    std::string watcher;  ///< who watches: "sip:presmesh@example.com"
    /// Subscribe as each watcher itself instead, so that the server's yes or no is each watcher's own. The document is
    /// one for all, the one that came last: not for a server that shows each watcher another.
    bool as_real_watcher = false;
    Credentials credentials;                      ///< empty user: none
    std::chrono::seconds subscribe_expires{300};  ///< how long our subscriptions are asked for; 60..86400
    std::chrono::seconds ping_every{10};          ///< OPTIONS to the server, to notice its restart; 0: never
    std::chrono::seconds state_grace{60};         ///< how long a state outlives the subscription that brought it

    // serve
    bool authenticate = false;                ///< ask for digest authentication (RFC 3261 section 22, RFC 8760)
    std::string realm;                        ///< empty: the first domain
    std::map<std::string, Account> accounts;  ///< by user name, or by "user@domain" where domains differ
    std::chrono::seconds nonce_lifetime{300};

    // both
    RateControl rate;
    std::chrono::seconds max_expires{86'400};     ///< longer SUBSCRIBEs are granted this; at least 60
    std::chrono::milliseconds fetch_wait{2'000};  ///< how long a fetch (Expires: 0) may wait for the first state
    /// Requests a second taken from one address (twice as many at once); the attached server is exempt.
    std::uint32_t requests_per_second = 10'000;

    bool is_server(const proto::Endpoint& source) const {
        return std::any_of(from.begin(), from.end(), [&](const auto& at) { return at.address == source.address; });
    }
};

}  // namespace presmesh::translators::sip
