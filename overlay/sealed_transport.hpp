// Every datagram of a node, sealed: sessions with other members' nodes, and nothing at all with strangers.
//
//   A -> B  HELLO    certificate, ephemeral X25519 key, wall time, (cookie), signature
//   B -> A  COOKIE   only when B is under load: a MAC over A's address that A must show in a second HELLO; B keeps
//   nothing B -> A  WELCOME  certificate, ephemeral key, signature over both sides of the handshake both    DATA
//   receiver's session id, counter, sealed (own port, peer port, bytes); replay window on the counter B -> A  UNKNOWN
//   "no such session" (rate limited; makes A shake hands again, never drops A's session by itself)
//
// Bytes from a stranger cost one certificate look-up at most, one rate-limited answer at most, and nothing lasting.
// FORMAT.md has the bytes; limits.hpp the bounds (sessions, queued datagrams, handshakes per second and per address).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/federation.hpp"
#include "proto/fill.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

/// Inner ports: 0..7 the DHT shards, 8 the channel.
inline constexpr std::uint8_t shard_count_max = 8;
inline constexpr std::uint8_t channel_port = 8;

struct Peer {
    proto::NodeId node{};
    proto::PublicKey key{};
    std::uint8_t roles = 0;
    proto::Endpoint endpoint;  ///< where it last answered a handshake from, or read what was sent to it
    std::string domain;
    std::uint64_t instance = 0;  ///< of the process that the session is with; another one: it started anew
    proto::SteadyTime last_heard{};
};

struct Received {
    proto::NodeId node{};
    proto::Endpoint from;
    std::uint8_t own_port = 0;
    std::uint8_t peer_port = 0;
    proto::Bytes bytes;
};
/// A session with a node that had none, or whose process has restarted since (then what it knew of us is gone); also
/// the answer to connect() when there was one already. Rekeying is not told.
struct PeerUp {
    proto::NodeId node{};
    bool restarted = false;
};
struct PeerDown {  ///< its last session ended: idle (unavailable), revoked, not_admitted, bad_signature, expired
    proto::NodeId node{};
    proto::Reason reason{};
    std::string domain;
};
struct ConnectFailed {  ///< no member answered at this address within limits
    proto::Endpoint endpoint;
};
using TransportEvent = std::variant<Received, PeerUp, PeerDown, ConnectFailed>;

class SealedTransport {
  public:
    SealedTransport(proto::SigningKey node_key, proto::Certificate certificate,
                    std::shared_ptr<const proto::Federation> federation, proto::Random& random);
    ~SealedTransport();

    void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    std::optional<proto::Datagram> poll_output();
    std::optional<TransportEvent> poll_event();

    /// Sends to the node at an address, shaking hands first where there is no session (bounded queue, bounded wait).
    /// too_large: over limits::datagram_bytes. quota: too much waits for handshakes already.
    proto::Result<void> send_to(proto::Now now, const proto::Endpoint& to, std::uint8_t own_port,
                                std::uint8_t peer_port, proto::Bytes bytes);
    /// Sends to a known node. unavailable: there is no session with it (nothing is queued then); too_large.
    /// Silence after what wants an answer speaks against the session.
    proto::Result<void> send(proto::Now now, const proto::NodeId& to, std::uint8_t own_port, std::uint8_t peer_port,
                             proto::Bytes bytes, proto::Traffic traffic = proto::Traffic::channel,
                             bool wants_answer = true);
    /// Makes a session unless there is one: PeerUp or ConnectFailed follows. Tries again a few times by itself.
    proto::Result<void> connect(proto::Now now, const proto::Endpoint& to);
    /// Keeps the session however idle it is (the channel does so for followed peers); counted.
    void hold(const proto::NodeId& node);
    void release(const proto::NodeId& node);

    const Peer* peer(const proto::NodeId& node) const;
    std::vector<proto::NodeId> nodes_of(std::string_view domain) const;
    std::vector<proto::NodeId> peers() const;
    /// Ends the sessions of members that are no longer admitted, at once.
    void set_federation(std::shared_ptr<const proto::Federation> federation);

    /// Counters by name: datagrams and bytes in and out, handshakes, refusals by proto::Reason.
    std::vector<std::pair<std::string, std::uint64_t>> counters() const;
    /// How many there are now, by name.
    std::vector<std::pair<std::string, std::uint64_t>> gauges() const;
    proto::Fills fills() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::overlay
