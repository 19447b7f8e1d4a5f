// A door to the DHT that passes everything on. What stands behind it derives from it, and changes what it needs to.
#pragma once

#include <memory>
#include <utility>

#include "overlay/dht.hpp"

namespace presmesh::sim {

class PassingDht : public overlay::Dht {
  public:
    explicit PassingDht(std::unique_ptr<overlay::Dht> dht) : dht_(std::move(dht)) {}

    void handle_input(proto::Now now, const overlay::DhtPacket& packet, const proto::PublicKey& peer_key) override {
        dht_->handle_input(now, packet, peer_key);
    }
    void handle_timeout(proto::Now now) override { dht_->handle_timeout(now); }
    proto::SteadyTime next_timeout() const override { return dht_->next_timeout(); }
    std::optional<overlay::DhtPacket> poll_output() override { return dht_->poll_output(); }
    std::optional<overlay::DhtEvent> poll_event() override { return dht_->poll_event(); }
    void set_federation(proto::Now now, std::shared_ptr<const proto::Federation> federation) override {
        dht_->set_federation(now, std::move(federation));
    }
    void bootstrap(proto::Now now, const proto::Endpoint& peer, bool rejoin) override {
        dht_->bootstrap(now, peer, rejoin);
    }
    void put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id, proto::BytesView wire) override {
        dht_->put(now, key, value_id, wire);
    }
    void cancel_put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id) override {
        dht_->cancel_put(now, key, value_id);
    }
    overlay::LookupId get(proto::Now now, const proto::DhtKey& key) override { return dht_->get(now, key); }
    void cancel_get(proto::Now now, overlay::LookupId get) override { dht_->cancel_get(now, get); }
    overlay::LookupId listen(proto::Now now, const proto::DhtKey& key) override { return dht_->listen(now, key); }
    void cancel_listen(proto::Now now, overlay::LookupId listen) override { dht_->cancel_listen(now, listen); }
    overlay::DhtStatus status() const override { return dht_->status(); }

  protected:
    const std::unique_ptr<overlay::Dht> dht_;
};

}  // namespace presmesh::sim
