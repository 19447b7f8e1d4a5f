// The other nodes of our own domain, looked for in the DHT: seldom, for each that starts looks as well and makes itself
// known to those it finds.
#pragma once

#include <optional>
#include <string>

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
    proto::SteadyTime next_timeout() const { return next_; }
    /// The domain record of a sibling, if this event brings one.
    std::optional<proto::Record> handle_event(proto::Now now, const DhtEvent& event,
                                              const proto::Federation& federation);

  private:
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
