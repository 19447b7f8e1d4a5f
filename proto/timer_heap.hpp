// As TimerQueue, for owners that have a place to keep a handle, and so many members that each is cold when its turn
// comes: times lie together, and to change one touches a few cache lines of them and nothing of the members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "proto/assert.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

/// One wake-up per member. Among equal times the member that is `Before` the others comes first; an Item is cheap to
/// copy.
template <typename Item, typename Before>
class TimerHeap {
  public:
    /// Of a member; another member may have it after remove().
    using Handle = std::uint32_t;

    /// A new member without a wake-up.
    Handle add(Item item) {
        if (free_.empty()) {
            items_.push_back(std::move(item));
            places_.push_back(nowhere);
            return static_cast<Handle>(items_.size() - 1);
        }
        const Handle handle = free_.back();
        free_.pop_back();
        items_[handle] = std::move(item);
        return handle;
    }
    void remove(Handle handle) {
        take_out(handle);
        free_.push_back(handle);
    }
    /// `never`: none.
    void set(Handle handle, SteadyTime when) {
        if (when == never) return take_out(handle);
        std::uint32_t place = places_[handle];
        if (place == nowhere) {
            place = static_cast<std::uint32_t>(heap_.size());
            heap_.push_back({when, handle});
            rise(place);
        } else if (const auto before = std::exchange(heap_[place].when, when); when < before) {
            rise(place);
        } else if (when > before) {
            sink(place);
        }
    }
    SteadyTime next() const { return heap_.empty() ? never : heap_[0].when; }
    /// The earliest that is due at `now`; it has no wake-up any more.
    std::optional<Item> pop(SteadyTime now) {
        if (heap_.empty() || heap_[0].when > now) return std::nullopt;
        const Handle handle = heap_[0].handle;
        take_out(handle);
        return items_[handle];
    }

  private:
    struct Entry {
        SteadyTime when;
        Handle handle;
    };
    static constexpr std::uint32_t nowhere = UINT32_MAX;
    static constexpr std::uint32_t arity = 4;

    bool earlier(const Entry& one, const Entry& other) const {
        if (one.when != other.when) return one.when < other.when;
        return Before{}(items_[one.handle], items_[other.handle]);
    }
    void put(std::uint32_t place, const Entry& entry) {
        heap_[place] = entry;
        places_[entry.handle] = place;
    }
    void rise(std::uint32_t place) {
        const Entry moving = heap_[place];
        while (place > 0) {
            const std::uint32_t parent = (place - 1) / arity;
            if (!earlier(moving, heap_[parent])) break;
            put(place, heap_[parent]);
            place = parent;
        }
        put(place, moving);
    }
    void sink(std::uint32_t place) {
        const Entry moving = heap_[place];
        for (;;) {
            const std::size_t first = std::size_t{place} * arity + 1;
            if (first >= heap_.size()) break;
            std::size_t least = first;
            for (std::size_t child = first + 1; child < first + arity && child < heap_.size(); ++child)
                if (earlier(heap_[child], heap_[least])) least = child;
            if (!earlier(heap_[least], moving)) break;
            put(place, heap_[least]);
            place = static_cast<std::uint32_t>(least);
        }
        put(place, moving);
    }
    void take_out(Handle handle) {
        const std::uint32_t place = std::exchange(places_[handle], nowhere);
        if (place == nowhere) return;
        const Entry last = heap_.back();
        heap_.pop_back();
        if (last.handle == handle) return;
        PRESMESH_ASSERT(place < heap_.size());
        put(place, last);
        rise(place);
        sink(places_[last.handle]);
    }

    std::vector<Entry> heap_;
    std::vector<std::uint32_t> places_;  ///< in heap_, by handle
    std::vector<Item> items_;            ///< by handle
    std::vector<Handle> free_;
};

}  // namespace presmesh::proto
