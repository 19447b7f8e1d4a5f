#include "overlay/channel_source.hpp"

#include "proto/assert.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {

std::uint16_t parts_of(const proto::Document& document) {
    const auto size = std::max<std::size_t>(document.bytes.size(), 1);
    return static_cast<std::uint16_t>((size + limits::document_part_bytes - 1) / limits::document_part_bytes);
}

proto::DocumentMessage part_of(std::uint64_t stream, const StreamValue& value, std::uint16_t index) {
    const auto& bytes = value.document->bytes;
    const auto begin = std::min(bytes.size(), index * limits::document_part_bytes);
    const auto end = std::min(bytes.size(), begin + limits::document_part_bytes);
    return {stream, value.sequence, index, parts_of(*value.document),
            proto::Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                         bytes.begin() + static_cast<std::ptrdiff_t>(end))};
}

}  // namespace

// ---- the owner's

void ChannelSource::answer(std::uint64_t number, const Answer& answer,
                           const std::optional<proto::SymmetricKey>& content_key, const StreamValue& value) {
    auto found = watches_.find(number);
    if (found == watches_.end()) return;
    auto& watch = found->second;
    const auto before = watch.stream;
    watch.answered = true;
    watch.answer = answer;
    watch.answer.reason.resize(std::min(watch.answer.reason.size(), limits::reason_bytes));
    watch.content_key = content_key;
    watch.state_revision = ++last_version_;
    outbox_.push(
        {SlotKind::state, number});  // before the value, so that the peer knows the stream when its document comes
    if (answer.state == WatchState::active)
        join(watch, answer.view, value);
    else
        leave_stream(watch);
    if (before != 0 && before != watch.stream) take_off(number, before);
}

void ChannelSource::set_value(const proto::PresentityUri& presentity, ViewId view, const StreamValue& value) {
    auto found = stream_of_.find({presentity, view});
    if (found == stream_of_.end()) return;
    auto& stream = streams_.at(found->second);
    if (!stream.due.empty()) trace_.count(&ChannelCounters::documents_coalesced);
    stream.value = value;
    stream.held = false;
    renew(found->second, stream);
}

void ChannelSource::answer_query(proto::SourcesMessage answer) {
    if (asked_ == 0) return;  // the peer has forgotten that it asked
    --asked_;
    const auto query = answer.query;
    answers_[query] = std::move(answer);
    outbox_.push({SlotKind::answer, query});
}

void ChannelSource::announce(proto::Bytes record) {
    const auto number = proto::announcement | ++announcements_;
    announced_.emplace(number, proto::SourcesMessage{number, false, {std::move(record)}});
    if (announced_.size() > limits::peers_per_domain) announced_.erase(announced_.begin());
    outbox_.push({SlotKind::answer, number});
}

std::vector<InboundWatch> ChannelSource::terminated() const {
    std::vector<InboundWatch> out;
    for (const auto& [number, watch] : watches_)
        if (watch.answered && watch.answer.state == WatchState::terminated)
            out.push_back({number, watch.presentity, watch.watcher});
    return out;
}

void ChannelSource::forget(std::vector<SourceEvent>& events) {
    for (const auto& [number, watch] : watches_)
        events.push_back(InboundUnwatch{number, watch.presentity, watch.watcher});
    watches_.clear();
    streams_.clear();
    stream_of_.clear();
    leaving_.clear();
    answers_.clear();
    // What the peer was to hear, a process of it that has just started hears all the same: it is told before it speaks.
    for (const auto& [number, announcement] : announced_) outbox_.push({SlotKind::answer, number});
    introduced_ = false;
    asked_ = 0;
    turned_away_.clear();
    buried_.clear();
    buried_order_.clear();
}

