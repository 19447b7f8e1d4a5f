// The Dht port over OpenDHT: one dht::Dht object per shard, each an ordinary Kademlia peer at a port of its own beside
// the node's real one. Everything stored or found passes RecordStore or proto::read_record; every packet must come from
// the id that its sender's certified key gives. OpenDHT 2.4's traps are met in dht_node.cpp and dht_searches.cpp, and
// nowhere else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "overlay/dht.hpp"
#include "overlay/record_store.hpp"
#include "proto/federation.hpp"

namespace presmesh::overlay {

/// How many a node with so many presentities should have: each is a peer that stores for others, so that what a
/// provider asks of the DHT and what it gives grow together (limits::presentities_per_shard).
std::uint8_t shards_for(std::size_t presentities);

struct DhtSettings {
    proto::PublicKey node_key{};
    std::shared_ptr<const proto::Federation> federation;
    std::vector<proto::Endpoint>
        own;                  ///< our addresses as others know them: our shards reach each other without the network
    std::uint8_t shards = 8;  ///< 1 to 8
    bool ipv4 = true;
    bool ipv6 = false;
    RecordQuotas quotas = {};  ///< lower ones are for tests
    proto::VerificationCachePtr verified =
        {};  ///< the overlay's, so that a record found is verified once; none: its own
};

/// Ports of addresses handed in must be multiples of 8; packets from others are counted (malformed) and dropped.
/// OpenDHT reads std::chrono's clocks itself: `now.steady` must be the time of std::chrono::steady_clock, in the daemon
/// the real one, in virtual time the one that the program puts in its place.
class DhtNode final : public Dht {
  public:
    explicit DhtNode(DhtSettings settings);
    ~DhtNode() override;

    void handle_input(proto::Now now, const DhtPacket& packet, const proto::PublicKey& peer_key) override;
    void handle_timeout(proto::Now now) override;
    proto::SteadyTime next_timeout() const override;
    std::optional<DhtPacket> poll_output() override;
    std::optional<DhtEvent> poll_event() override;
    void set_federation(proto::Now now, std::shared_ptr<const proto::Federation> federation) override;
    void bootstrap(proto::Now now, const proto::Endpoint& peer, bool rejoin = false) override;
    /// `wire` is at most limits::record_bytes. What we would refuse from others is not put, and counted.
    void put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id, proto::BytesView wire) override;
    void cancel_put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id) override;
    LookupId get(proto::Now now, const proto::DhtKey& key) override;
    void cancel_get(proto::Now now, LookupId get) override;
    LookupId listen(proto::Now now, const proto::DhtKey& key) override;
    void cancel_listen(proto::Now now, LookupId listen) override;
    DhtStatus status() const override;

    /// Packets and records refused, by reason.
    std::vector<std::pair<std::string, std::uint64_t>> counters() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::overlay
