// The port to a Kademlia DHT. overlay/dht_node.* puts OpenDHT behind it; overlay/dht_fake.hpp is the stand-in for
// tests. Same five verbs as everything else here. Records only: every value is the wire form of a proto::Record.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/federation.hpp"
#include "proto/fill.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

using LookupId = std::uint64_t;

/// A DHT packet between shards; `shard` numbers are 0..7 at either end.
struct DhtPacket {
    proto::Endpoint peer;  ///< the node's real address (its shards share it)
    std::uint8_t own_shard = 0;
    std::uint8_t peer_shard = 0;
    proto::Bytes bytes;
};

struct RecordFound {
    LookupId lookup;
    proto::Bytes wire;
};
struct LookupDone {
    LookupId lookup;
    bool ok;  ///< false: no node of the network answered
};
/// Only for listens: the DHT says a record went away (ran out, or was withdrawn).
struct RecordGone {
    LookupId lookup;
    std::uint64_t value_id;
};
using DhtEvent = std::variant<RecordFound, LookupDone, RecordGone>;

struct DhtStatus {
    std::size_t good_peers = 0;   ///< in the routing tables of all shards
    std::size_t searches = 0;     ///< that OpenDHT remembers: under way, or ended lately
    std::size_t known_nodes = 0;  ///< that OpenDHT has a place for: of its routing tables and searches, and left over
    std::size_t stored_records = 0;  ///< that we hold because we are near their keys, or on their way out
    std::size_t stored_bytes = 0;
    std::size_t refused_records = 0;
    std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< what was refused or dropped, and why: name, value
    proto::Fills fills;
};

class Dht {
  public:
    virtual ~Dht() = default;

    virtual void handle_input(proto::Now now, const DhtPacket& packet, const proto::PublicKey& peer_key) = 0;
    virtual void handle_timeout(proto::Now now) = 0;
    virtual proto::SteadyTime next_timeout() const = 0;
    virtual std::optional<DhtPacket> poll_output() = 0;
    virtual std::optional<DhtEvent> poll_event() = 0;

    /// The file was read again: records of members that are no longer admitted are dropped now, and refused. A stand-in
    /// that checks nothing has nothing to do.
    virtual void set_federation(proto::Now /*now*/, std::shared_ptr<const proto::Federation> /*federation*/) {}
    /// Make a node known, so that the shards can join through it. Those that have joined ask it only where `rejoin`
    /// says that it may lead to a part of the network they have lost.
    virtual void bootstrap(proto::Now now, const proto::Endpoint& peer, bool rejoin = false) = 0;
    /// Store or replace; tried again while nobody takes it, as before the node has joined. The put's acknowledgement
    /// proves nothing (ENGINE_FACTS), so there is none: read back to know.
    virtual void put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id, proto::BytesView wire) = 0;
    /// Stop keeping our own record alive; holders drop it when it runs out.
    virtual void cancel_put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id) = 0;
    /// RecordFound for each, then LookupDone.
    virtual LookupId get(proto::Now now, const proto::DhtKey& key) = 0;
    /// Enough was found: nobody is asked any more, and no event of this get follows.
    virtual void cancel_get(proto::Now now, LookupId get) = 0;
    /// RecordFound for each there is and each *new source*; edits of a known value id are not told (ENGINE_FACTS 1.1).
    virtual LookupId listen(proto::Now now, const proto::DhtKey& key) = 0;
    virtual void cancel_listen(proto::Now now, LookupId listen) = 0;
    virtual DhtStatus status() const = 0;
};

}  // namespace presmesh::overlay
