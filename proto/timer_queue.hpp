// Who wants to be woken when: one wake-up per key, changed in logarithmic time, so that nobody scans its members per
// turn. Equal times come in the order of the keys.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "proto/time.hpp"

namespace presmesh::proto {

template <typename Key>
class TimerQueue {
  public:
    /// `never` takes the key out.
    void set(const Key& key, SteadyTime when) {
        if (when == never) return erase(key);
        const auto [place, added] = times_.try_emplace(key, when);
        if (added) {
            order_.emplace(when, key);
        } else if (place->second != when) {
            auto entry = order_.extract({place->second, key});
            entry.value().first = place->second = when;
            order_.insert(std::move(entry));
        }
    }
    void erase(const Key& key) {
        auto found = times_.find(key);
        if (found == times_.end()) return;
        order_.erase({found->second, key});
        times_.erase(found);
    }
    SteadyTime next() const { return order_.empty() ? never : order_.begin()->first; }
    /// Takes out and answers the earliest key that is due at `now`.
    std::optional<Key> pop(SteadyTime now) {
        if (order_.empty() || order_.begin()->first > now) return std::nullopt;
        auto key = order_.begin()->second;
        erase(key);
        return key;
    }
    bool contains(const Key& key) const { return times_.contains(key); }
    std::size_t size() const { return times_.size(); }

  private:
    std::map<Key, SteadyTime> times_;
    std::set<std::pair<SteadyTime, Key>> order_;
};

}  // namespace presmesh::proto
