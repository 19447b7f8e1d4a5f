#include "overlay/handshake_queue.hpp"

#include "proto/assert.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

PendingHandshake* HandshakeQueue::find(const proto::Endpoint& to) {
    const auto found = pending_.find(to);
    return found == pending_.end() ? nullptr : &found->second;
}

PendingHandshake* HandshakeQueue::of_session(SessionId id) {
    const auto found = by_session_.find(id);
    return found == by_session_.end() ? nullptr : find(found->second);
}

PendingHandshake* HandshakeQueue::add(PendingHandshake pending) {
    if (pending_.size() >= limits::pending_handshakes) {
        return nullptr;
    }
    const proto::Endpoint to = pending.to;
    by_session_[pending.session] = to;
    const auto [entry, added] = pending_.emplace(to, std::move(pending));
    PRESMESH_ASSERT(added);
    timers_.emplace(entry->second.next, to);
    return &entry->second;
}

bool HandshakeQueue::enqueue(PendingHandshake& pending, Plain plain) {
    if (pending.queue.size() >= limits::queued_per_handshake || queued_ >= limits::queued_datagrams) {
        return false;
    }
    pending.queue.push_back(std::move(plain));
    ++queued_;
    return true;
}

void HandshakeQueue::schedule(PendingHandshake& pending, proto::SteadyTime next) {
    timers_.erase({pending.next, pending.to});
    pending.next = next;
    timers_.emplace(next, pending.to);
}

PendingHandshake HandshakeQueue::remove(const proto::Endpoint& to) {
    const auto found = pending_.find(to);
    PRESMESH_ASSERT(found != pending_.end());
    PendingHandshake pending = std::move(found->second);
    timers_.erase({pending.next, to});
    by_session_.erase(pending.session);
    queued_ -= pending.queue.size();
    pending_.erase(found);
    return pending;
}

PendingHandshake* HandshakeQueue::due(proto::SteadyTime now) {
    if (timers_.empty() || timers_.begin()->first > now) {
        return nullptr;
    }
    return find(timers_.begin()->second);
}

}  // namespace presmesh::overlay
