#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "node/daemon/node_report.hpp"

namespace presmesh::daemon {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string metric_name(std::string_view name, std::string_view suffix) {
    std::string out = "presmesh_" + std::string(name) + std::string(suffix);
    for (auto& c : out) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') c = '_';
    }
    return out;
}

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

/// Labels without a value are left out.
ClientMetric labelled(const Labels& labels) {
    ClientMetric metric;
    for (const auto& [label, value] : labels)
        if (!value.empty()) metric.label.push_back({std::string(label), std::string(value)});
    return metric;
}

class Families {
  public:
    void gauge(std::string_view name, std::string_view help, double value, const Labels& labels = {}) {
        auto metric = labelled(labels);
        metric.gauge.value = value;
        family(metric_name(name, ""), help, MetricType::Gauge).metric.push_back(std::move(metric));
    }
    void counter(std::string_view name, std::string_view help, double value, const Labels& labels = {}) {
        auto metric = labelled(labels);
        metric.counter.value = value;
        family(metric_name(name, "_total"), help, MetricType::Counter).metric.push_back(std::move(metric));
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

  private:
    MetricFamily& family(const std::string& name, std::string_view help, MetricType type) {
        const auto found =
            std::find_if(families_.begin(), families_.end(), [&](const auto& f) { return f.name == name; });
        if (found != families_.end()) return *found;
        MetricFamily fresh;
        fresh.name = name;
        fresh.help = std::string(help);
        fresh.type = type;
        families_.push_back(std::move(fresh));
        return families_.back();
    }
    std::vector<MetricFamily> families_;
};

void add_overlay(Families& out, const overlay::Status& status) {
    out.gauge("overlay_published", "Presentities this node is a source of", static_cast<double>(status.published));
    out.gauge("overlay_watches", "Watches this node holds in the overlay", static_cast<double>(status.watches));
    out.gauge("dht_good_peers", "Peers in the routing tables of all shards",
              static_cast<double>(status.dht.good_peers));
    out.gauge("dht_searches", "Searches that the DHT library remembers", static_cast<double>(status.dht.searches));
    out.gauge("dht_known_nodes", "Nodes that the DHT library remembers", static_cast<double>(status.dht.known_nodes));
    out.gauge("dht_stored_records", "Records held for others", static_cast<double>(status.dht.stored_records));
    out.gauge("dht_stored_bytes", "Their bytes", static_cast<double>(status.dht.stored_bytes));
    out.counter("dht_refused_records", "Records refused by the store policy",
                static_cast<double>(status.dht.refused_records));
    std::map<std::string_view, int> peers = {{"live", 0}, {"stale", 0}, {"unknown", 0}};
    for (const auto& peer : status.peers) ++peers[proto::to_string(peer.liveness)];
    for (const auto& [liveness, count] : peers)
        out.gauge("overlay_peers", "Nodes with a session, and followed or following ones without, by liveness", count,
                  {{"liveness", liveness}});
    for (const auto& [name, value] : status.gauges)
        out.gauge("overlay_state", "How much of it the overlay has now, by name", static_cast<double>(value),
                  {{"name", name}});
    for (const auto& [name, value] : status.counters)
        out.counter("overlay_events", "What the overlay counts, by name", static_cast<double>(value), {{"name", name}});
}

void add_service(Families& out, const node::ServiceStatus& status) {
    out.gauge("presentities", "Presentities with a publication", static_cast<double>(status.presentities));
    out.gauge("publications", "Publications held", static_cast<double>(status.publications));
    out.gauge("watches", "Watches of this node's users", static_cast<double>(status.watches));
    out.gauge("watchers", "Watchers of this node's presentities", static_cast<double>(status.watchers));
    out.gauge("watchers_pending", "Of them, those that wait for a decision", static_cast<double>(status.pending));
}

/// A server that nothing was asked of yet is neither.
void add_links(Families& out, const NodeReport& report) {
    using translators::LinkState;
    for (const auto& link : report.links) {
        if (link.state == LinkState::untried) continue;
        out.gauge("translator_up", "Is the attached server there, and does it take us?",
                  link.state == LinkState::up ? 1 : 0, {{"name", link.name}});
    }
}

void add_leases(Families& out, const NodeReport& report) {
    const auto count = leases(report);
    const char* help = "Nodes that our users' watches are followed at, by the state of their lease";
    out.gauge("leases", help, static_cast<double>(count.live), {{"state", "live"}});
    out.gauge("leases", help, static_cast<double>(count.stale), {{"state", "doubted"}});
    out.gauge("leases", help, static_cast<double>(count.unknown), {{"state", "unknown"}});
    out.gauge("crash_bound_seconds", "A node's crash to its users unknown here",
              std::chrono::duration<double>(report.overlay.crash_bound).count());
}

void add_repair(Families& out, const NodeReport& report) {
    const auto count = repair(report);
    const char* help = "What is under way to make watchers equal to their sources";
    out.gauge("repair", help, static_cast<double>(count.asking), {{"what", "digests_to_compare"}});
    out.gauge("repair", help, static_cast<double>(count.sending), {{"what", "documents_to_send"}});
    out.gauge("repair", help, static_cast<double>(count.records_waiting), {{"what", "records_to_write"}});
    out.gauge("repair", help, static_cast<double>(count.lookups), {{"what", "lookups"}});
}

void add_bounds(Families& out, const NodeReport& report) {
    for (const auto& fill : all_fills(report)) {
        out.gauge("queue_used", "How much of a bounded place is taken", static_cast<double>(fill.used),
                  {{"queue", fill.name}});
        out.gauge("queue_bound", "What it may hold", static_cast<double>(fill.bound), {{"queue", fill.name}});
    }
    for (const auto& [part, reason, number] : refusals(report))
        out.counter("refused", "What was turned away or dropped, and why", static_cast<double>(number),
                    {{"part", part}, {"reason", reason}});
    const char* help = "States that newer ones overtook before they were sent";
    for (const auto& [where, number] : coalesced(report))
        out.counter("coalesced", help, static_cast<double>(number), {{"where", where}});
    out.gauge("held_back", "Changes that wait because there were too many",
              static_cast<double>(report.service.changes_held), {{"what", "changes"}});
    out.gauge("held_back", "Changes that wait because there were too many",
              static_cast<double>(report.service.views_held), {{"what", "views"}});
}

double resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    double all = 0;
    double resident = 0;
    statm >> all >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double seconds_of(proto::WallTime time) {
    return static_cast<double>(time.time_since_epoch().count()) / 1e6;
}

}  // namespace

std::string report_to_prometheus(const NodeReport& report) {
    Families out;
    out.gauge("build_info", "Always 1; the label tells the version", 1, {{"version", report.version}});
    out.gauge("start_time_seconds", "When the node started, since 1970", seconds_of(report.started));
    out.gauge("certificate_not_after_seconds", "When the node's certificate runs out, since 1970",
              seconds_of(report.certificate_not_after));
    out.gauge("resident_memory_bytes", "Memory of the process", resident_bytes());
    out.gauge("federation_members", "Domains in the federation file", static_cast<double>(report.members));
    out.gauge("http_connections", "Open HTTP connections", static_cast<double>(report.http_connections));
    add_service(out, report.service);
    add_overlay(out, report.overlay);
    add_leases(out, report);
    add_links(out, report);
    add_repair(out, report);
    add_bounds(out, report);
    for (const auto& [at, value] : report.counters)
        out.counter(at.first, "Counted events", static_cast<double>(value), {{"label", at.second}});
    return out.text();
}

}  // namespace presmesh::daemon
