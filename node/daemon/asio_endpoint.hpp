// Addresses between the house's form and Asio's. `Protocol` is asio::ip::tcp or udp.
#pragma once

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "proto/endpoint.hpp"

namespace presmesh::daemon {

template <typename Protocol>
typename Protocol::endpoint to_asio(const proto::Endpoint& endpoint) {
    if (!endpoint.is_v4()) return {boost::asio::ip::address_v6(endpoint.address), endpoint.port};
    boost::asio::ip::address_v4::bytes_type bytes;
    std::copy(endpoint.address.begin() + 12, endpoint.address.end(), bytes.begin());
    return {boost::asio::ip::address_v4(bytes), endpoint.port};
}

template <typename AsioEndpoint>
proto::Endpoint from_asio(const AsioEndpoint& endpoint) {
    const auto address = endpoint.address();
    if (address.is_v4()) return proto::Endpoint::v4(address.to_v4().to_uint(), endpoint.port());
    proto::Endpoint out;
    out.address = address.to_v6().to_bytes();
    out.port = endpoint.port();
    return out;
}

}  // namespace presmesh::daemon
