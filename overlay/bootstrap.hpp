// The addresses to knock at first: each is tried, and tried again at a slowing pace, until somebody answers there.
#pragma once

#include <map>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/limits.hpp"
#include "proto/random.hpp"
#include "proto/timer_queue.hpp"

namespace presmesh::overlay {

class Bootstrap {
  public:
    explicit Bootstrap(proto::Random& random) : random_(random) {}

    void set(proto::Now now, std::vector<proto::Endpoint> endpoints) {
        timers_ = {};
        pauses_.clear();
        if (endpoints.size() > proto::limits::bootstrap_endpoints) endpoints.resize(proto::limits::bootstrap_endpoints);
        for (const auto& endpoint : endpoints) timers_.set(endpoint, now.steady);
    }
    void answered(const proto::Endpoint& endpoint) { timers_.erase(endpoint); }

    /// Those to try now.
    std::vector<proto::Endpoint> due(proto::Now now) {
        std::vector<proto::Endpoint> out;
        while (auto endpoint = timers_.pop(now.steady)) {
            auto& pause = pauses_.try_emplace(*endpoint, proto::limits::dial_first).first->second;
            pause = std::min<proto::Duration>(pause * 2, proto::limits::bootstrap_again_most);
            timers_.set(*endpoint, now.steady + random_.jitter(pause, 0.3));
            out.push_back(*endpoint);
        }
        return out;
    }
    proto::SteadyTime next_timeout() const { return timers_.next(); }

  private:
    proto::Random& random_;
    proto::TimerQueue<proto::Endpoint> timers_;
    std::map<proto::Endpoint, proto::Duration> pauses_;
};

}  // namespace presmesh::overlay
