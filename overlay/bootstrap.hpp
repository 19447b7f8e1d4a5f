// The addresses to knock at first: each is tried, and tried again at a slowing pace, until somebody answers there; then
// now and then, for a node that lost all it knew, and a DHT that a partition cut in two, find no other way back.
#pragma once

#include <map>
#include <set>
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
        endpoints_ = {endpoints.begin(), endpoints.end()};
        for (const auto& endpoint : endpoints) timers_.set(endpoint, now.steady);
    }
    /// Was it one of these?
    bool answered(proto::Now now, const proto::Endpoint& endpoint) {
        if (!endpoints_.contains(endpoint)) return false;
        pauses_.erase(endpoint);
        timers_.set(endpoint, now.steady + random_.jitter(proto::limits::bootstrap_refresh, 0.3));
        return true;
    }

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
    std::set<proto::Endpoint> endpoints_;
    std::map<proto::Endpoint, proto::Duration> pauses_;
};

}  // namespace presmesh::overlay
