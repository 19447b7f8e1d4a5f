// Our values in OpenDHT's terms, and back: keys, times, addresses; and the socket that OpenDHT is given. For dht_node
// alone.
#pragma once

#include <opendht/dht.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

dht::InfoHash hash_of(const proto::DhtKey& key);
proto::DhtKey key_of(const dht::InfoHash& hash);

dht::time_point to_opendht(proto::SteadyTime time);
/// Rounded up: a wake-up too early would do nothing and come again.
proto::SteadyTime from_opendht(dht::time_point time);

/// A shard stands at the node's port and its own number; so does the peer's in what endpoint_of() gives.
dht::SockAddr address_of(const proto::Endpoint& endpoint, std::uint8_t shard);
std::pair<proto::Endpoint, std::uint8_t> endpoint_of(const dht::SockAddr& address);

/// OpenDHT's socket: what it sends goes to whoever made the socket.
class QueueSocket final : public dht::net::DatagramSocket {
  public:
    /// 0, or what errno says.
    using Send = std::function<int(const dht::SockAddr& to, proto::BytesView bytes)>;
    QueueSocket(Send send, bool ipv4, bool ipv6);
    int sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool replied) override;
    bool hasIPv4() const override { return ipv4_; }
    bool hasIPv6() const override { return ipv6_; }
    const dht::SockAddr& getBoundRef(sa_family_t family) const override {
        return family == AF_INET6 ? bound6_ : bound4_;
    }
    void stop() override {}

  private:
    Send send_;
    bool ipv4_;
    bool ipv6_;
    dht::SockAddr bound4_;
    dht::SockAddr bound6_;
};

}  // namespace presmesh::overlay
