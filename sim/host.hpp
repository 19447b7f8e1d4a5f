// What stands at an address of the world: a whole node (sim_node), or plain OpenDHT (engine mode). The world drives the
// verbs, the workload is its users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/presence.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

using WatchNumber = std::uint32_t;   ///< the workload's
using LookupNumber = std::uint32_t;  ///< the world's

enum class Shown : std::uint8_t { live, stale, unknown };

/// Where hosts tell what their users see. Told within a turn; calls nothing back.
class Audience {
  public:
    virtual ~Audience() = default;
    /// `document` null: nothing is known, or there is none.
    virtual void seen(WatchNumber watch, Shown shown, const proto::DocumentPtr& document) = 0;
    /// A record or value was found (once, the first), then done.
    virtual void lookup_found(LookupNumber lookup) = 0;
    /// `hops`: see hop_meter.hpp; none when nobody answered.
    virtual void lookup_done(LookupNumber lookup, std::optional<unsigned> hops) = 0;
    /// A record that an attacker made was taken for a good one by an honest node's DHT: found for its overlay, or kept
    /// and handed on to others.
    virtual void forgery_taken(NodeIndex /*node*/, bool /*found*/) {}
};

/// What a host is made of.
struct HostSetup {
    NodeIndex index = 0;
    proto::Endpoint endpoint;
    proto::Random* random = nullptr;  ///< the node's own dice; outlives the host
    Audience* audience = nullptr;
    const Scenario* scenario = nullptr;
};

class Host {
  public:
    virtual ~Host() = default;

    // ---- the verbs; the world calls end_turn() after each group of calls, then poll_output() until none
    virtual void start(proto::Now now, const std::vector<proto::Endpoint>& bootstrap) = 0;
    virtual void stop(proto::Now now) = 0;  ///< politely; output is still fetched, then the host is destroyed
    virtual void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes) = 0;
    virtual void handle_timeout(proto::Now now) = 0;
    virtual proto::SteadyTime next_timeout() const = 0;
    virtual void end_turn(proto::Now now) = 0;
    /// Each says by Datagram::traffic what it is for; `content` is what datagrams_per_change counts.
    virtual std::optional<proto::Datagram> poll_output() = 0;

    // ---- its users
    /// The presentity's whole state from now on, until the host is gone.
    virtual void publish(proto::Now now, const proto::PresentityUri& presentity,
                         const proto::DocumentPtr& document) = 0;
    virtual void watch(proto::Now now, WatchNumber watch, const proto::PresentityUri& watcher,
                       const proto::PresentityUri& presentity) = 0;
    virtual void unwatch(proto::Now now, WatchNumber watch) = 0;
    /// Asks the DHT alone for the presentity's records.
    virtual void look_up(proto::Now now, LookupNumber lookup, const proto::PresentityUri& presentity) = 0;

    virtual std::uint64_t refused() const { return 0; }  ///< datagrams and records, so far
};

}  // namespace presmesh::sim
