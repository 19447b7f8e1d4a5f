// What is to happen, ordered by (time, number): among events of one moment, the one put in first comes first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/time.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

/// Who asked to be called.
class Actor {
  public:
    virtual ~Actor() = default;
    virtual void act(std::uint64_t token) = 0;
};

struct QueuedEvent {
    enum class Kind : std::uint8_t { delivery, wake_up, action };
    Kind kind = Kind::action;
    proto::Traffic traffic = proto::Traffic::handshake;  ///< of a delivery
    NodeIndex from = 0;
    NodeIndex to = 0;        ///< of a delivery; of a wake-up the node
    proto::Endpoint sender;  ///< of a delivery from somebody who is no node
    bool stranger = false;
    proto::Bytes bytes;
    Actor* actor = nullptr;
    std::uint64_t token = 0;
};

class EventQueue {
  public:
    void push(proto::Duration at, QueuedEvent event) {
        const NodeIndex to = event.to;
        std::uint32_t slot = 0;
        if (free_.empty()) {
            slot = static_cast<std::uint32_t>(events_.size());
            events_.push_back(std::move(event));
        } else {
            slot = free_.back();
            free_.pop_back();
            events_[slot] = std::move(event);
        }
        heap_.push_back({at.count(), ++last_number_, slot, to});
        rise(heap_.size() - 1);
    }
    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }
    proto::Duration next() const { return heap_.empty() ? proto::Duration::max() : proto::Duration{heap_[0].at}; }
    /// Must not be empty.
    QueuedEvent pop() {
        const std::uint32_t slot = heap_[0].slot;
        heap_[0] = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sink(0);
        free_.push_back(slot);
        return std::move(events_[slot]);
    }

    /// Where an event lies, and whose it is, told without touching it.
    struct Entry {
        std::int64_t at;
        std::uint64_t number;
        std::uint32_t slot;
        NodeIndex to;
        bool operator<(const Entry& other) const { return at != other.at ? at < other.at : number < other.number; }
    };
    /// The next event, and those of which one comes after it unless others are put in.
    std::span<const Entry> likely_next() const { return {heap_.data(), std::min(heap_.size(), arity + 1)}; }
    const QueuedEvent& at(const Entry& entry) const { return events_[entry.slot]; }

  private:
    static constexpr std::size_t arity = 4;

    void rise(std::size_t place) {
        const Entry moving = heap_[place];
        while (place > 0) {
            const std::size_t parent = (place - 1) / arity;
            if (!(moving < heap_[parent])) break;
            heap_[place] = heap_[parent];
            place = parent;
        }
        heap_[place] = moving;
    }
    void sink(std::size_t place) {
        const Entry moving = heap_[place];
        while (true) {
            const std::size_t first = place * arity + 1;
            if (first >= heap_.size()) break;
            std::size_t least = first;
            for (std::size_t child = first + 1; child < first + arity && child < heap_.size(); ++child)
                if (heap_[child] < heap_[least]) least = child;
            if (!(heap_[least] < moving)) break;
            heap_[place] = heap_[least];
            place = least;
        }
        heap_[place] = moving;
    }

    std::vector<Entry> heap_;
    std::vector<QueuedEvent> events_;
    std::vector<std::uint32_t> free_;
    std::uint64_t last_number_ = 0;
};

}  // namespace presmesh::sim