void ChannelSource::join(Watch& watch, ViewId view, const StreamValue& value) {
    if (watch.stream != 0 && streams_.at(watch.stream).view == view) return;
    leave_stream(watch);
    auto [place, fresh] = stream_of_.try_emplace({watch.presentity, view}, 0);
    if (fresh) place->second = ++last_stream_;
    auto& stream = streams_[place->second];
    watch.stream = place->second;
    ++stream.watches;
    if (!fresh) return;
    stream.presentity = watch.presentity;
    stream.view = view;
    stream.value = value;
    stream.held = value.document && watch.held == value.document->digest;
    renew(place->second, stream);
}

void ChannelSource::leave_stream(Watch& watch) {
    if (watch.stream == 0) return;
    auto found = streams_.find(std::exchange(watch.stream, 0));
    PRESMESH_ASSERT(found != streams_.end());
    if (--found->second.watches > 0) return;
    stream_of_.erase({found->second.presentity, found->second.view});
    streams_.erase(found);
}

/// For the peer the watch still shows this stream, until it has our answer: which may be lost, while what others may
/// see comes through. So the stream waits.
void ChannelSource::take_off(std::uint64_t number, std::uint64_t stream) {
    for (auto at = leaving_.lower_bound({number, 0}); at != leaving_.end() && at->first == number;)
        at = streams_.contains(at->second) ? std::next(at) : leaving_.erase(at);
    auto found = streams_.find(stream);
    if (found != streams_.end() && leaving_.emplace(number, stream).second) ++found->second.leaving;
}

/// The peer knows what the watch was answered last.
void ChannelSource::let_go(std::uint64_t number) {
    for (auto at = leaving_.lower_bound({number, 0}); at != leaving_.end() && at->first == number;) {
        auto found = streams_.find(at->second);
        at = leaving_.erase(at);
        if (found == streams_.end() || --found->second.leaving > 0) continue;
        if (!found->second.due.empty()) outbox_.push({SlotKind::value, found->first});
    }
}

/// All of the stream's value is to be sent.
void ChannelSource::renew(std::uint64_t number, Stream& stream) {
    stream.version = ++last_version_;
    stream.due.clear();
    const auto parts = stream.value.document && !stream.held ? parts_of(*stream.value.document) : std::uint16_t{1};
    for (std::uint16_t i = 0; i < parts; ++i) stream.due.insert(stream.due.end(), i);
    outbox_.push({SlotKind::value, number});
}

// ---- the channel's

bool ChannelSource::receive(const proto::WatchMessage& message, std::vector<SourceEvent>& events) {
    if (buried_.contains(message.watch)) return true;
    auto found = watches_.find(message.watch);
    if (found == watches_.end()) {
        if (watches_.size() >= room_) return turn_away(message.watch);
        turned_away_.erase(message.watch);
        watches_.emplace(
            message.watch,
            Watch{message.presentity, message.watcher, message.revision, message.held, false, {}, {}, 0, 0});
        events.push_back(InboundWatch{message.watch, message.presentity, message.watcher});
        return true;
    }
    auto& watch = found->second;
    if (message.revision <= watch.revision) return true;
    watch.revision = message.revision;  // the peer lost the document it held: the whole of it again
    if (watch.stream == 0) return true;
    auto& stream = streams_.at(watch.stream);
    stream.held = false;
    renew(watch.stream, stream);
    return true;
}

bool ChannelSource::turn_away(std::uint64_t watch) {
    if (turned_away_.contains(watch)) return true;
    if (turned_away_.size() >= limits::tombstones_per_peer) return false;
    trace_.count(&ChannelCounters::watches_refused);
    turned_away_.emplace(watch, ++last_version_);
    outbox_.push({SlotKind::state, watch});
    return true;
}

void ChannelSource::receive(const proto::UnwatchMessage& message, std::vector<SourceEvent>& events) {
    bury(message.watch);
    turned_away_.erase(message.watch);
    auto found = watches_.find(message.watch);
    if (found == watches_.end()) return;
    leave_stream(found->second);
    let_go(message.watch);
    events.push_back(InboundUnwatch{message.watch, found->second.presentity, found->second.watcher});
    watches_.erase(found);
    if (watches_.empty()) introduced_ = false;
}

