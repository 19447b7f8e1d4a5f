// Attackers. Members among them run ordinary nodes whose door to the DHT lies to them or to others (wrap); all of them
// may send what they like from an address of their own, and see what passes their own node.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "overlay/dht.hpp"
#include "proto/endpoint.hpp"
#include "proto/identity.hpp"
#include "proto/time.hpp"
#include "sim/forger.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

/// What an attack may do to the world. Calls are allowed from within all of Attack's functions.
class AttackField {
  public:
    virtual ~AttackField() = default;
    virtual proto::Duration elapsed() const = 0;
    virtual std::uint32_t nodes() const = 0;
    virtual bool online(NodeIndex node) const = 0;
    virtual proto::Endpoint endpoint_of(NodeIndex node) const = 0;
    /// Puts a datagram on the wire with this sender's address on it; a stranger's address may be any outside 10/8.
    virtual void inject(const proto::Endpoint& from, const proto::Endpoint& to, proto::Bytes bytes) = 0;
};

class Attack {
  public:
    virtual ~Attack() = default;
    virtual bool attacks(NodeIndex node) const = 0;
    /// The node key of a node, before any is made; lets a sybil choose. Null: the world's own choice.
    virtual std::unique_ptr<proto::SigningKey> node_key(NodeIndex /*node*/) { return nullptr; }
    /// Stands between an attacker's overlay and its DHT. Only asked for nodes that attack.
    virtual std::unique_ptr<overlay::Dht> wrap(const Insider& self, std::unique_ptr<overlay::Dht> dht) = 0;
    /// Whether a record that an attacker made is among these bytes.
    virtual bool forged(proto::BytesView bytes) const = 0;
    /// Every datagram that arrives at, or leaves, an attacker. False: it is lost.
    virtual bool on_datagram(AttackField& field, NodeIndex attacker, bool leaves, const proto::Endpoint& other,
                             const proto::Bytes& bytes) = 0;
    /// Called at `next()`; proto::Duration::max(): never.
    virtual void handle_timeout(AttackField& field) = 0;
    virtual proto::Duration next() const = 0;
    virtual std::uint64_t attackers() const = 0;
    virtual std::uint64_t datagrams() const = 0;  ///< sent by the attack itself; of rollback: old records put again; of
                                                  ///< forge: forged records
    virtual std::uint64_t dropped() const = 0;    ///< records acknowledged and not kept
};

/// Null when the scenario has none.
std::unique_ptr<Attack> make_attack(const Scenario& scenario, std::uint64_t seed);

}  // namespace presmesh::sim
