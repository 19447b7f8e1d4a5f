#include "node/daemon/node_report.hpp"

#include <nlohmann/json.hpp>

#include "proto/rfc3339.hpp"

namespace presmesh::daemon {

namespace {

using Json = nlohmann::ordered_json;

Json peer_json(const overlay::PeerStatus& peer) {
    return {{"domain", peer.domain},
            {"node", proto::to_hex(peer.node)},
            {"endpoint", peer.endpoint.to_string()},
            {"liveness", proto::to_string(peer.liveness)},
            {"watches_in", peer.watches_in},
            {"watches_out", peer.watches_out}};
}

Json overlay_json(const overlay::Status& status) {
    Json peers = Json::array();
    for (const auto& peer : status.peers) peers.push_back(peer_json(peer));
    Json counters = Json::object();
    for (const auto& [name, value] : status.counters) counters[name] = value;
    return {{"published", status.published},
            {"watches", status.watches},
            {"dht",
             {{"good_peers", status.dht.good_peers},
              {"stored_records", status.dht.stored_records},
              {"stored_bytes", status.dht.stored_bytes},
              {"refused_records", status.dht.refused_records}}},
            {"peers", std::move(peers)},
            {"counters", std::move(counters)}};
}

Json service_json(const node::ServiceStatus& status) {
    return {{"presentities", status.presentities},
            {"publications", status.publications},
            {"watches", status.watches},
            {"watchers", status.watchers},
            {"pending", status.pending}};
}

}  // namespace

std::string report_to_json(const NodeReport& report) {
    Json advertised = Json::array();
    for (const auto& endpoint : report.advertised) advertised.push_back(endpoint.to_string());
    Json counters = Json::object();
    for (const auto& [at, value] : report.counters)
        counters[at.first + (at.second.empty() ? "" : "." + at.second)] = value;
    const Json json = {{"version", report.version},
                       {"domain", report.domain},
                       {"node", proto::to_hex(report.id)},
                       {"epoch", report.epoch},
                       {"advertised", std::move(advertised)},
                       {"translators", report.translators},
                       {"members", report.members},
                       {"now", to_rfc3339(report.now)},
                       {"started", to_rfc3339(report.started)},
                       {"certificate_not_after", to_rfc3339(report.certificate_not_after)},
                       {"service", service_json(report.service)},
                       {"overlay", overlay_json(report.overlay)},
                       {"counters", std::move(counters)},
                       {"http_connections", report.http_connections}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace presmesh::daemon
