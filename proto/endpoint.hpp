// An address of a UDP socket, and a datagram to or from it. IPv4 is held as IPv4-mapped IPv6.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "proto/bytes.hpp"
#include "proto/result.hpp"

namespace presmesh::proto {

struct Endpoint {
    std::array<std::uint8_t, 16> address{};
    std::uint16_t port = 0;

    auto operator<=>(const Endpoint&) const = default;
    bool is_v4() const;
    static Endpoint v4(std::uint32_t address_host_order, std::uint16_t port);
    /// Reads "192.0.2.1:4000" and "[2001:db8::1]:4000"; names are not resolved here.
    static Result<Endpoint> parse(std::string_view text);
    std::string to_string() const;
};

/// What a datagram is for, as its sender counts it; never on the wire.
enum class Traffic : std::uint8_t {
    handshake = 0,  ///< sessions are made, or asked after
    dht = 1,
    channel = 2,  ///< leases, watches, queries, and acknowledgements of those
    content = 3   ///< documents on the channel, and their acknowledgements
};

struct Datagram {
    Endpoint to;
    Bytes bytes;
    Traffic traffic = Traffic::handshake;
};

}  // namespace presmesh::proto

template <>
struct std::hash<presmesh::proto::Endpoint> {
    std::size_t operator()(const presmesh::proto::Endpoint& e) const noexcept;
};
