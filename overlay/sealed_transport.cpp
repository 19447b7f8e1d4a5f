#include "overlay/sealed_transport_impl.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::BytesView;
using proto::Endpoint;
using proto::NodeId;
using proto::Now;
using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

proto::Traffic traffic_of(std::uint8_t own_port) {
    return own_port < shard_count_max ? proto::Traffic::dht : proto::Traffic::channel;
}

/// A peer was admitted under the one file: why it is not under the other, if so. Its certificate's time is looked at in
/// every sweep.
std::optional<Reason> excluded(const proto::Federation& before, const proto::Federation& after, const Peer& peer) {
    const proto::Member* was = before.find(peer.domain);
    const proto::Member* is = after.find(peer.domain);
    if (was == nullptr || is == nullptr) return Reason::not_admitted;
    if (is->revoked.contains(peer.node)) return Reason::revoked;
    // Another key signed its certificate.
    return is->key == was->key ? std::nullopt : std::optional(Reason::bad_signature);
}

}  // namespace

// ---- in and out

void SealedTransport::Impl::handle_input(Now now, const Endpoint& from, BytesView bytes) {
    ++counters_.datagrams_in;
    counters_.bytes_in += bytes.size();
    if (sweep_at_ == proto::never) {
        sweep_at_ = now.steady + limits::transport_sweep;
        swept_ = now.steady;
    }
    const auto take = [&]() -> Result<void> {
        switch (bytes.empty() ? 0 : bytes[0]) {
            case static_cast<std::uint8_t>(MessageKind::data):
                return on_data(now, from, bytes);
            case static_cast<std::uint8_t>(MessageKind::hello):
                return on_hello(now, from, bytes);
            case static_cast<std::uint8_t>(MessageKind::welcome):
                return on_welcome(now, from, bytes);
            case static_cast<std::uint8_t>(MessageKind::cookie):
                return on_cookie(now, from, bytes);
            case static_cast<std::uint8_t>(MessageKind::unknown):
                return on_unknown(now, from, bytes);
            default:
                return refuse(Reason::malformed, "message kind");
        }
    };
    if (const auto taken = take(); !taken) {
        counters_.refused(taken.error().reason);
    }
    // Not before: who sent this may have been silent for long.
    if (now.steady - swept_ >= limits::transport_sweep_busy) {
        sweep(now);
    }
}

void SealedTransport::Impl::handle_timeout(Now now) {
    while (PendingHandshake* pending = pending_.due(now.steady)) {
        if (pending->attempts < limits::hello_attempts) {
            send_hello(now, *pending);
        } else {
            give_up(now, Endpoint(pending->to));
        }
    }
    if (sweep_at_ <= now.steady) {
        sweep(now);
    }
}

proto::SteadyTime SealedTransport::Impl::next_timeout() const {
    return std::min(sweep_at_, pending_.next_timeout());
}

void SealedTransport::Impl::emit(const Endpoint& to, proto::Bytes bytes, proto::Traffic traffic) {
    if (output_.size() >= limits::transport_queue) {
        ++counters_.dropped_output;
        return;
    }
    ++counters_.datagrams_out;
    counters_.bytes_out += bytes.size();
    output_.push_back({to, std::move(bytes), traffic});
}

void SealedTransport::Impl::tell(TransportEvent event) {
    // Datagrams may be lost, a change of who is up may not; those are bounded by the table.
    if (events_.size() >= limits::transport_queue && std::holds_alternative<Received>(event)) {
        ++counters_.dropped_events;
        return;
    }
    events_.push_back(std::move(event));
}

// ---- ends

void SealedTransport::Impl::take_down(const NodeId& node, Reason reason) {
    const PeerState* peer = peers_.find(node);
    std::optional<PeerDown> down;
    if (peer->current) {
        down = PeerDown{node, reason, peer->info.domain};
    }
    peers_.erase(node);
    if (down) {
        tell(std::move(*down));
    }
}

std::optional<Reason> SealedTransport::Impl::over(Now now, const PeerState& peer) const {
    if (!peer.current) {
        return peer.next ? std::nullopt : std::optional(Reason::unavailable);
    }
    if (peer.current->remote().certified_until + limits::record_clock_skew < now.wall) {
        return Reason::expired;
    }
    if (now.steady - peer.current->made() >= 2 * limits::session_rekey_age) {
        return Reason::expired;
    }
    // Its data is on the way to the session that we have just answered.
    const bool idle = !peer.next && now.steady - peer.info.last_heard >= idle_most(peer);
    return idle && !held_.contains(peer.info.node) ? std::optional(Reason::unavailable) : std::nullopt;
}

