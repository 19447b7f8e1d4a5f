// How things are called in a world, so that churn, workload, attack and both modes mean the same.
#pragma once

#include <string>

#include "proto/endpoint.hpp"
#include "proto/uri.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

inline std::uint32_t provider_of(const Scenario& scenario, NodeIndex node) {
    return node / scenario.nodes_per_provider;
}
inline std::string domain_of(std::uint32_t provider) {
    return "p" + std::to_string(provider) + ".example";
}
/// 10.0.0.1:4000 and on.
inline proto::Endpoint endpoint_of(NodeIndex node) {
    return proto::Endpoint::v4(0x0a000001 + node, 4000);
}
inline NodeIndex node_at(const proto::Endpoint& endpoint) {
    const auto& a = endpoint.address;
    return (std::uint32_t{a[12]} << 24 | std::uint32_t{a[13]} << 16 | std::uint32_t{a[14]} << 8 | a[15]) - 0x0a000001;
}
/// Presentities are dealt out to the nodes in a fixed, mixed order, whatever the seed.
inline NodeIndex home_of(const Scenario& scenario, std::uint32_t presentity) {
    return static_cast<NodeIndex>((std::uint64_t{presentity} * 2'654'435'761u) % scenario.nodes);
}
proto::PresentityUri presentity_uri(const Scenario& scenario, std::uint32_t presentity);

}  // namespace presmesh::sim
