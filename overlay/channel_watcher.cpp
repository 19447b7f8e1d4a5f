#include "overlay/channel_watcher.hpp"

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

// ---- the owner's

std::uint64_t ChannelWatcher::watch(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) {
    const auto number = ++last_watch_;
    auto& watch = watches_[number];
    watch.presentity = presentity;
    watch.watcher = watcher;
    outbox_.push({SlotKind::watch, number});
    return number;
}

void ChannelWatcher::unwatch(std::uint64_t number) {
    auto found = watches_.find(number);
    if (found == watches_.end()) return;
    leave_stream(number, found->second);
    const bool sent = found->second.sent;
    watches_.erase(found);
    if (!sent) return;
    ending_.insert(number);
    outbox_.push({SlotKind::unwatch, number});
}

std::uint64_t ChannelWatcher::query(const proto::PresentityUri& presentity) {
    const auto number = ++last_query_;
    queries_.emplace(number, presentity);
    outbox_.push({SlotKind::query, number});
    return number;
}

const OutWatch* ChannelWatcher::find(std::uint64_t watch) const {
    auto found = watches_.find(watch);
    return found == watches_.end() ? nullptr : &found->second;
}

void ChannelWatcher::join_stream(std::uint64_t number, OutWatch& watch, std::uint64_t name) {
    watch.stream = name;
    auto [place, fresh] = streams_.try_emplace(name);
    place->second.watches.insert(number);
    if (place->second.shown) show_to(watch, place->second);
    // Left when its last watch ended here, while for the peer this one had joined: what it has shown does not come
    // again by itself.
    if (fresh && name <= dropped_) ask_whole(number, watch);
}

void ChannelWatcher::leave_stream(std::uint64_t number, OutWatch& watch) {
    auto found = streams_.find(std::exchange(watch.stream, 0));
    if (found == streams_.end()) return;
    found->second.watches.erase(number);
    if (!found->second.watches.empty()) return;
    dropped_ = std::max(dropped_, found->first);
    parts_.erase(found->first);
    streams_.erase(found);
}

void ChannelWatcher::ask_whole(std::uint64_t number, OutWatch& watch) {
    ++watch.revision;
    watch.ask_whole = true;
    outbox_.push({SlotKind::watch, number});
}

// ---- the channel's

void ChannelWatcher::ask_again() {
    streams_.clear();
    dropped_ = 0;
    parts_.clear();
    ending_.clear();  // what the peer has forgotten need not be ended
    for (auto& [number, watch] : watches_) {
        watch.answered = watch.shown = watch.coming = watch.ask_whole = watch.sent = false;
        watch.stream = 0;
        watch.state_revision = 0;
        outbox_.push({SlotKind::watch, number});
    }
    for (const auto& [number, presentity] : queries_) outbox_.push({SlotKind::query, number});
}

void ChannelWatcher::receive(const proto::WatchStateMessage& message, std::vector<WatcherEvent>& events) {
    auto found = watches_.find(message.watch);
    if (found == watches_.end() || message.revision <= found->second.state_revision) return;
    auto& watch = found->second;
    if (watch.answered && watch.stream != message.stream) watch.coming = true;
    watch.state_revision = message.revision;
    watch.state = message.state;
    watch.reason = message.reason;
    watch.content_key = message.content_key;
    watch.answered = watch.was_answered = true;
    const bool active = watch.state == WatchState::active && message.stream != 0;
    if (watch.stream != message.stream || !active) leave_stream(message.watch, watch);
    if (active) {
        join_stream(message.watch, watch, message.stream);
    } else {  // what the user may not see any more is not kept
        watch.document = nullptr;
        watch.gone = false;
        watch.shown = true;
    }
    events.push_back(WatchUpdated{message.watch});
}

void ChannelWatcher::receive(const proto::SourcesMessage& message, std::vector<WatcherEvent>& events) {
    if ((message.query & proto::announcement) == 0 && queries_.erase(message.query) == 0) return;
    events.push_back(SourcesAnswered{message.query, message.own, message.records});
}

bool ChannelWatcher::receive(const proto::DocumentMessage& message, std::vector<WatcherEvent>& events) {
    auto found = streams_.find(message.stream);
    if (found == streams_.end()) return false;
    auto& stream = found->second;
    if (stream.shown && message.sequence <= stream.sequence) {
        trace_.count(&ChannelCounters::documents_older);
        return true;
    }
    const bool half = message.count > 1;
    if (half && !parts_.contains(message.stream) && parts_.size() >= limits::streams_receiving_parts) return false;
    auto whole = half ? collect(message) : message.bytes;
    if (!whole) return true;
    auto document = proto::Document::read(*whole);
    trace_.count(document ? &ChannelCounters::documents_received : &ChannelCounters::documents_bad);
    if (document) show(*found, message.sequence, std::move(*document), events);
    return true;
}