/// How long a session stays that nothing is heard under. The other end has seen the same, and keeps it as long.
proto::Duration SealedTransport::Impl::idle_most(const PeerState& peer) {
    const proto::Duration used = peer.info.last_heard - peer.current->made();
    return std::clamp<proto::Duration>(limits::session_idle_times * used, limits::session_idle,
                                       limits::session_idle_most);
}

/// The first time at which anything of it may be over, as it stands now; and before long, as the wall clock may be set.
proto::SteadyTime SealedTransport::Impl::quiet_until(Now now, const PeerState& peer) const {
    proto::SteadyTime until = now.steady + limits::transport_sweep;
    if (peer.previous) {
        until = std::min(until, peer.previous_until);
    }
    if (peer.next) {
        until = std::min(until, peer.next_until);
    }
    if (!peer.unanswered.empty()) {
        until = std::min(until, peer.unanswered.back().sent + limits::unanswered_age);
    }
    if (!peer.current) {
        return until;
    }
    until = std::min({until, renewal_at(peer), peer.current->made() + 2 * limits::session_rekey_age});
    return held_.contains(peer.info.node) ? until : std::min(until, peer.info.last_heard + idle_most(peer));
}

void SealedTransport::Impl::sweep(Now now) {
    std::map<NodeId, Reason> ended;
    std::map<NodeId, PeerState*> old;
    for (auto& [node, peer] : peers_.all()) {
        if (now.steady < peer.quiet_until) {
            continue;
        }
        peers_.expire(peer, now.steady);
        drop_old(now, peer);
        if (const auto reason = over(now, peer)) {
            ended.emplace(node, *reason);
        } else if (renewal_at(peer) <= now.steady) {
            old.emplace(node, &peer);
        } else {
            peer.quiet_until = quiet_until(now, peer);
        }
    }
    for (const auto& [node, peer] : old) {
        shake_again(now, *peer);
    }
    for (const auto& [node, reason] : ended) {
        take_down(node, reason);
    }
    sweep_hellos(now);
    guard_.sweep(now.steady);
    swept_ = now.steady;
    const bool idle = peers_.size() == 0 && hellos_.empty() && pending_.size() == 0 && guard_.addresses() == 0;
    sweep_at_ = idle ? proto::never : now.steady + limits::transport_sweep;
}

/// The end that made the session renews it; the other one steps in when that does not happen.
proto::SteadyTime SealedTransport::Impl::renewal_at(const PeerState& peer) {
    if (!peer.current) {
        return proto::never;
    }
    const auto grace = peer.current->initiated() ? proto::Duration{0} : 4 * limits::transport_sweep;
    return peer.current->made() + limits::session_rekey_age + grace;
}

/// What nobody will ask for again is not kept: most peers are spoken to now and then, and there are many.
void SealedTransport::Impl::drop_old(Now now, PeerState& peer) {
    if (!peer.unanswered.empty() && now.steady - peer.unanswered.back().sent > limits::unanswered_age) {
        std::vector<Plain>().swap(peer.unanswered);
    }
}

void SealedTransport::Impl::sweep_hellos(Now now) {
    for (; !welcomes_.empty() && now.steady - welcomes_.front().first >= limits::welcome_kept; welcomes_.pop_front()) {
        const auto& [at, node] = welcomes_.front();
        if (const auto entry = hellos_.find(node); entry != hellos_.end() && entry->second.at == at) {
            entry->second.answer.reset();
        }
    }
    if (now.steady < hellos_due_) {
        return;
    }
    hellos_due_ = now.steady + limits::hello_memory / 4;
    std::erase_if(hellos_, [&](const auto& entry) {
        return now.steady - entry.second.at >= limits::hello_memory && peers_.find(entry.first) == nullptr;
    });
}

void SealedTransport::Impl::set_federation(std::shared_ptr<const proto::Federation> federation) {
    PRESMESH_ASSERT(federation != nullptr);
    const auto before = std::exchange(federation_, std::move(federation));
    std::map<NodeId, Reason> ended;
    for (const auto& [node, peer] : peers_.all()) {
        if (const auto reason = excluded(*before, *federation_, peer.info)) {
            ended.emplace(node, *reason);
        }
    }
    for (const auto& [node, reason] : ended) {
        take_down(node, reason);
        hellos_.erase(node);
    }
}

