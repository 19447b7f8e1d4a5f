// The nodes we have sessions with, found by node, by address and by session id. Bounded by limits::peers.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "overlay/node_id_hash.hpp"
#include "overlay/sealed_transport.hpp"
#include "overlay/session.hpp"
#include "proto/identity.hpp"
#include "proto/result.hpp"

namespace presmesh::overlay {

/// Plain bytes between inner ports, not sealed yet.
struct Plain {
    std::uint8_t own_port = 0;
    std::uint8_t peer_port = 0;
    proto::Bytes bytes;
    /// For nobody else, should another node answer at that address; none when it was sent to an address.
    std::optional<proto::NodeId> only_for{};
    proto::SteadyTime sent{};
    proto::Traffic traffic = proto::Traffic::channel;
    bool wants_answer = true;
};

/// One node. `current` is what we send under; a peer without it is not up.
struct PeerState {
    /// The sweep need not look at it before. Whoever sets an earlier end than there was says changed().
    proto::SteadyTime quiet_until = proto::SteadyTime::min();
    Peer info;
    std::unique_ptr<Session> current;
    std::unique_ptr<Session> previous;  ///< superseded, of the same process: still opens what was on the way
    std::unique_ptr<Session> next;      ///< we answered its HELLO; unconfirmed until data comes
    proto::SteadyTime previous_until{};
    proto::SteadyTime next_until{};
    proto::Endpoint next_from{};        ///< where the answer that `next` needs was sent
    bool suspect = false;               ///< it says that it does not know our session; a handshake is under way
    bool silent = false;                ///< a handshake is to tell whether it still knows our session
    std::uint32_t unanswered_sent = 0;  ///< since it was last heard, how many in all,
    std::vector<Plain> unanswered;      ///< the last of them, while they are young,
    proto::SteadyTime unanswered_since = proto::never;
    std::vector<proto::Endpoint> aliases;  ///< addresses it was heard from, the newest last
    proto::SteadyTime shake_again_at{};

    void changed() { quiet_until = proto::SteadyTime::min(); }
    void heard() {
        unanswered.clear();
        unanswered_since = proto::never;
        unanswered_sent = 0;
        silent = false;
    }
};

class PeerTable {
  public:
    PeerState* find(const proto::NodeId& node);
    const PeerState* find(const proto::NodeId& node) const;
    PeerState* at(const proto::Endpoint& endpoint);
    /// Null, null where there is none.
    struct Found {
        PeerState* peer = nullptr;
        Session* session = nullptr;
    };
    Found of_session(SessionId id) const;
    std::size_t size() const { return peers_.size(); }
    /// All, in no order: let what is seen outside be sorted by node.
    auto& all() { return peers_; }
    const auto& all() const { return peers_; }
    /// All of a domain there is an entry for, in order.
    std::vector<proto::NodeId> of_domain(std::string_view domain) const;

    /// The entry of a certificate's node, made when there is none. quota: no room in the table, or its domain has too
    /// many; conflict: it is known as another domain's.
    proto::Result<PeerState*> admit(const proto::NodeId& node, const proto::Certificate& certificate);
    void erase(const proto::NodeId& node);

    /// Its answer to a HELLO from `from` becomes `next`.
    void offer(PeerState& peer, std::unique_ptr<Session> session, const proto::Endpoint& from, proto::SteadyTime now);
    /// A proven session comes into use, beside or before the current one. `own`: our node, to settle which of two
    /// sessions made at the same time both ends keep.
    void install(PeerState& peer, std::unique_ptr<Session> session, const proto::NodeId& own, proto::SteadyTime now);
    /// Data came under `next`: it is proven.
    void confirm(PeerState& peer, const proto::NodeId& own, proto::SteadyTime now);
    /// Ends superseded and unconfirmed sessions whose time has come.
    void expire(PeerState& peer, proto::SteadyTime now);
    void moved(PeerState& peer, const proto::Endpoint& to);

  private:
    void forget(std::unique_ptr<Session>& session);

    // Looked up for each datagram. Whoever lists them sorts them first.
    std::unordered_map<proto::NodeId, PeerState, NodeIdHash> peers_;
    std::unordered_multimap<std::string_view, proto::NodeId> by_domain_;  ///< the name is the entry's own
    std::unordered_map<proto::Endpoint, PeerState*> by_endpoint_;
    std::unordered_map<SessionId, Found> by_session_;
};

}  // namespace presmesh::overlay
