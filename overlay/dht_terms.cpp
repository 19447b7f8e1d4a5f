#include "overlay/dht_terms.hpp"

#include <algorithm>
#include <chrono>

#include "overlay/dht_packet.hpp"

namespace presmesh::overlay {

using proto::BytesView;
using proto::Endpoint;

dht::InfoHash hash_of(const proto::DhtKey& key) {
    return dht::InfoHash(key.data(), key.size());
}

proto::DhtKey key_of(const dht::InfoHash& hash) {
    proto::DhtKey key;
    std::copy_n(hash.data(), key.size(), key.begin());
    return key;
}

dht::time_point to_opendht(proto::SteadyTime time) {
    return dht::time_point(std::chrono::duration_cast<dht::duration>(time.time_since_epoch()));
}

proto::SteadyTime from_opendht(dht::time_point time) {
    if (time == dht::time_point::max()) return proto::never;
    return proto::SteadyTime(std::chrono::ceil<proto::Duration>(time.time_since_epoch()));
}

dht::SockAddr address_of(const Endpoint& endpoint, std::uint8_t shard) {
    dht::SockAddr address;
    if (endpoint.is_v4()) {
        address.setFamily(AF_INET);
        std::copy(endpoint.address.begin() + 12, endpoint.address.end(),
                  reinterpret_cast<std::uint8_t*>(&address.getIPv4().sin_addr));
    } else {
        address.setFamily(AF_INET6);
        std::copy(endpoint.address.begin(), endpoint.address.end(),
                  reinterpret_cast<std::uint8_t*>(&address.getIPv6().sin6_addr));
    }
    address.setPort(static_cast<in_port_t>((endpoint.port & ~dht_shard_mask) + shard));
    return address;
}

std::pair<Endpoint, std::uint8_t> endpoint_of(const dht::SockAddr& address) {
    Endpoint endpoint;
    if (address.getFamily() == AF_INET) {
        endpoint = Endpoint::v4(ntohl(address.getIPv4().sin_addr.s_addr), 0);
    } else if (address.getFamily() == AF_INET6) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&address.getIPv6().sin6_addr);
        std::copy_n(bytes, 16, endpoint.address.begin());
    }
    endpoint.port = static_cast<std::uint16_t>(address.getPort() & ~dht_shard_mask);
    return {endpoint, static_cast<std::uint8_t>(address.getPort() & dht_shard_mask)};
}

QueueSocket::QueueSocket(Send send, bool ipv4, bool ipv6) : send_(std::move(send)), ipv4_(ipv4), ipv6_(ipv6) {
    bound4_.setFamily(AF_INET);
    bound6_.setFamily(AF_INET6);
}

int QueueSocket::sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool /*replied*/) {
    return send_(to, {data, size});
}

}  // namespace presmesh::overlay
