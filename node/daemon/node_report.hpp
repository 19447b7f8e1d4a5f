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
#include "proto/time.hpp"

namespace presmesh::daemon {

using Counters = std::map<std::pair<std::string, std::string>, std::uint64_t>;  ///< (name, label) -> count

struct NodeReport {
    std::string version;
    std::string domain;
    proto::NodeId id{};
    std::uint64_t epoch = 0;
    std::vector<proto::Endpoint> advertised;
    std::vector<std::string> translators;
    std::size_t members = 0;
    proto::WallTime now{};
    proto::WallTime started{};
    proto::WallTime certificate_not_after{};
    overlay::Status overlay;
    node::ServiceStatus service;
    Counters counters;
    std::size_t http_connections = 0;
};

std::string report_to_json(const NodeReport& report);
/// Prometheus text format 0.0.4.
std::string report_to_prometheus(const NodeReport& report);

}  // namespace presmesh::daemon
