#include "overlay/channel.hpp"

#include "overlay/overloaded.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {

constexpr Slot lease_slot{SlotKind::lease, 0};

bool carries_document(const proto::ChannelPacket& packet) {
    return std::any_of(packet.messages.begin(), packet.messages.end(), [](const proto::ChannelMessage& message) {
        return std::holds_alternative<proto::DocumentMessage>(message) ||
               std::holds_alternative<proto::CurrentMessage>(message) ||
               std::holds_alternative<proto::GoneMessage>(message);
    });
}

/// Acknowledgements and leases go without: whoever is in trouble must be able to say that it is alive.
bool is_metered(const proto::ChannelPacket& packet) {
    return packet.header.number != 0 ||
           std::any_of(packet.messages.begin(), packet.messages.end(), [](const proto::ChannelMessage& message) {
               return !std::holds_alternative<proto::AckMessage>(message) &&
                      !std::holds_alternative<proto::LeaseMessage>(message) &&
                      !std::holds_alternative<proto::LeaveMessage>(message);
           });
}

template <typename From>
void move_events(std::vector<From>& from, proto::Fifo<ChannelEvent>& to) {
    for (auto& event : from) std::visit([&](auto& e) { to.emplace_back(std::move(e)); }, event);
    from.clear();
}

}  // namespace

Channel::Channel(std::uint64_t memory, proto::Duration crash_bound, ChannelTrace trace)
    : memory_(memory),
      bound_(crash_bound),
      peer_bound_(crash_bound),
      trace_(trace),
      source_(outbox_, trace_),
      watcher_(outbox_, trace_),
      lease_(crash_bound) {
    outbox_.push(lease_slot);  // the peer learns our bound before anything else
}

/// Whose slot it is.
template <typename Do>
auto Channel::with_end(Slot slot, const Do& what) {
    switch (slot.kind) {
        case SlotKind::state:
        case SlotKind::value:
        case SlotKind::answer:
            return what(source_);
        case SlotKind::rules_ask:
        case SlotKind::rules:
            return what(rules());
        default:
            return what(watcher_);
    }
}

// ---- in

proto::Result<void> Channel::handle_input(proto::Now now, proto::BytesView bytes) {
    auto packet = proto::decode_channel_packet(bytes);
    if (!packet) return tl::make_unexpected(packet.error());
    const auto& header = packet->header;
    if (header.own == 0) return proto::refuse(proto::Reason::malformed, "a packet of nobody's");
    const bool older = header.own < peer_memory_;
    if (older && memory_if_older_ == 0) return proto::refuse(proto::Reason::older, "a packet of an earlier run");
    if (is_metered(*packet) && !packets_.take(now.steady)) return proto::refuse(proto::Reason::rate_limited, "packets");
    if (header.own != peer_memory_) {
        if (peer_memory_ != 0 && !memories_.take(now.steady))
            return proto::refuse(proto::Reason::rate_limited, "memories");
        peer_has_memory(header.own);
        if (older) memory_ = memory_if_older_;  // it may think that we still know what it said before
    }
    memory_if_older_ = 0;
    trace_.at(now);
    lease_.heard(now);
    watch_lease(now);
    if (header.peer != 0 && header.peer != memory_)
        outbox_.push(lease_slot);  // meant for an earlier us: the peer has to learn of that
    else if (take(now, *packet) && header.number != 0) {
        flight_.received(header.number);
        owes_content_ack_ = owes_content_ack_ || carries_document(*packet);
    }
    // What it missed goes with the first answer, since by that it takes us for live.
    if (flight_.unheard() && now.steady >= resent_heard_at_ + limits::resend_heard) {
        resent_heard_at_ = now.steady;
        told_lost(flight_.left_before(now.steady));
    }
    move_events(source_events_, events_);
    move_events(watcher_events_, events_);
    return {};
}

void Channel::peer_has_memory(std::uint64_t memory) {
    const bool first = peer_memory_ == 0;
    peer_memory_ = memory;
    lease_.begin_anew();
    if (first) return;
    flight_.forget();
    outbox_.clear();
    outbox_.push(lease_slot);
    source_.forget(source_events_);
    watcher_.ask_again();
    if (rules_) rules_->peer_forgot();
}

/// False when something in it came too early: the packet is left unacknowledged, so that it comes again.
bool Channel::take(proto::Now now, const proto::ChannelPacket& packet) {
    bool all = true;
    for (const auto& message : packet.messages) all = take_message(now, message) && all;
    return all;
}

