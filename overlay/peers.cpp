#include "overlay/peers.hpp"

#include <algorithm>

#include "proto/limits.hpp"
#include "proto/prefetch.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {
constexpr unsigned memories_per_epoch_bits = 30;  // an epoch is about the time in seconds: 34 bits, for 500 years

/// It was there once.
bool is_gone(const Channel& channel) {
    return channel.heard_at() && channel.liveness() == Liveness::unknown;
}
}  // namespace

Peers::Peers(SealedTransport& transport, proto::Random& random, std::uint64_t epoch, proto::Duration crash_bound,
             Trace* trace)
    : transport_(transport),
      random_(random),
      crash_bound_(crash_bound),
      memory_(epoch << memories_per_epoch_bits),
      trace_(trace) {}

Peers::Entry& Peers::entry(const proto::NodeId& node) {
    auto& entry = *states_.try_emplace(node).first;
    auto& state = entry.second;
    if (!state.channel) {
        state.channel = std::make_unique<Channel>(next_memory(), crash_bound_, ChannelTrace(trace_, node, &counters_));
        state.pause = limits::dial_first;
        if (const auto* known = transport_.peer(node)) state.instance = known->instance;
        state.timer = timers_.add(&entry);
    }
    touch(entry);
    return entry;
}

void Peers::touch(Entry& entry) {
    if (!std::exchange(entry.second.touched, true)) touched_.push_back(&entry);
}

Channel& Peers::open(const proto::NodeId& node) {
    return *entry(node).second.channel;
}

const Channel* Peers::find(const proto::NodeId& node) const {
    auto found = states_.find(node);
    return found == states_.end() ? nullptr : found->second.channel.get();
}

void Peers::learn(const proto::NodeId& node, const std::vector<proto::Endpoint>& endpoints) {
    auto& peer = entry(node).second;
    auto& known = peer.endpoints;
    for (const auto& endpoint : endpoints) {
        if (std::find(known.begin(), known.end(), endpoint) != known.end()) continue;
        known.insert(known.begin(), endpoint);  // what was learned last is tried first
        peer.next_endpoint = 0;
    }
    if (known.size() > limits::endpoints_per_node) known.resize(limits::endpoints_per_node);
}

bool Peers::unreachable(const proto::NodeId& node) const {
    auto found = states_.find(node);
    return found == states_.end() || found->second.unreachable;
}

std::vector<proto::NodeId> Peers::nodes() const {
    std::vector<proto::NodeId> out;
    out.reserve(states_.size());
    for (const auto& [node, state] : states_) out.push_back(node);
    std::sort(out.begin(), out.end());
    return out;
}

std::string_view Peers::domain(const proto::NodeId& node) const {
    auto found = states_.find(node);
    return found == states_.end() ? std::string_view{} : found->second.domain;
}

// ---- what the transport tells

proto::Result<void> Peers::handle_input(proto::Now now, const proto::NodeId& node, proto::BytesView bytes) {
    auto& peer = entry(node).second;
    proto::prefetch(peer.channel.get());
    peer.unreachable = false;
    const bool was_gone = is_gone(*peer.channel);
    auto result = peer.channel->handle_input(now, bytes);
    drain(node, peer);
    if (was_gone && !is_gone(*peer.channel)) ask_others(now);
    return result;
}

void Peers::session_up(proto::Now, const proto::NodeId& node) {
    auto found = states_.find(node);
    if (found == states_.end()) return;
    auto& peer = found->second;
    if (const auto* known = transport_.peer(node)) {
        learn(node, {known->endpoint});
        const auto before = std::exchange(peer.instance, known->instance);
        if (before != 0 && before != known->instance) peer.channel->peer_restarted(next_memory());
    }
    peer.dialing = peer.unreachable = false;
    peer.pause = limits::dial_first;
    peer.next_dial = {};
    peer.channel->session_made();
    touch(*found);
}

