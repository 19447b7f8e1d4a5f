#include "overlay/peer_table.hpp"

#include <algorithm>

#include "proto/assert.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {

/// Both ends opened at the same time and have two sessions now: does the older one stay? Both ends decide alike.
bool stays(const Session& current, const Session& session, const proto::NodeId& peer, const proto::NodeId& own) {
    const bool same_process = current.remote().instance == session.remote().instance;
    const bool together = session.made() - current.made() < limits::session_unconfirmed;
    if (!same_process || !together || current.initiated() == session.initiated()) {
        return false;
    }
    return current.initiated() ? own < peer : peer < own;
}

}  // namespace

PeerState* PeerTable::find(const proto::NodeId& node) {
    const auto found = peers_.find(node);
    return found == peers_.end() ? nullptr : &found->second;
}

const PeerState* PeerTable::find(const proto::NodeId& node) const {
    const auto found = peers_.find(node);
    return found == peers_.end() ? nullptr : &found->second;
}

PeerState* PeerTable::at(const proto::Endpoint& endpoint) {
    const auto found = by_endpoint_.find(endpoint);
    return found == by_endpoint_.end() ? nullptr : found->second;
}

PeerTable::Found PeerTable::of_session(SessionId id) const {
    const auto found = by_session_.find(id);
    return found == by_session_.end() ? Found{} : found->second;
}

std::vector<proto::NodeId> PeerTable::of_domain(std::string_view domain) const {
    std::vector<proto::NodeId> nodes;
    const auto [begin, end] = by_domain_.equal_range(domain);
    for (auto it = begin; it != end; ++it) nodes.push_back(it->second);
    std::sort(nodes.begin(), nodes.end());
    return nodes;
}

proto::Result<PeerState*> PeerTable::admit(const proto::NodeId& node, const proto::Certificate& certificate) {
    if (PeerState* known = find(node)) {
        if (known->info.domain != certificate.domain) {
            return proto::refuse(proto::Reason::conflict, "known as another domain's node");
        }
        return known;
    }
    if (peers_.size() >= limits::peers || by_domain_.count(certificate.domain) >= limits::peers_per_domain) {
        return proto::refuse(proto::Reason::quota, "peers");
    }
    PeerState& peer = peers_[node];
    peer.info.node = node;
    peer.info.key = certificate.node_key;
    peer.info.domain = certificate.domain;
    by_domain_.emplace(peer.info.domain, node);
    return &peer;
}

void PeerTable::erase(const proto::NodeId& node) {
    const auto found = peers_.find(node);
    PRESMESH_ASSERT(found != peers_.end());
    PeerState& peer = found->second;
    for (auto* session : {&peer.current, &peer.previous, &peer.next}) {
        forget(*session);
    }
    for (const proto::Endpoint& alias : peer.aliases) {
        const auto entry = by_endpoint_.find(alias);
        if (entry != by_endpoint_.end() && entry->second == &peer) {
            by_endpoint_.erase(entry);
        }
    }
    const auto [begin, end] = by_domain_.equal_range(peer.info.domain);
    by_domain_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == node; }));
    peers_.erase(found);
}

void PeerTable::forget(std::unique_ptr<Session>& session) {
    if (session) {
        by_session_.erase(session->id());
        session.reset();
    }
}

void PeerTable::offer(PeerState& peer, std::unique_ptr<Session> session, const proto::Endpoint& from,
                      proto::SteadyTime now) {
    forget(peer.next);
    peer.next_from = from;
    by_session_[session->id()] = {&peer, session.get()};
    peer.next = std::move(session);
    peer.next_until = now + limits::session_unconfirmed;
    peer.changed();
}

void PeerTable::install(PeerState& peer, std::unique_ptr<Session> session, const proto::NodeId& own,
                        proto::SteadyTime now) {
    by_session_[session->id()] = {&peer, session.get()};
    forget(peer.previous);
    peer.previous_until = now + limits::session_overlap;
    peer.changed();
    if (peer.current && !peer.suspect && stays(*peer.current, *session, peer.info.node, own)) {
        peer.previous = std::move(session);
        return;
    }
    peer.previous = std::move(peer.current);
    peer.current = std::move(session);
    peer.info.roles = peer.current->remote().roles;
    peer.info.instance = peer.current->remote().instance;
    // What an earlier process sent must not come after what the new one says.
    if (peer.previous && peer.previous->remote().instance != peer.info.instance) forget(peer.previous);
}

void PeerTable::confirm(PeerState& peer, const proto::NodeId& own, proto::SteadyTime now) {
    PRESMESH_ASSERT(peer.next != nullptr);
    install(peer, std::move(peer.next), own, now);
}

void PeerTable::expire(PeerState& peer, proto::SteadyTime now) {
    if (peer.previous && peer.previous_until <= now) {
        forget(peer.previous);
    }
    if (peer.next && peer.next_until <= now) {
        forget(peer.next);
    }
}

void PeerTable::moved(PeerState& peer, const proto::Endpoint& to) {
    peer.info.endpoint = to;
    by_endpoint_[to] = &peer;
    std::erase(peer.aliases, to);
    peer.aliases.push_back(to);
    if (peer.aliases.size() > limits::addresses_per_peer) {
        const auto entry = by_endpoint_.find(peer.aliases.front());
        if (entry != by_endpoint_.end() && entry->second == &peer) {
            by_endpoint_.erase(entry);
        }
        peer.aliases.erase(peer.aliases.begin());
    }
}

}  // namespace presmesh::overlay
