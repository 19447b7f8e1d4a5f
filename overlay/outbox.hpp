// What the sides of a channel share when they write: the line of slots that wait to be sent, and the packet being
// filled.
#pragma once

#include <algorithm>
#include <array>
#include <set>

#include "overlay/flight.hpp"
#include "proto/channel_messages.hpp"
#include "proto/fifo.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

/// Slots in the order in which they asked to be sent; a slot waits at most once, whatever happens to its content.
class Outbox {
  public:
    void push(Slot slot) {
        if (line_.size() < few ? std::find(line_.begin(), line_.end(), slot) != line_.end() : waits(slot)) return;
        line_.push_back(slot);
        if (!waiting_.empty()) waiting_.insert(slot);
        ++count_of(slot.kind);
    }
    bool empty() const { return line_.empty(); }
    std::size_t size() const { return line_.size(); }
    std::size_t waiting(SlotKind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
    /// The next one, left where it is.
    std::optional<Slot> peek() const { return line_.empty() ? std::nullopt : std::optional(line_.front()); }
    std::optional<Slot> pop() {
        if (line_.empty()) return std::nullopt;
        auto slot = line_.front();
        line_.pop_front();
        --count_of(slot.kind);
        if (line_.empty())
            waiting_.clear();
        else if (!waiting_.empty())
            waiting_.erase(slot);
        return slot;
    }
    void clear() {
        line_.clear();
        counts_ = {};
        waiting_.clear();
    }

  private:
    static constexpr std::size_t few = 16;  ///< looked through one by one

    std::uint32_t& count_of(SlotKind kind) { return counts_[static_cast<std::size_t>(kind)]; }
    bool waits(Slot slot) {
        if (waiting_.empty()) waiting_.insert(line_.begin(), line_.end());
        return waiting_.contains(slot);
    }

    proto::Fifo<Slot> line_;
    std::set<Slot> waiting_;  ///< all in `line_`, or empty while it is short
    std::array<std::uint32_t, slot_kinds> counts_{};
};

class PacketBuilder {
  public:
    explicit PacketBuilder(const proto::ChannelHeader& header) : bytes_(encode(header)) {}

    /// False, and nothing changed, when the message no longer fits.
    bool add(const proto::ChannelMessage& message, SentItem item) {
        if (!add_unreliable(message)) return false;
        items_.push_back(item);
        return true;
    }
    bool add_unreliable(const proto::ChannelMessage& message) {
        auto more = encode(message);
        if (bytes_.size() + more.size() > proto::limits::channel_datagram_bytes) return false;
        bytes_.insert(bytes_.end(), more.begin(), more.end());
        ++messages_;
        return true;
    }
    std::size_t messages() const { return messages_; }
    bool wants_ack() const { return !items_.empty(); }
    proto::Bytes take_bytes() { return std::move(bytes_); }
    SentItems take_items() { return std::move(items_); }

  private:
    proto::Bytes bytes_;
    SentItems items_;
    std::size_t messages_ = 0;
};

}  // namespace presmesh::overlay
