// What an OpenDHT packet claims, read before OpenDHT sees it: who sends it, and what it wants stored. Strict and
// bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/result.hpp"

namespace presmesh::overlay {

/// OpenDHT's type of the values that hold a record. Travels: never change it.
inline constexpr std::uint16_t dht_record_type = 112;
/// Of a port of OpenDHT's: the shard. The rest is the node's.
inline constexpr std::uint16_t dht_shard_mask = 7;

/// A value as it stands in a put.
struct PutValue {
    std::uint64_t id = 0;
    std::uint64_t type = 0;
    proto::BytesView data;
    bool operator==(const PutValue& other) const;
};

/// Views point into the packet.
struct DhtClaims {
    std::string_view message;               ///< "y": q request, r reply, e error, p part of a large value
    std::string_view method;                ///< "q"; empty but for requests
    std::optional<proto::DhtKey> sender;    ///< none in a part, and in some errors
    std::vector<PutValue> values;           ///< of a put
    std::optional<proto::DhtKey> key;       ///< "h"; what a refresh is about,
    std::optional<std::uint64_t> value_id;  ///< "vid"; and which value there
};

/// malformed: not what OpenDHT writes (a map with each key once; requests and replies name one sender; a refresh one
/// value). too_large. unsupported_type: a put of anything but plain, whole values.
proto::Result<DhtClaims> read_dht_packet(proto::BytesView bytes);

}  // namespace presmesh::overlay
