// How many hops a lookup took, read from the DHT's own packets as they leave and reach the node that looks up.
//
// Nobody says how far a node is: it follows from who told us of whom. A node that was asked without anybody's having
// named it in this lookup is 1 hop away (our own routing table had it); one that an answer named is 1 further than who
// answered first with its name. The hops of a lookup are those of the nearest to the key, by XOR, among all that
// answered.
#pragma once

#include <map>
#include <optional>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "sim/host.hpp"

namespace presmesh::sim {

class HopMeter {
  public:
    void begin(LookupNumber lookup, const proto::DhtKey& key) { lookups_[lookup].key = key; }
    /// Packets of plain OpenDHT; with shards, a shard's port is its own. Costs nothing while no lookup runs.
    void sent(const proto::Endpoint& to, proto::BytesView packet);
    void received(const proto::Endpoint& from, proto::BytesView packet);
    /// None: nobody answered.
    std::optional<unsigned> end(LookupNumber lookup);

  private:
    struct Nearest {
        proto::DhtKey distance{};
        unsigned hops = 0;
    };
    struct Lookup {
        proto::DhtKey key{};
        std::map<std::uint64_t, proto::Endpoint> asked;  ///< by transaction
        std::map<proto::Endpoint, unsigned> hops;        ///< of who was asked, or named by an answer
        std::optional<Nearest> nearest;
    };
    std::map<LookupNumber, Lookup> lookups_;
};

}  // namespace presmesh::sim
