// What goes out and comes in under sessions.
#include "overlay/sealed_transport_impl.hpp"
#include "proto/prefetch.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::BytesView;
using proto::Endpoint;
using proto::NodeId;
using proto::Now;
using proto::Reason;
using proto::refuse;
using proto::Result;

// ---- sending

Result<void> SealedTransport::Impl::send_to(Now now, const Endpoint& to, Plain plain) {
    if (plain.bytes.size() > limits::datagram_bytes) {
        return refuse(Reason::too_large, "datagram");
    }
    PeerState* peer = peers_.at(to);
    if (peer != nullptr && peer->current) {
        return send(now, *peer, std::move(plain));
    }
    PendingHandshake* pending = start_handshake(now, to);
    if (pending == nullptr) {
        return refuse(Reason::quota, "handshakes");
    }
    pending->wanted = true;
    if (!pending_.enqueue(*pending, std::move(plain))) {
        ++counters_.dropped_queue;
        return refuse(Reason::quota, "datagrams that wait for a handshake");
    }
    return {};
}

Result<void> SealedTransport::Impl::send(Now now, const NodeId& to, Plain plain) {
    if (plain.bytes.size() > limits::datagram_bytes) {
        return refuse(Reason::too_large, "datagram");
    }
    PeerState* peer = peers_.find(to);
    if (peer == nullptr || !peer->current) {
        return refuse(Reason::unavailable, "no session");
    }
    return send(now, *peer, std::move(plain));
}

Result<void> SealedTransport::Impl::send(Now now, PeerState& peer, Plain plain) {
    // Its process has probably restarted: what is sent under the old session would be lost.
    PendingHandshake* pending = peer.suspect ? pending_.find(peer.info.endpoint) : nullptr;
    plain.only_for = peer.info.node;
    if (pending == nullptr || !pending_.enqueue(*pending, plain)) {
        seal_to(now, peer, std::move(plain));
    }
    return {};
}

Result<void> SealedTransport::Impl::connect(Now now, const Endpoint& to) {
    PeerState* peer = peers_.at(to);
    // Where it was once, another node may be now.
    if (peer != nullptr && peer->current && peer->info.endpoint == to) {
        tell(PeerUp{peer->info.node, false});
        return {};
    }
    PendingHandshake* pending = start_handshake(now, to);
    if (pending == nullptr) {
        return refuse(Reason::quota, "handshakes");
    }
    pending->wanted = pending->asked = true;
    return {};
}

void SealedTransport::Impl::seal_to(Now now, PeerState& peer, Plain plain) {
    emit(peer.info.endpoint, peer.current->seal(plain.own_port, plain.peer_port, plain.bytes), plain.traffic);
    after_sending(now, peer, std::move(plain));
}

void SealedTransport::Impl::after_sending(Now now, PeerState& peer, Plain plain) {
    if (plain.wants_answer) {
        await_answer(now, peer, std::move(plain));
    }
    // Whoever had the last word before may have been right to: one datagram without an answer says nothing.
    const bool silent = peer.unanswered_sent >= limits::session_silence_sent &&
                        now.steady - peer.unanswered_since >= limits::session_silence;
    const bool worn = peer.current->bytes_sealed() >= limits::session_rekey_bytes;
    if (silent || worn) {
        peer.silent = peer.silent || silent;
        peer.unanswered_since = now.steady;
        shake_again(now, peer);
    }
}

void SealedTransport::Impl::await_answer(Now now, PeerState& peer, Plain plain) {
    ++peer.unanswered_sent;
    if (peer.unanswered_since == proto::never) {
        peer.unanswered_since = now.steady;
    }
    // OpenDHT sends again by itself; the channel is spared the wait.
    if (plain.own_port == channel_port) {
        plain.sent = now.steady;
        if (peer.unanswered.size() >= limits::unanswered_kept) {
            peer.unanswered.erase(peer.unanswered.begin());
        }
        peer.unanswered.push_back(std::move(plain));
        peer.changed();
    }
}

void SealedTransport::Impl::flush(Now now, PeerState& peer, std::vector<Plain> queue) {
    for (Plain& plain : queue) {
        if (!plain.only_for || *plain.only_for == peer.info.node) {
            seal_to(now, peer, std::move(plain));
        }
    }
}

// ---- sessions

Result<void> SealedTransport::Impl::on_data(Now now, const Endpoint& from, BytesView bytes) {
    if (bytes.size() < 9) {
        return refuse(Reason::malformed, "data");
    }
    const SessionId id = get_u64(bytes.subspan(1, 8));
    const auto [peer, session] = peers_.of_session(id);
    if (peer == nullptr) {
        return answer_unknown(now, from, id);
    }
    proto::prefetch(session);
    proto::prefetch(peer);
    auto opened = session->open(bytes);
    if (!opened) {
        return tl::make_unexpected(opened.error());
    }
    const bool newest =
        opened->newest && (peer->current == nullptr || peer->previous == nullptr || peer->previous->id() != id);
    peer->info.last_heard = now.steady;
    if (peer->next && peer->next->id() == id) {
        const bool was_up = peer->current != nullptr;
        const std::uint64_t old_instance = was_up ? peer->current->remote().instance : 0;
        peers_.confirm(*peer, own_, now.steady);
        peers_.moved(*peer, Endpoint(peer->next_from));  // it read what was sent there
        follow(now, *peer, from);
        came_up(now, *peer, was_up, old_instance);
    } else if (newest) {
        follow(now, *peer, from);
    }
    peer->heard();
    deliver(*peer, from, std::move(*opened));
    return {};
}

/// A sender may write any address, another node's or that of somebody who is to be flooded: what is for it goes there
/// when it has answered from there, not before.
void SealedTransport::Impl::follow(Now now, PeerState& peer, const Endpoint& to) {
    if (peer.info.endpoint == to || now.steady < peer.shake_again_at) {
        return;
    }
    peer.shake_again_at = now.steady + limits::shake_again_gap;
    start_handshake(now, to);
}

Result<void> SealedTransport::Impl::answer_unknown(Now now, const Endpoint& from, SessionId id) {
    if (guard_.may_answer_stranger(now.steady)) {
        ++counters_.unknown_sent;
        emit(from, encode_unknown(id));
    }
    return refuse(Reason::not_found, "session");
}

/// A session was installed: say so where it matters, and let what waited for it go.
void SealedTransport::Impl::came_up(Now now, PeerState& peer, bool was_up, std::uint64_t old_instance) {
    const bool restarted = was_up && peer.current->remote().instance != old_instance;
    if (!was_up || restarted) {
        tell(PeerUp{peer.info.node, restarted});
    }
    std::vector<Plain> again;
    if (peer.suspect || peer.silent || restarted) {
        again = std::move(peer.unanswered);
        std::erase_if(again, [&](const Plain& plain) { return now.steady - plain.sent > limits::unanswered_age; });
    }
    peer.heard();
    peer.suspect = false;
    flush(now, peer, std::move(again));
    if (pending_.find(peer.info.endpoint) != nullptr) {
        PendingHandshake other = pending_.remove(Endpoint(peer.info.endpoint));
        flush(now, peer, std::move(other.queue));
    }
}

void SealedTransport::Impl::deliver(PeerState& peer, const Endpoint& from, Session::Opened opened) {
    if (opened.own_port == confirm_port) {
        return;
    }
    if (opened.own_port > channel_port || opened.peer_port > channel_port) {
        counters_.refused(Reason::malformed);
        return;
    }
    tell(Received{peer.info.node, from, opened.own_port, opened.peer_port, std::move(opened.bytes)});
}

}  // namespace presmesh::overlay
