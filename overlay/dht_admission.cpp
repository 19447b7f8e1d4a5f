#include "overlay/dht_admission.hpp"

#include <algorithm>
#include <iterator>

#include "overlay/dht_packet.hpp"
#include "proto/identity.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::Now;
using proto::Reason;

proto::Result<void> DhtAdmission::check(Now now, const DhtPacket& packet, const proto::PublicKey& peer_key,
                                        std::size_t shards, const LiesEmpty& lies_empty) {
    if ((packet.peer.port & dht_shard_mask) != 0 || packet.peer_shard > dht_shard_mask) {
        return proto::refuse(Reason::malformed, "dht: port");
    }
    if (packet.own_shard >= shards) return proto::refuse(Reason::not_found, "dht: shard");
    Sender& from = sender(now, peer_key);
    if (!from.rate.take(now.steady)) return proto::refuse(Reason::rate_limited, "dht");
    const auto claims = read_dht_packet(packet.bytes);
    if (!claims) return tl::make_unexpected(claims.error());
    if (from.shard != packet.peer_shard) {
        from.shard = packet.peer_shard;
        from.id = proto::kademlia_id(peer_key, packet.peer_shard);
    }
    if (claims->sender && *claims->sender != from.id) {
        return proto::refuse(Reason::wrong_kademlia_id);
    }
    if (claims->method == "listen" && !from.listens.take(now.steady)) {
        return proto::refuse(Reason::rate_limited, "dht: listen");
    }
    if (claims->key && claims->value_id && lies_empty(packet.own_shard, {*claims->key, *claims->value_id})) {
        return proto::refuse(Reason::expired, "dht: refresh");
    }
    for (const PutValue& value : claims->values) {
        if (value.type != dht_record_type) return proto::refuse(Reason::unsupported_type, "dht: put");
        if (value.data.size() > limits::record_bytes) return proto::refuse(Reason::too_large, "dht: put");
        if (!from.records.take(now.steady)) return proto::refuse(Reason::rate_limited, "dht: put");
    }
    return {};
}

/// Those who have been silent for a while are forgotten whenever there are twice as many as were left the last time.
DhtAdmission::Sender& DhtAdmission::sender(Now now, const proto::PublicKey& key) {
    if (senders_.size() >= senders_swept_at_) {
        for (auto at = senders_.begin(); at != senders_.end();) {
            Sender& one = at->second;
            const bool silent =
                one.rate.full(now.steady) && one.records.full(now.steady) && one.listens.full(now.steady);
            at = silent ? senders_.erase(at) : std::next(at);
        }
        senders_swept_at_ = std::max(senders_kept_least, 2 * senders_.size());
    }
    return senders_[key];
}

}  // namespace presmesh::overlay