void Peers::session_down(const proto::NodeId& node, std::string domain) {
    auto found = states_.find(node);
    if (found == states_.end()) return;
    found->second.domain = std::move(domain);
    touch(*found);
}

void Peers::connect_failed(const proto::Endpoint& endpoint) {
    std::vector<Entry*> failed;
    for (auto& entry : states_) {
        const auto& state = entry.second;
        if (state.dialing && !state.endpoints.empty() && state.endpoints[state.next_endpoint] == endpoint)
            failed.push_back(&entry);
    }
    std::sort(failed.begin(), failed.end(), ById{});
    for (auto* entry : failed) dial_failed(*entry);
}

void Peers::dial_failed(Entry& entry) {
    auto& [node, state] = entry;
    state.dialing = false;
    state.next_endpoint = (state.next_endpoint + 1) % state.endpoints.size();
    touch(entry);
    if (std::exchange(state.unreachable, true)) return;
    events_.push_back({node, Unreachable{}});
}

void Peers::drop(const proto::NodeId& node) {
    auto found = states_.find(node);
    if (found == states_.end()) return;
    found->second.channel->forget_peer(next_memory());
    drain(node, found->second);
    close(*found);
}

void Peers::close(Entry& entry) {
    const auto& [node, state] = entry;
    if (state.held) transport_.release(node);
    resends_of_closed_ += state.channel->resends();
    timers_.remove(state.timer);
    if (state.touched) std::erase(touched_, &entry);
    states_.erase(states_.find(node));
}

void Peers::leave(proto::Now now) {
    flush(now);
    left_ = true;
    for (const auto& node : nodes())
        if (transport_.peer(node) != nullptr)
            transport_.send(now, node, channel_port, channel_port, states_.at(node).channel->goodbye());
}

std::optional<PeerEvent> Peers::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void Peers::drain(const proto::NodeId& node, State& state) {
    while (auto event = state.channel->poll_event()) events_.push_back({node, std::move(*event)});
}

// ---- time

void Peers::handle_timeout(proto::Now now) {
    bool leases = false;
    while (const auto due = timers_.pop(now.steady)) {
        auto& [node, peer] = **due;
        proto::prefetch(peer.channel.get());
        touch(**due);
        if (peer.dialing && peer.next_dial <= now.steady) dial_failed(**due);
        forget_when_silent(now, peer);
        ask_when_due(now, peer);
        peer.channel->handle_timeout(now, random_);
        leases = leases || peer.channel->lease_due();
        drain(node, peer);
    }
    // Whom many follow need not wake for each of them.
    while (const auto soon = leases ? timers_.pop(now.steady + Lease::early(crash_bound_)) : std::nullopt) {
        proto::prefetch((*soon)->second.channel.get());
        touch(**soon);
        (*soon)->second.channel->keep_alive_early(now, random_);
    }
}

void Peers::forget_when_silent(proto::Now now, State& state) {
    const auto heard = state.channel->heard_at();
    if (heard && *heard + limits::peer_forget <= now.steady && state.channel->source().watches() > 0)
        state.channel->forget_peer(next_memory());
}

/// Where one is back, a network was cut perhaps, ours or theirs, and is whole again: the others that are gone need not
/// wait for their turn. One after the other, as each may cost a handshake.
void Peers::ask_others(proto::Now now) {
    if (now.steady < others_asked_until_) return;
    auto when = now.steady;
    for (const auto& node : nodes()) {
        auto& state = states_.at(node);
        if (!is_gone(*state.channel) || !state.channel->watched()) continue;
        when += limits::ask_gone_every;
        state.ask_at = when;
        timers_.set(state.timer, wake_up(now, state));
    }
    others_asked_until_ = when + limits::ask_gone_again;
}

void Peers::ask_when_due(proto::Now now, State& state) {
    if (state.ask_at > now.steady) return;
    state.ask_at = proto::never;
    if (!is_gone(*state.channel)) return;
    state.channel->ask_now(now);
    if (!state.dialing) state.next_dial = {};
}

