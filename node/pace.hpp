// So many changes at once, then one every interval, and always the newest in the end: changes of one thing that come
// faster are held back and coalesced. A leaky bucket (GCRA): what it keeps of a thing is one time.
#pragma once

#include <unordered_map>

#include "proto/time.hpp"
#include "proto/timer_queue.hpp"
#include "proto/uri.hpp"

namespace presmesh::node {

/// What one thing may do.
struct Allowance {
    unsigned burst = 0;
    proto::Duration interval{0};  ///< zero: whatever it likes

    /// Counts a change that goes out now. `used_up_to`: the thing's; changes.
    void take(proto::SteadyTime now, proto::SteadyTime& used_up_to) const {
        used_up_to = std::max(used_up_to, now) + interval;
    }
    /// When its next change may go out: `now`, or later.
    proto::SteadyTime next(proto::SteadyTime now, proto::SteadyTime used_up_to) const {
        return std::max(now, used_up_to - (burst - 1) * interval);
    }
};

/// The changes of presentities. Keeps something only of those that changed lately.
class Pace {
  public:
    explicit Pace(Allowance allowance) : allowance_(allowance) {}

    void set_allowance(Allowance allowance) { allowance_ = allowance; }
    /// True: it goes out, and is counted. False: held back; due() gives it when its time has come.
    bool pass(proto::SteadyTime now, const proto::PresentityUri& presentity);
    /// Those whose time has come, counted, one after the other.
    std::optional<proto::PresentityUri> due(proto::SteadyTime now);
    proto::SteadyTime next_timeout() const { return held_.next(); }

    std::size_t held() const { return held_.size(); }
    /// Changes that newer ones have overtaken while they were held back.
    std::uint64_t coalesced() const { return coalesced_; }
    std::size_t kept() const { return used_.size(); }

  private:
    void sweep(proto::SteadyTime now);

    Allowance allowance_;
    std::unordered_map<proto::PresentityUri, proto::SteadyTime> used_;  // looked up, never listed
    std::size_t sweep_at_ = 0;
    proto::TimerQueue<proto::PresentityUri> held_;
    std::uint64_t coalesced_ = 0;
};

}  // namespace presmesh::node