bool ChannelSource::receive(const proto::QueryMessage& message, std::vector<SourceEvent>& events) {
    if (answers_.contains(message.query)) return true;
    if (answers_.size() + asked_ >= limits::tombstones_per_peer) return false;
    ++asked_;
    events.push_back(InboundQuery{message.query, message.presentity});
    return true;
}

void ChannelSource::bury(std::uint64_t watch) {
    if (!buried_.insert(watch).second) return;
    buried_order_.push_back(watch);
    if (buried_order_.size() <= limits::tombstones_per_peer) return;
    buried_.erase(buried_order_.front());
    buried_order_.pop_front();
}

bool ChannelSource::write(Slot slot, PacketBuilder& packet) {
    switch (slot.kind) {
        case SlotKind::state:
            return write_state(slot.id, packet);
        case SlotKind::value:
            return write_value(slot.id, packet);
        case SlotKind::answer:
            return write_answer(slot.id, packet);
        default:
            return true;
    }
}

bool ChannelSource::write_state(std::uint64_t number, PacketBuilder& packet) {
    if (auto away = turned_away_.find(number); away != turned_away_.end())
        return packet.add(
            proto::WatchStateMessage{number, away->second, WatchState::terminated, "giveup", 0, std::nullopt},
            {{SlotKind::state, number}, away->second, 0});
    auto found = watches_.find(number);
    if (found == watches_.end()) return true;
    const auto& watch = found->second;
    return packet.add(proto::WatchStateMessage{number, watch.state_revision, watch.answer.state, watch.answer.reason,
                                               watch.stream, watch.content_key},
                      {{SlotKind::state, number}, watch.state_revision, 0});
}

bool ChannelSource::write_value(std::uint64_t number, PacketBuilder& packet) {
    auto found = streams_.find(number);
    if (found == streams_.end()) return true;
    auto& stream = found->second;
    if (stream.leaving > 0) return true;
    const auto& value = stream.value;
    while (!stream.due.empty()) {
        const auto part = *stream.due.begin();
        const SentItem item{{SlotKind::value, number}, stream.version, part};
        bool fits = false;
        if (!value.document)
            fits = packet.add(proto::GoneMessage{number, value.sequence}, item);
        else if (stream.held)
            fits = packet.add(proto::CurrentMessage{number, value.sequence, value.document->digest}, item);
        else
            fits = packet.add(part_of(number, value, part), item);
        if (!fits) return false;
        if (part == 0) {
            trace_.count(stream.held ? &ChannelCounters::documents_equal : &ChannelCounters::documents_sent);
            trace_.sent(stream.presentity, value.sequence, value.document);
        }
        stream.due.erase(part);
    }
    return true;
}

bool ChannelSource::write_answer(std::uint64_t number, PacketBuilder& packet) {
    const auto& waiting = answers_of(number);
    auto found = waiting.find(number);
    return found == waiting.end() || packet.add(found->second, {{SlotKind::answer, number}, 0, 0});
}

void ChannelSource::acknowledged(const SentItem& item) {
    if (item.slot.kind == SlotKind::answer) answers_of(item.slot.id).erase(item.slot.id);
    if (item.slot.kind != SlotKind::state) return;
    turned_away_.erase(item.slot.id);
    auto found = watches_.find(item.slot.id);
    if (found != watches_.end() && found->second.state_revision == item.version) let_go(item.slot.id);
}

void ChannelSource::lost(const SentItem& item) {
    if (item.slot.kind == SlotKind::state) {
        auto found = watches_.find(item.slot.id);
        const bool newest = found != watches_.end() && found->second.state_revision == item.version;
        if (newest || turned_away_.contains(item.slot.id)) outbox_.push(item.slot);
    } else if (item.slot.kind == SlotKind::value) {
        auto found = streams_.find(item.slot.id);
        if (found == streams_.end() || found->second.version != item.version) return;
        found->second.due.insert(item.part);
        outbox_.push(item.slot);
    } else if (answers_of(item.slot.id).contains(item.slot.id)) {
        outbox_.push(item.slot);
    }
}

}  // namespace presmesh::overlay