// ---- the face

SealedTransport::SealedTransport(proto::SigningKey node_key, proto::Certificate certificate,
                                 std::shared_ptr<const proto::Federation> federation, proto::Random& random)
    : impl_(std::make_unique<Impl>(std::move(node_key), std::move(certificate), std::move(federation), random)) {}
SealedTransport::~SealedTransport() = default;

void SealedTransport::handle_input(Now now, const Endpoint& from, BytesView bytes) {
    impl_->handle_input(now, from, bytes);
}
void SealedTransport::handle_timeout(Now now) {
    impl_->handle_timeout(now);
}
proto::SteadyTime SealedTransport::next_timeout() const {
    return impl_->next_timeout();
}

std::optional<proto::Datagram> SealedTransport::poll_output() {
    if (impl_->output_.empty()) {
        return std::nullopt;
    }
    proto::Datagram datagram = std::move(impl_->output_.front());
    impl_->output_.pop_front();
    return datagram;
}

std::optional<TransportEvent> SealedTransport::poll_event() {
    if (impl_->events_.empty()) {
        return std::nullopt;
    }
    TransportEvent event = std::move(impl_->events_.front());
    impl_->events_.pop_front();
    return event;
}

Result<void> SealedTransport::send_to(Now now, const Endpoint& to, std::uint8_t own_port, std::uint8_t peer_port,
                                      proto::Bytes bytes) {
    return impl_->send_to(now, to, {own_port, peer_port, std::move(bytes), {}, {}, traffic_of(own_port)});
}
Result<void> SealedTransport::send(Now now, const NodeId& to, std::uint8_t own_port, std::uint8_t peer_port,
                                   proto::Bytes bytes, proto::Traffic traffic, bool wants_answer) {
    return impl_->send(now, to, {own_port, peer_port, std::move(bytes), {}, {}, traffic, wants_answer});
}
Result<void> SealedTransport::connect(Now now, const Endpoint& to) {
    return impl_->connect(now, to);
}

void SealedTransport::hold(const NodeId& node) {
    ++impl_->held_[node];
}
void SealedTransport::release(const NodeId& node) {
    const auto held = impl_->held_.find(node);
    PRESMESH_ASSERT(held != impl_->held_.end());
    if (--held->second > 0) {
        return;
    }
    impl_->held_.erase(held);
    if (PeerState* peer = impl_->peers_.find(node)) {
        peer->changed();
    }
}

const Peer* SealedTransport::peer(const NodeId& node) const {
    const PeerState* found = impl_->peers_.find(node);
    return found == nullptr || !found->current ? nullptr : &found->info;
}

std::vector<NodeId> SealedTransport::nodes_of(std::string_view domain) const {
    std::vector<NodeId> nodes = impl_->peers_.of_domain(domain);
    std::erase_if(nodes, [&](const NodeId& node) { return impl_->peers_.find(node)->current == nullptr; });
    return nodes;
}

std::vector<NodeId> SealedTransport::peers() const {
    std::vector<NodeId> nodes;
    for (const auto& [node, peer] : impl_->peers_.all())
        if (peer.current) nodes.push_back(node);
    std::sort(nodes.begin(), nodes.end());
    return nodes;
}

void SealedTransport::set_federation(std::shared_ptr<const proto::Federation> federation) {
    impl_->set_federation(std::move(federation));
}

std::vector<std::pair<std::string, std::uint64_t>> SealedTransport::counters() const {
    return impl_->counters_.named();
}

std::vector<std::pair<std::string, std::uint64_t>> SealedTransport::gauges() const {
    return {{"sessions", peers().size()}, {"sessions_held", impl_->held_.size()}};
}

proto::Fills SealedTransport::fills() const {
    return {{"nodes", impl_->peers_.size(), limits::peers},
            {"handshakes", impl_->pending_.size(), limits::pending_handshakes},
            {"handshake_datagrams", impl_->pending_.queued(), limits::queued_datagrams},
            {"handshake_addresses", impl_->guard_.addresses(), limits::handshake_addresses},
            {"hellos", impl_->hellos_.size(), 2 * limits::peers},
            {"datagrams_out", impl_->output_.size(), limits::transport_queue},
            {"datagrams_in", impl_->events_.size(), limits::transport_queue}};
}

}  // namespace presmesh::overlay
