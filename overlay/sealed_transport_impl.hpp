// What SealedTransport is made of; its functions lie in sealed_transport*.cpp.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "overlay/handshake.hpp"
#include "overlay/handshake_guard.hpp"
#include "overlay/handshake_queue.hpp"
#include "overlay/peer_table.hpp"
#include "overlay/sealed_transport.hpp"
#include "overlay/session.hpp"
#include "overlay/transport_counters.hpp"
#include "proto/assert.hpp"
#include "proto/fifo.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

inline constexpr std::uint8_t confirm_port = 255;  ///< of a DATA without content that proves a session

/// What we remember of a node's HELLOs, so that an old one is of no use to anybody.
struct HelloMemory {
    struct Answer {
        proto::Digest hello{};
        proto::Bytes welcome;
    };
    std::uint64_t timestamp_us = 0;
    std::unique_ptr<Answer> answer;  ///< for a while: sent again when the same HELLO comes again
    proto::SteadyTime at{};
};

class SealedTransport::Impl {
  public:
    Impl(proto::SigningKey node_key, proto::Certificate certificate,
         std::shared_ptr<const proto::Federation> federation, proto::Random& random)
        : key_(std::move(node_key)),
          certificate_(std::move(certificate)),
          federation_(std::move(federation)),
          random_(random),
          own_(proto::node_id(key_.public_key())),
          instance_(random.next()),
          guard_(random) {
        PRESMESH_ASSERT(federation_ != nullptr);
    }

    void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    proto::Result<void> send_to(proto::Now now, const proto::Endpoint& to, Plain plain);
    proto::Result<void> send(proto::Now now, const proto::NodeId& to, Plain plain);
    proto::Result<void> send(proto::Now now, PeerState& peer, Plain plain);
    proto::Result<void> connect(proto::Now now, const proto::Endpoint& to);
    void set_federation(std::shared_ptr<const proto::Federation> federation);

    // ---- handshakes
    PendingHandshake* start_handshake(proto::Now now, const proto::Endpoint& to);
    void send_hello(proto::Now now, PendingHandshake& pending);
    void give_up(proto::Now now, const proto::Endpoint& to);
    proto::Result<void> on_hello(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    proto::Result<void> answer_hello(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes,
                                     const Hello& hello, const proto::NodeId& node);
    proto::Result<void> answer_again(proto::Now now, const proto::Endpoint& from, const HelloMemory::Answer& answer);
    proto::Result<void> on_welcome(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    proto::Result<void> check_welcome(proto::Now now, proto::BytesView bytes, const Welcome& welcome,
                                      PendingHandshake& pending);
    proto::Result<void> on_cookie(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    proto::Result<void> on_unknown(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    void shake_again(proto::Now now, PeerState& peer);

    // ---- sessions
    proto::Result<void> on_data(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    proto::Result<void> answer_unknown(proto::Now now, const proto::Endpoint& from, SessionId id);
    void follow(proto::Now now, PeerState& peer, const proto::Endpoint& to);
    void came_up(proto::Now now, PeerState& peer, bool was_up, std::uint64_t old_instance);
    void deliver(PeerState& peer, const proto::Endpoint& from, Session::Opened opened);
    void seal_to(proto::Now now, PeerState& peer, Plain plain);
    void after_sending(proto::Now now, PeerState& peer, Plain plain);
    void await_answer(proto::Now now, PeerState& peer, Plain plain);
    void flush(proto::Now now, PeerState& peer, std::vector<Plain> queue);
    void take_down(const proto::NodeId& node, proto::Reason reason);
    void sweep(proto::Now now);
    void sweep_hellos(proto::Now now);
    std::optional<proto::Reason> over(proto::Now now, const PeerState& peer) const;
    proto::SteadyTime quiet_until(proto::Now now, const PeerState& peer) const;

    static proto::Duration idle_most(const PeerState& peer);
    static proto::SteadyTime renewal_at(const PeerState& peer);
    static void drop_old(proto::Now now, PeerState& peer);

    void emit(const proto::Endpoint& to, proto::Bytes bytes, proto::Traffic traffic = proto::Traffic::handshake);
    void tell(TransportEvent event);

    proto::SigningKey key_;
    proto::Certificate certificate_;
    std::shared_ptr<const proto::Federation> federation_;
    proto::Random& random_;
    proto::NodeId own_;
    std::uint64_t instance_;
    HandshakeGuard guard_;
    PeerTable peers_;
    HandshakeQueue pending_;
    std::unordered_map<proto::NodeId, HelloMemory, NodeIdHash> hellos_;  ///< looked up, never listed
    proto::Fifo<std::pair<proto::SteadyTime, proto::NodeId>> welcomes_;  ///< kept in hellos_, the oldest first
    proto::SteadyTime hellos_due_ = proto::SteadyTime::min();            ///< to be looked through for old ones
    std::map<proto::NodeId, std::size_t> held_;
    proto::Fifo<proto::Datagram> output_;
    proto::Fifo<TransportEvent> events_;
    TransportCounters counters_;
    std::uint64_t last_timestamp_us_ = 0;
    proto::SteadyTime sweep_at_ = proto::never;
    proto::SteadyTime swept_{};
};

}  // namespace presmesh::overlay