void Peers::flush(proto::Now now) {
    if (left_) return;
    auto touched = std::exchange(touched_, {});
    std::sort(touched.begin(), touched.end(), ById{});
    for (auto* entry : touched) entry->second.touched = false;
    for (auto* entry : touched) flush_one(now, *entry);
}

/// Touches no other.
void Peers::flush_one(proto::Now now, Entry& entry) {
    auto& [node, peer] = entry;
    if (peer.channel->is_overgrown()) {
        peer.channel->forget_peer(next_memory());
        drain(node, peer);
    }
    const auto* session = transport_.peer(node);
    if (session != nullptr) {
        send_all(now, node, peer);
        hold(node, peer);
    } else if (peer.channel->idle()) {
        return close(entry);
    }
    // A session outlives its node: one that is silent may have moved to another of its addresses.
    const bool silent = session != nullptr && peer.channel->heard_at() && peer.channel->liveness() == Liveness::unknown;
    if (silent ? peer.channel->watcher().watches() > 0 : session == nullptr && peer.channel->has_output())
        dial(now, session, peer);
    timers_.set(peer.timer, wake_up(now, peer));
}

void Peers::send_all(proto::Now now, const proto::NodeId& node, State& state) {
    while (auto bytes = state.channel->poll_output(now)) {
        transport_.send(now, node, channel_port, channel_port, std::move(*bytes), state.channel->traffic(),
                        state.channel->wants_answer());
        ++sent_;
    }
}

/// A followed peer's session must outlive any silence.
void Peers::hold(const proto::NodeId& node, State& state) {
    if (const bool needed = !state.channel->idle(); needed != state.held) {
        needed ? transport_.hold(node) : transport_.release(node);
        state.held = needed;
    }
}

void Peers::dial(proto::Now now, const Peer* session, State& state) {
    if (state.endpoints.empty() || state.dialing || now.steady < state.next_dial) return;
    if (session != nullptr && state.endpoints[state.next_endpoint] == session->endpoint) {
        state.next_endpoint = (state.next_endpoint + 1) % state.endpoints.size();
        if (state.endpoints[state.next_endpoint] == session->endpoint) return;  // it has no other
    }
    state.dialing = true;
    state.next_dial = now.steady + random_.jitter(state.pause, 0.2);
    state.pause = std::min<proto::Duration>(state.pause * 2, limits::dial_most);
    transport_.connect(now, state.endpoints[state.next_endpoint]);
}

proto::SteadyTime Peers::wake_up(proto::Now now, const State& state) const {
    auto next = std::min(state.channel->next_timeout(now), state.ask_at);
    if (const auto heard = state.channel->heard_at(); heard && state.channel->source().watches() > 0)
        next = std::min<proto::SteadyTime>(next, *heard + limits::peer_forget);
    if (state.next_dial > now.steady) next = std::min(next, state.next_dial);
    return next;
}

std::uint64_t Peers::resends() const {
    auto sum = resends_of_closed_;
    for (const auto& [node, state] : states_) sum += state.channel->resends();
    return sum;
}

proto::Fills Peers::fills() const {
    proto::Fills fullest = {{"peer_watches", 0, limits::watches_per_peer},
                            {"peer_ended_watches", 0, limits::tombstones_per_peer},
                            {"peer_refused_watches", 0, limits::tombstones_per_peer},
                            {"peer_answers", 0, limits::tombstones_per_peer},
                            {"peer_documents_in_parts", 0, limits::streams_receiving_parts}};
    for (const auto& [node, state] : states_) {
        const auto& source = state.channel->source();
        const auto in_parts = state.channel->watcher().documents_in_parts();
        auto fill = fullest.begin();
        for (const auto used : {source.watches(), source.ended(), source.turned_away(), source.answers(), in_parts}) {
            fill->used = std::max(fill->used, used);
            ++fill;
        }
    }
    return fullest;
}

}  // namespace presmesh::overlay
