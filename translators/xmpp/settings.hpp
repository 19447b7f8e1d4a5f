// What an operator says about one attached XMPP server: where it is, whose users it has, and which component hosts of
// it are ours (XEP-0114). Plain values; node/daemon reads them from its config and resolves nothing here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace presmesh::translators::xmpp {

/// One component host of the server, and one stream to it.
struct ComponentSettings {
    std::string name;    ///< canonical domain: "a.example", or the gateway's "presence.x.example"; U-labels on the wire
    std::string secret;  ///< shared with the server; never logged
    /// False: the name is a federation domain and users keep their names ("alice@a.example").
    /// True: one host for every domain that has no component of its own ("alice\40a.example@presence.x.example",
    /// XEP-0106).
    bool gateway = false;
};

struct XmppSettings {
    std::string domain;              ///< the attached server's own domain, canonical; its users are attended
    std::string host = "127.0.0.1";  ///< name or address of its component port
    std::uint16_t port = 5347;
    std::vector<ComponentSettings> components;  ///< at least one; names differ; at most one gateway

    std::chrono::seconds connect_timeout{10};    ///< TCP
    std::chrono::seconds handshake_timeout{10};  ///< TCP is up -> the server took the handshake
    std::chrono::seconds reconnect_min{1};       ///< before the second try; doubles, with jitter,
    std::chrono::seconds reconnect_max{60};      ///< up to this
    std::chrono::seconds ping_every{60};         ///< of silence from the server, then it is asked (XEP-0199)
    std::chrono::seconds ping_timeout{20};       ///< and dropped when it stays silent
    std::chrono::seconds outage_hold{300};  ///< what its users' last state is good for while it is away; then unknown
    std::chrono::hours linger{24 * 30};  ///< an authorization nobody uses any more is kept this long (RFC 8048 5.3.3)
    std::uint32_t probes_per_second = 200;  ///< asked anew after a reconnect, beside other traffic
};

}  // namespace presmesh::translators::xmpp
