// Which packets of other nodes OpenDHT gets to see: at a port and from an id that are the sender's, not too many, and
// with nothing to store but records.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <unordered_map>

#include "overlay/dht.hpp"
#include "overlay/record_store.hpp"
#include "overlay/token_bucket.hpp"
#include "proto/bytes.hpp"
#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

class DhtAdmission {
  public:
    /// OpenDHT has a value there that counts no longer.
    using LiesEmpty = std::function<bool(std::uint8_t shard, const Place& place)>;

    /// `shards`: how many we have. malformed, not_found, rate_limited, wrong_kademlia_id, expired, unsupported_type,
    /// too_large.
    proto::Result<void> check(proto::Now now, const DhtPacket& packet, const proto::PublicKey& peer_key,
                              std::size_t shards, const LiesEmpty& lies_empty);

  private:
    /// A node that sends to us: how much, and the id that its packets must name.
    struct Sender {
        TokenBucket rate{proto::limits::dht_packets_per_second_per_peer};
        TokenBucket records{proto::limits::dht_records_per_second_per_peer};
        TokenBucket listens{proto::limits::dht_listens_per_second_per_peer, proto::limits::dht_listens_burst_per_peer};
        std::optional<std::uint8_t> shard;  ///< of `id`
        proto::DhtKey id{};
    };
    struct KeyHash {
        std::size_t operator()(const proto::PublicKey& key) const noexcept {
            std::size_t hash = 0;
            std::memcpy(&hash, key.data(), sizeof hash);  // a certified key: as good as random
            return hash;
        }
    };
    static constexpr std::size_t senders_kept_least = 16;

    Sender& sender(proto::Now now, const proto::PublicKey& key);

    std::unordered_map<proto::PublicKey, Sender, KeyHash> senders_;  ///< looked up, never listed
    std::size_t senders_swept_at_ = senders_kept_least;
};

}  // namespace presmesh::overlay