bool Channel::take_message(proto::Now now, const proto::ChannelMessage& message) {
    return std::visit(
        Overloaded{
            [&](const proto::AckMessage& m) {
                take_ack(now, m);
                return true;
            },
            [&](const proto::LeaseMessage& m) {
                const auto bound = std::clamp<proto::Duration>(std::chrono::milliseconds{m.bound_ms},
                                                               limits::lease_bound_least, limits::lease_bound_most);
                if (std::exchange(peer_bound_, bound) != bound) lease_wait_ = {};
                return true;
            },
            [&](const proto::LeaveMessage&) {
                lease_.left();
                watch_lease(now);
                source_.forget(source_events_);
                return true;
            },
            [&](const proto::QueryMessage& m) { return may_ask(now) && source_.receive(m, source_events_); },
            [&](const proto::WatchMessage& m) { return may_ask(now) && source_.receive(m, source_events_); },
            [&](const proto::UnwatchMessage& m) {
                source_.receive(m, source_events_);
                return true;
            },
            [&](const proto::SourcesMessage& m) {
                if ((m.query & proto::announcement) != 0 && !may_ask(now)) return false;
                watcher_.receive(m, watcher_events_);
                return true;
            },
            [&](const proto::WatchStateMessage& m) {
                watcher_.receive(m, watcher_events_);
                return true;
            },
            [&](const proto::RulesAskMessage& m) {
                if (!may_ask(now)) return false;
                events_.emplace_back(m);
                return true;
            },
            [&](const proto::RulesMessage& m) {
                events_.emplace_back(m);
                return true;
            },
            [&](const auto& m) { return watcher_.receive(m, watcher_events_); },
        },
        message);
}

bool Channel::may_ask(proto::Now now) {
    if (questions_.take(now.steady)) return true;
    trace_.count(&ChannelCounters::watches_delayed);
    return false;
}

void Channel::take_ack(proto::Now now, const proto::AckMessage& ack) {
    for (const auto& item : flight_.acknowledged(now, ack))
        with_end(item.slot, [&](auto& end) { end.acknowledged(item); });
}

std::optional<ChannelEvent> Channel::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

// ---- out

std::optional<proto::Bytes> Channel::poll_output(proto::Now now) {
    if (!has_output()) return std::nullopt;
    proto::ChannelHeader header{memory_, peer_memory_, 0};
    const bool may_send = flight_.window_open() && !outbox_.empty();
    if (may_send) header.number = flight_.take_number();
    PacketBuilder packet(header);
    trace_.at(now);
    bool content = std::exchange(owes_content_ack_, false);
    for (const auto& ack : flight_.take_acks()) packet.add_unreliable(ack);
    const bool lease_due = std::exchange(lease_due_, false);
    while (may_send) {
        const auto slot = outbox_.peek();
        if (!slot) break;
        const auto before = packet.messages();
        const bool whole = write(*slot, packet);
        // What has not begun keeps its place: a document must not overtake the answer that names its stream. The rest
        // of a long document lets others pass.
        if (!whole && packet.messages() == before && before > 0) break;
        outbox_.pop();
        if (packet.messages() == 0 && !whole) {  // it fits no packet: nobody is to wait behind it for good
            trace_.count(&ChannelCounters::messages_too_large);
            continue;
        }
        content = content || (whole && slot->kind == SlotKind::value);
        if (whole) continue;
        outbox_.push(*slot);
        break;
    }
    if (lease_due && packet.messages() == 0) packet.add_unreliable(lease());  // anything else says the same
    if (packet.messages() == 0) return std::nullopt;
    traffic_ = content ? proto::Traffic::content : proto::Traffic::channel;
    sent_at_ = now.steady;
    wants_answer_ = packet.wants_ack();
    if (wants_answer_) flight_.sent(now, header.number, packet.take_items());
    return packet.take_bytes();
}

bool Channel::write(Slot slot, PacketBuilder& packet) {
    if (slot.kind == SlotKind::lease) return packet.add(lease(), {slot, 0, 0});
    return with_end(slot, [&](auto& end) { return end.write(slot, packet); });
}

proto::LeaseMessage Channel::lease() const {
    return {static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(bound_).count())};
}

proto::Bytes Channel::goodbye() const {
    return encode(proto::ChannelPacket{{memory_, peer_memory_, 0}, {proto::LeaveMessage{}}});
}

