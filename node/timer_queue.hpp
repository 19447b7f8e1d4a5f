// One ordered queue for all the timers of a kind; no timer has anything else of its own. Equal times fire in the order
// they were set.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "proto/time.hpp"

namespace presmesh::node {

struct TimerId {
    proto::SteadyTime due{};
    std::uint64_t number = 0;  ///< 0: not set
    auto operator<=>(const TimerId&) const = default;
};

template <typename What>
class TimerQueue {
  public:
    TimerId set(proto::SteadyTime due, What what) {
        TimerId id{due, ++last_};
        queue_.emplace(id, std::move(what));
        return id;
    }
    /// Cancelling a timer that fired or was never set does nothing.
    void cancel(const TimerId& id) { queue_.erase(id); }
    proto::SteadyTime next() const { return queue_.empty() ? proto::never : queue_.begin()->first.due; }
    /// The next one that is due, removed.
    std::optional<What> pop(proto::SteadyTime now) {
        if (queue_.empty() || queue_.begin()->first.due > now) return std::nullopt;
        What what = std::move(queue_.begin()->second);
        queue_.erase(queue_.begin());
        return what;
    }
    std::size_t size() const { return queue_.size(); }

  private:
    std::map<TimerId, What> queue_;
    std::uint64_t last_ = 0;
};

}  // namespace presmesh::node
