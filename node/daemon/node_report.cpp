#include "node/daemon/node_report.hpp"

#include <nlohmann/json.hpp>

#include "proto/rfc3339.hpp"

namespace presmesh::daemon {

namespace {

using Json = nlohmann::ordered_json;

Json peer_json(const overlay::PeerStatus& peer, proto::SteadyTime now) {
    Json json = {{"domain", peer.domain},
                 {"node", proto::to_hex(peer.node)},
                 {"liveness", proto::to_string(peer.liveness)},
                 {"watches_in", peer.watches_in},
                 {"watches_out", peer.watches_out},
                 {"asking", peer.asking},
                 {"sending", peer.sending},
                 {"in_flight", peer.in_flight},
                 {"window", peer.window}};
    if (peer.endpoint) json["endpoint"] = peer.endpoint->to_string();
    if (peer.heard_at)
        json["silent_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(now - *peer.heard_at).count();
    return json;
}

Json links_json(const NodeReport& report) {
    Json json = Json::array();
    for (const auto& link : report.links) {
        Json one = {{"name", link.name}, {"state", to_string(link.state)}, {"since", to_rfc3339(link.since)}};
        if (!link.reason.empty()) one["reason"] = link.reason;
        json.push_back(std::move(one));
    }
    return json;
}

Json overlay_json(const overlay::Status& status, proto::SteadyTime now) {
    Json peers = Json::array();
    for (const auto& peer : status.peers) peers.push_back(peer_json(peer, now));
    Json counters = Json::object();
    for (const auto& [name, value] : status.counters) counters[name] = value;
    Json gauges = Json::object();
    for (const auto& [name, value] : status.gauges) gauges[name] = value;
    return {{"published", status.published},
            {"watches", status.watches},
            {"dht",
             {{"good_peers", status.dht.good_peers},
              {"searches", status.dht.searches},
              {"known_nodes", status.dht.known_nodes},
              {"stored_records", status.dht.stored_records},
              {"stored_bytes", status.dht.stored_bytes},
              {"refused_records", status.dht.refused_records}}},
            {"peers", std::move(peers)},
            {"state", std::move(gauges)},
            {"counters", std::move(counters)}};
}

Json leases_json(const NodeReport& report) {
    const auto count = leases(report);
    return {{"bound_ms", std::chrono::duration_cast<std::chrono::milliseconds>(report.overlay.crash_bound).count()},
            {"live", count.live},
            {"stale", count.stale},
            {"unknown", count.unknown}};
}

Json repair_json(const NodeReport& report) {
    const auto count = repair(report);
    return {{"asking", count.asking},
            {"sending", count.sending},
            {"records_waiting", count.records_waiting},
            {"lookups", count.lookups}};
}

Json queues_json(const NodeReport& report) {
    Json json = Json::object();
    for (const auto& fill : all_fills(report)) json[fill.name] = {{"used", fill.used}, {"bound", fill.bound}};
    return json;
}

Json refused_json(const NodeReport& report) {
    Json json = Json::object();
    for (const auto& refused : refusals(report)) json[refused.part][refused.reason] = refused.count;
    return json;
}

Json coalesced_json(const NodeReport& report) {
    Json json = Json::object();
    for (const auto& [where, count] : coalesced(report)) json[where] = count;
    return json;
}

Json service_json(const node::ServiceStatus& status) {
    return {{"presentities", status.presentities}, {"publications", status.publications},
            {"watches", status.watches},           {"watchers", status.watchers},
            {"pending", status.pending},           {"changes_held", status.changes_held},
            {"views_held", status.views_held}};
}

}  // namespace

Leases leases(const NodeReport& report) {
    Leases out;
    for (const auto& peer : report.overlay.peers) {
        if (peer.watches_out == 0) continue;
        out.live += peer.liveness == proto::Liveness::live ? 1 : 0;
        out.stale += peer.liveness == proto::Liveness::stale ? 1 : 0;
        out.unknown += peer.liveness == proto::Liveness::unknown ? 1 : 0;
    }
    return out;
}

Repair repair(const NodeReport& report) {
    Repair out;
    for (const auto& peer : report.overlay.peers) {
        out.asking += peer.asking;
        out.sending += peer.sending;
    }
    out.records_waiting = report.overlay.records_waiting;
    for (const auto& fill : report.overlay.fills)
        if (fill.name == "lookups") out.lookups = fill.used;
    return out;
}

proto::Fills all_fills(const NodeReport& report) {
    proto::Fills all;
    for (const auto* fills : {&report.service.fills, &report.overlay.fills, &report.fills})
        all.insert(all.end(), fills->begin(), fills->end());
    return all;
}

std::vector<std::pair<std::string, std::uint64_t>> coalesced(const NodeReport& report) {
    std::uint64_t in_channels = 0;
    for (const auto& [name, value] : report.overlay.counters)
        if (name == "channel_documents_coalesced") in_channels = value;
    return {{"changes", report.service.changes_coalesced},
            {"views", report.service.views_coalesced},
            {"channel_documents", in_channels}};
}

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
                       {"links", links_json(report)},
                       {"members", report.members},
                       {"federation", report.federation},
                       {"now", to_rfc3339(report.now)},
                       {"started", to_rfc3339(report.started)},
                       {"certificate_not_after", to_rfc3339(report.certificate_not_after)},
                       {"service", service_json(report.service)},
                       {"overlay", overlay_json(report.overlay, report.steady)},
                       {"leases", leases_json(report)},
                       {"repair", repair_json(report)},
                       {"queues", queues_json(report)},
                       {"refused", refused_json(report)},
                       {"coalesced", coalesced_json(report)},
                       {"counters", std::move(counters)},
                       {"http_connections", report.http_connections}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace presmesh::daemon