void Channel::told_lost(const SentItems& items) {
    for (const auto& item : items) {
        if (item.slot.kind == SlotKind::lease)
            outbox_.push(item.slot);
        else
            with_end(item.slot, [&](auto& end) { end.lost(item); });
    }
}

void Channel::session_made() {
    told_lost(flight_.abandon());
    outbox_.push(lease_slot);
    if (rules_) rules_->ask_again();  // its process may be another one
}

void Channel::ask_now(proto::Now now) {
    told_lost(flight_.left_before(now.steady));
    flight_.hope();
    outbox_.push(lease_slot);
}

void Channel::forget_peer(std::uint64_t memory) {
    memory_ = memory;
    flight_.forget();
    outbox_.clear();
    source_.forget(source_events_);
    watcher_.ask_again();
    if (rules_) rules_->peer_forgot();
    move_events(source_events_, events_);
}

/// As many slots as may wait for what lives.
std::size_t Channel::still_counts() const {
    return watcher_.watches() + watcher_.queries() + 2 * source_.watches() + source_.turned_away() + source_.answers();
}

std::size_t Channel::leftovers() const {
    const auto kept = outbox_.size() + watcher_.ending();
    return kept - std::min(kept, still_counts());
}

bool Channel::is_overgrown() const {
    const bool listens = liveness_ != Liveness::unknown && !flight_.unheard();
    return !listens && leftovers() > std::max(limits::channel_leftovers, still_counts());
}

// ---- time

void Channel::handle_timeout(proto::Now now, proto::Random& random) {
    watch_lease(now);
    told_lost(flight_.overdue(now));
    keep_alive(now, random);
}

proto::SteadyTime Channel::next_timeout(proto::Now now) const {
    auto next = std::min(flight_.next_timeout(), lease_.next_change(now));
    if (source_.watches() > 0)
        next = std::min(next, lease_wait_ == proto::Duration{} ? now.steady : sent_at_ + lease_wait_);
    return next;
}

/// Those who follow us hear of us twice per bound, by a lease where there is nothing else to say. Nobody acknowledges
/// it: in a quiet federation leases are nearly all there is to send, and who misses one asks.
void Channel::keep_alive(proto::Now now, proto::Random& random, proto::Duration early) {
    if (source_.watches() == 0) return;
    const auto draw = [&] { return random.jitter(Lease::interval(std::min(bound_, peer_bound_)), Lease::jitter); };
    if (lease_wait_ == proto::Duration{}) lease_wait_ = draw();
    if (now.steady + early < sent_at_ + lease_wait_) return;
    lease_due_ = true;
    sent_at_ = now.steady;
    lease_wait_ = draw();
}

void Channel::keep_alive_early(proto::Now now, proto::Random& random) {
    keep_alive(now, random, Lease::early(std::min(bound_, peer_bound_)));
}

/// Of nodes that we follow: whether others are there is nothing to us.
void Channel::count_lease(Liveness now) {
    if (watcher_.watches() == 0) return;
    if (now == Liveness::live) {
        if (std::exchange(doubted_, false)) trace_.count(&ChannelCounters::nodes_back);
        return;
    }
    doubted_ = true;
    trace_.count(now == Liveness::stale ? &ChannelCounters::nodes_doubted : &ChannelCounters::nodes_lost);
}

void Channel::watch_lease(proto::Now now) {
    lease_.set_owed(now, watcher_.watches() > 0);
    if (lease_.take_question(now) && watched()) outbox_.push(lease_slot);
    const auto liveness = lease_.liveness(now);
    if (liveness == Liveness::unknown && lease_.heard_at())
        flight_.set_patience(limits::resend_unknown);
    else if (liveness == Liveness::live && lease_.asks())
        flight_.set_patience(std::min<proto::Duration>(Lease::ask_again(bound_), limits::resend_most));
    else
        flight_.set_patience(limits::resend_most);
    if (liveness == liveness_) return;
    const bool back = doubted_ && liveness_ == Liveness::unknown;
    count_lease(liveness);
    liveness_ = liveness;
    // Gone, with a word or without: asked again and again, so that its return is noticed. The question from before the
    // doubt is still under way where there was one: the two, each sent again after resend_unknown, halve the wait.
    // Back: it knows by the question that we hear it, and tells what we missed.
    if ((liveness == Liveness::unknown || back) && watcher_.watches() > 0) outbox_.push(lease_slot);
    events_.emplace_back(LivenessChanged{liveness});
}

}  // namespace presmesh::overlay
