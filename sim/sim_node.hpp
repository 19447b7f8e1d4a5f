// node::Node, the daemon's, over real OpenDHT, with a store in memory: a presmesh node at an address of the world. Its
// users publish and watch through the presence service, as HTTP's do.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "node/diagnostics.hpp"
#include "node/node.hpp"
#include "node/store.hpp"
#include "overlay/dht_node.hpp"
#include "sim/attack.hpp"
#include "sim/dice.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

/// What a publishing client remembers of its publication (RFC 3903), by presentity.
using EntityTags = std::map<proto::PresentityUri, std::string>;

/// The federation of a scenario, its nodes' keys and certificates, and their disks.
class SimNodes final : public HostMaker {
  public:
    /// `attack` may be null, and outlives this.
    SimNodes(const Scenario& scenario, std::uint64_t seed, Attack* attack);
    ~SimNodes() override;

    std::unique_ptr<Host> make(proto::Now now, const HostSetup& setup) override;
    void gone(NodeIndex node, bool crash, bool keeps_disk) override;
    const proto::Federation& federation() const { return *federation_; }
    const proto::SigningKey& domain_key(std::uint32_t provider) const { return domain_keys_[provider]; }

  private:
    struct Identity {
        proto::SigningKey key;
        proto::Certificate certificate;
    };
    const Identity& identity(NodeIndex node);

    const Scenario& scenario_;
    std::uint64_t seed_;
    Attack* attack_;
    std::vector<proto::SigningKey> domain_keys_;
    overlay::FederationPtr federation_;
    std::vector<std::unique_ptr<Identity>> identities_;
    std::vector<std::unique_ptr<node::MemoryStore>> disks_;
    std::vector<EntityTags> tags_;  ///< of the users at each node: their clients outlive it
    node::NoDiagnostics diagnostics_;
};

}  // namespace presmesh::sim
