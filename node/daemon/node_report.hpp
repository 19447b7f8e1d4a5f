// What /v1/node, /metrics and `presmesh status` tell about a running node.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "node/presence_service.hpp"
#include "overlay/overlay.hpp"
#include "proto/bytes.hpp"
#include "proto/fill.hpp"
#include "proto/time.hpp"
#include "translators/link_status.hpp"

namespace presmesh::daemon {

using Counters = std::map<std::pair<std::string, std::string>, std::uint64_t>;  ///< (name, label) -> count

struct NodeReport {
    std::string version;
    std::string domain;
    proto::NodeId id{};
    std::uint64_t epoch = 0;
    std::vector<proto::Endpoint> advertised;
    std::vector<std::string> translators;
    std::vector<translators::LinkStatus> links;  ///< to attached servers
    std::size_t members = 0;
    std::string federation;  ///< the digest of the file in use
    proto::WallTime now{};
    proto::SteadyTime steady{};  ///< of the same moment
    proto::WallTime started{};
    proto::WallTime certificate_not_after{};
    overlay::Status overlay;
    node::ServiceStatus service;
    Counters counters;
    proto::Fills fills;  ///< of the daemon; overlay and service have their own
    std::size_t http_connections = 0;
};

/// What was turned away, or not passed on, and why.
struct Refused {
    std::string part;    ///< of the node: "transport", "dht", "channel", "service_publish", ...
    std::string reason;  ///< a proto::Reason's name, or a word of that part
    std::uint64_t count = 0;
    auto operator<=>(const Refused&) const = default;
};
/// Those that happened; sorted.
std::vector<Refused> refusals(const NodeReport& report);
/// Newer states that took the place of older ones before these were sent, by where; all of them.
std::vector<std::pair<std::string, std::uint64_t>> coalesced(const NodeReport& report);
/// Every bounded place of the node.
proto::Fills all_fills(const NodeReport& report);
struct Leases {
    std::size_t live = 0, stale = 0, unknown = 0;
};
/// Of the nodes that we follow.
Leases leases(const NodeReport& report);
struct Repair {
    std::size_t asking = 0;           ///< watches sent to their nodes, to compare digests
    std::size_t sending = 0;          ///< documents on their way
    std::size_t records_waiting = 0;  ///< for their turn to be written to the DHT
    std::size_t lookups = 0;          ///< under way
};
Repair repair(const NodeReport& report);

std::string report_to_json(const NodeReport& report);
/// Prometheus text format 0.0.4.
std::string report_to_prometheus(const NodeReport& report);

}  // namespace presmesh::daemon