std::optional<proto::Bytes> ChannelWatcher::collect(const proto::DocumentMessage& message) {
    auto& parts = parts_[message.stream];
    if (message.sequence < parts.sequence) return std::nullopt;
    if (parts.bytes.size() != message.count || parts.sequence != message.sequence) {
        parts.sequence = message.sequence;
        parts.bytes.assign(message.count, {});
        parts.missing = message.count;
    }
    auto& part = parts.bytes[message.index];
    if (!part.empty() || message.bytes.empty()) return std::nullopt;
    part = message.bytes;
    if (--parts.missing > 0) return std::nullopt;
    proto::Bytes whole;
    for (const auto& bytes : parts.bytes) whole.insert(whole.end(), bytes.begin(), bytes.end());
    parts_.erase(message.stream);
    return whole;
}

bool ChannelWatcher::receive(const proto::CurrentMessage& message, std::vector<WatcherEvent>& events) {
    auto found = streams_.find(message.stream);
    if (found == streams_.end()) return false;
    auto& stream = found->second;
    if (stream.shown && message.sequence <= stream.sequence) return true;
    for (auto number : stream.watches) {
        const auto& held = watches_.at(number).document;
        if (!held || held->digest != message.digest) continue;
        show(*found, message.sequence, proto::DocumentPtr(held), events);
        return true;
    }
    if (stream.watches.empty()) return true;
    const auto number = *stream.watches.begin();  // dropped since we said that we hold it
    ask_whole(number, watches_.at(number));
    return true;
}

bool ChannelWatcher::receive(const proto::GoneMessage& message, std::vector<WatcherEvent>& events) {
    auto found = streams_.find(message.stream);
    if (found == streams_.end()) return false;
    if (!found->second.shown || message.sequence > found->second.sequence)
        show(*found, message.sequence, nullptr, events);
    return true;
}

void ChannelWatcher::show(Streams::value_type& named, const proto::Sequence& sequence, proto::DocumentPtr document,
                          std::vector<WatcherEvent>& events) {
    auto& [number_of_stream, stream] = named;
    // The rest of what it overtook may never come.
    if (auto half = parts_.find(number_of_stream); half != parts_.end() && half->second.sequence <= sequence)
        parts_.erase(half);
    stream.shown = true;
    stream.sequence = sequence;
    if (!proto::same_document(stream.document, document)) stream.since = trace_.now().steady;
    stream.document = std::move(document);
    if (!stream.watches.empty())
        trace_.received(watches_.at(*stream.watches.begin()).presentity, sequence, stream.document);
    for (auto number : stream.watches) {
        show_to(watches_.at(number), stream);
        events.push_back(WatchUpdated{number});
    }
}

void ChannelWatcher::show_to(OutWatch& watch, const Stream& stream) {
    watch.shown = true;
    watch.coming = false;
    if (!proto::same_document(watch.document, stream.document)) watch.since = stream.since;
    watch.document = stream.document;
    watch.sequence = stream.sequence;
    watch.gone = stream.document == nullptr;
}

bool ChannelWatcher::write(Slot slot, PacketBuilder& packet) {
    if (slot.kind == SlotKind::unwatch)
        return !ending_.contains(slot.id) || packet.add(proto::UnwatchMessage{slot.id}, {slot, 0, 0});
    if (slot.kind == SlotKind::query) {
        auto found = queries_.find(slot.id);
        return found == queries_.end() || packet.add(proto::QueryMessage{slot.id, found->second}, {slot, 0, 0});
    }
    auto found = watches_.find(slot.id);
    if (found == watches_.end()) return true;
    auto& watch = found->second;
    proto::WatchMessage message{slot.id, watch.revision, watch.presentity, watch.watcher, std::nullopt};
    if (watch.document && !watch.ask_whole) message.held = watch.document->digest;
    if (!packet.add(message, {slot, watch.revision, 0})) return false;
    watch.sent = true;
    return true;
}

void ChannelWatcher::acknowledged(const SentItem& item) {
    if (item.slot.kind == SlotKind::unwatch) ending_.erase(item.slot.id);
}

void ChannelWatcher::lost(const SentItem& item) {
    if (item.slot.kind == SlotKind::watch) {
        auto found = watches_.find(item.slot.id);
        if (found != watches_.end() && found->second.revision == item.version) outbox_.push(item.slot);
    } else if (item.slot.kind == SlotKind::unwatch ? ending_.contains(item.slot.id) : queries_.contains(item.slot.id)) {
        outbox_.push(item.slot);
    }
}

}  // namespace presmesh::overlay
