// The other nodes of our own domain, looked for in the DHT: seldom, for each that starts looks as well and makes itself
// known to those it finds. Who begins to watch at one of them is told of the others.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "overlay/dht.hpp"
#include "proto/random.hpp"
#include "proto/record.hpp"
#include "proto/verification_cache.hpp"

namespace presmesh::overlay {

class Siblings {
  public:
    Siblings(Dht& dht, proto::Random& random, std::string domain, proto::NodeId self,
             proto::VerificationCachePtr verified)
        : dht_(dht), random_(random), domain_(std::move(domain)), self_(self), verified_(std::move(verified)) {}

    /// Are there any to be looked for?
    void seek(proto::Now now, bool wanted);
    /// Somebody can be asked.
    void go_online(proto::Now now);
    void handle_timeout(proto::Now now, const proto::Federation& federation);
    proto::SteadyTime next_timeout() const { return std::min(next_, dial_at_); }
    /// The domain record of a sibling, if this event brings one.
    std::optional<proto::Record> handle_event(proto::Now now, const DhtEvent& event,
                                              const proto::Federation& federation);
    /// It was found, and has no session yet: should it be out of reach just now, it is dialed again and again while
    /// that record lasts.
    void miss(proto::Now now, const proto::Record& record);
    void met(const proto::NodeId& node) { absent_.erase(node); }
    /// Where those that are missed are to be dialed now.
    std::vector<proto::Endpoint> due(proto::Now now);
    /// One told of itself. Of each the newest record is kept (limits::peers_per_domain). False: this is no newer.
    bool take(proto::Now now, const proto::Record& record);
    void forget(const proto::NodeId& node) {
        known_.erase(node);
        absent_.erase(node);
    }
    /// The records of those that told of themselves last, but for this one's: with us, as many as a watcher asks
    /// (limits::nodes_asked_per_domain) and one more, so that it knows where there are others.
    std::vector<proto::Bytes> introductions(proto::Now now, const proto::NodeId& except) const;

  private:
    struct Known {
        proto::Sequence sequence;
        proto::WallTime issued{};
        proto::WallTime expires{};
        proto::Bytes wire;
    };
    struct Absent {
        proto::WallTime expires{};
        std::vector<proto::Endpoint> endpoints;
    };
    std::map<proto::NodeId, Known> known_;
    std::map<proto::NodeId, Absent> absent_;
    proto::SteadyTime dial_at_ = proto::never;
    Dht& dht_;
    proto::Random& random_;
    std::string domain_;
    proto::NodeId self_;
    proto::VerificationCachePtr verified_;
    bool wanted_ = false;
    bool online_ = false;
    std::optional<LookupId> lookup_;
    proto::DhtKey key_{};
    proto::SteadyTime next_ = proto::never;
};

}  // namespace presmesh::overlay
