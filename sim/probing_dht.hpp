// A door to the DHT with a side entrance: look-ups made for measuring, whose answers the overlay never sees. And with a
// watchman, at honest nodes: no record that an attacker made may pass, in what was found nor in what is sent.
#pragma once

#include <map>
#include <memory>

#include "sim/attack.hpp"
#include "sim/hop_meter.hpp"
#include "sim/host.hpp"
#include "sim/passing_dht.hpp"

namespace presmesh::sim {

class ProbingDht final : public PassingDht {
  public:
    /// `attack`: whose records may not pass; null where there is none, or the node is one of its own.
    ProbingDht(std::unique_ptr<overlay::Dht> dht, NodeIndex node, Audience& audience, const Attack* attack)
        : PassingDht(std::move(dht)), node_(node), audience_(audience), attack_(attack) {}

    void probe(proto::Now now, LookupNumber number, const proto::DhtKey& key) {
        hops_.begin(number, key);
        probes_[dht_->get(now, key)] = {number, false};
    }

    void handle_input(proto::Now now, const overlay::DhtPacket& packet, const proto::PublicKey& key) override {
        hops_.received(shard_of(packet), packet.bytes);
        dht_->handle_input(now, packet, key);
    }
    std::optional<overlay::DhtPacket> poll_output() override {
        auto packet = dht_->poll_output();
        if (!packet) return packet;
        hops_.sent(shard_of(*packet), packet->bytes);
        if (attack_ != nullptr && attack_->forged(packet->bytes)) audience_.forgery_taken(node_, false);
        return packet;
    }
    std::optional<overlay::DhtEvent> poll_event() override {
        while (auto event = dht_->poll_event()) {
            judge(*event);
            if (probes_.empty() || !take(*event)) return event;
        }
        return std::nullopt;
    }

  private:
    struct Probe {
        LookupNumber number = 0;
        bool found = false;
    };
    void judge(const overlay::DhtEvent& event) {
        const auto* found = std::get_if<overlay::RecordFound>(&event);
        if (found != nullptr && attack_ != nullptr && attack_->forged(found->wire))
            audience_.forgery_taken(node_, true);
    }
    /// True when the event was a probe's.
    bool take(const overlay::DhtEvent& event) {
        const auto* found = std::get_if<overlay::RecordFound>(&event);
        const auto* done = std::get_if<overlay::LookupDone>(&event);
        if (found == nullptr && done == nullptr) return false;
        const auto probe = probes_.find(found != nullptr ? found->lookup : done->lookup);
        if (probe == probes_.end()) return false;
        if (found != nullptr && !std::exchange(probe->second.found, true)) audience_.lookup_found(probe->second.number);
        if (done != nullptr) {
            audience_.lookup_done(probe->second.number, hops_.end(probe->second.number));
            probes_.erase(probe);
        }
        return true;
    }

    /// The peer as OpenDHT knows it: each shard has a port.
    static proto::Endpoint shard_of(const overlay::DhtPacket& packet) {
        auto peer = packet.peer;
        peer.port = static_cast<std::uint16_t>(peer.port + packet.peer_shard);
        return peer;
    }

    HopMeter hops_;
    NodeIndex node_;
    Audience& audience_;
    const Attack* attack_;
    std::map<overlay::LookupId, Probe> probes_;
};

}  // namespace presmesh::sim
