// The handshakes we have started: what to send again and when, and the datagrams that wait for them. Bounded.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "overlay/handshake.hpp"
#include "overlay/peer_table.hpp"
#include "proto/endpoint.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

struct PendingHandshake {
    proto::Endpoint to;
    SessionId session = 0;
    std::unique_ptr<Exchange> exchange;
    proto::Bytes hello;
    proto::Digest digest{};
    std::vector<Plain> queue;
    int attempts = 0;     ///< HELLOs sent on our own account
    int cookies = 0;      ///< HELLOs sent because a cookie came
    int bad_answers = 0;  ///< WELCOMEs that cost a signature check for nothing
    bool wanted = false;  ///< somebody waits for ConnectFailed
    bool asked = false;   ///< somebody waits for PeerUp
    proto::SteadyTime next{};
};

class HandshakeQueue {
  public:
    PendingHandshake* find(const proto::Endpoint& to);
    PendingHandshake* of_session(SessionId id);
    /// Null when there are too many. There must be none for that address.
    PendingHandshake* add(PendingHandshake pending);
    /// False when it does not fit any more.
    bool enqueue(PendingHandshake& pending, Plain plain);
    void schedule(PendingHandshake& pending, proto::SteadyTime next);
    /// Takes it out, to be finished or given up.
    PendingHandshake remove(const proto::Endpoint& to);
    proto::SteadyTime next_timeout() const { return timers_.empty() ? proto::never : timers_.begin()->first; }
    /// The first whose time has come, or null.
    PendingHandshake* due(proto::SteadyTime now);
    std::size_t size() const { return pending_.size(); }
    /// Datagrams that wait in all.
    std::size_t queued() const { return queued_; }

  private:
    std::map<proto::Endpoint, PendingHandshake> pending_;
    std::unordered_map<SessionId, proto::Endpoint> by_session_;
    std::set<std::pair<proto::SteadyTime, proto::Endpoint>> timers_;
    std::size_t queued_ = 0;
};

}  // namespace presmesh::overlay
