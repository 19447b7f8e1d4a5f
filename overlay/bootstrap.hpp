// The addresses to knock at first: each is tried, and tried again at a slowing pace, until somebody answers there; then
// now and then, for a node that lost all it knew, and a DHT that a partition cut in two, find no other way back. Where
// none answers (their names may not resolve, who is listed may be gone), those known from the last run are tried too.
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
        for (const auto& endpoint : endpoints_)
            if (!contacts_.contains(endpoint)) drop(endpoint);
        if (endpoints.size() > proto::limits::bootstrap_endpoints) endpoints.resize(proto::limits::bootstrap_endpoints);
        endpoints_ = {endpoints.begin(), endpoints.end()};
        for (const auto& endpoint : endpoints) timers_.set(endpoint, now.steady);
    }
    /// Tried only until joined(), and not at once.
    void set_contacts(proto::Now now, const std::vector<proto::Endpoint>& contacts) {
        for (const auto& contact : contacts) {
            if (contacts_.size() >= proto::limits::contacts) break;
            if (!contacts_.insert(contact).second || endpoints_.contains(contact)) continue;
            timers_.set(contact, now.steady + random_.jitter(proto::limits::contacts_after, 0.3));
        }
    }
    /// There is a session with a node that leads to the others.
    void joined() {
        for (const auto& contact : contacts_)
            if (!endpoints_.contains(contact)) drop(contact);
        contacts_.clear();
    }

    /// Was it one of the addresses of set()?
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
    void drop(const proto::Endpoint& endpoint) {
        timers_.erase(endpoint);
        pauses_.erase(endpoint);
    }

    proto::Random& random_;
    proto::TimerQueue<proto::Endpoint> timers_;
    std::set<proto::Endpoint> endpoints_;
    std::set<proto::Endpoint> contacts_;
    std::map<proto::Endpoint, proto::Duration> pauses_;
};

}  // namespace presmesh::overlay
