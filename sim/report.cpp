#include "sim/report.hpp"

#include <fstream>
#include <sstream>

#include "sim/report_json.hpp"
#include "sim/scenario_file.hpp"

#ifndef PRESMESH_COMMIT
#define PRESMESH_COMMIT "unknown"
#endif

namespace presmesh::sim {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

std::optional<double> value(std::optional<double> of) {
    return of;
}
std::optional<double> value(double of) {
    return of;
}
std::optional<double> value(std::uint64_t of) {
    return static_cast<double>(of);
}
std::optional<double> mean(const Quantiles& values) {
    return values.count() > 0 ? std::optional(values.mean()) : std::nullopt;
}
std::optional<double> at(const Quantiles& values, double share) {
    return values.count() > 0 ? std::optional(values.at(share)) : std::nullopt;
}
std::optional<double> most(const Quantiles& values) {
    return values.count() > 0 ? std::optional(values.max()) : std::nullopt;
}

#define ROW(name, unit, what, expression)                                     \
    MeasureRow {                                                              \
        name, unit, what, [](const Measures& m) { return value(expression); } \
    }

constexpr MeasureRow rows[] = {
    ROW("virtual_s", "s", "virtual time, warm-up included", m.virtual_s),
    ROW("wall_s", "s", "real time", m.wall_s),
    ROW("cpu_s", "s", "processor time", m.cpu_s),
    ROW("peak_rss_bytes", "B", "most memory held", m.peak_rss_bytes),
    ROW("events", "", "turns of nodes", m.events),
    ROW("packets", "", "datagrams sent, whole run", m.packets),
    ROW("bytes", "B", "bytes sent, whole run", m.bytes),
    ROW("changes", "", "changes published", m.changes),
    ROW("watches", "", "watches at the end", m.watches),
    ROW("notify_delay_over_latency.mean", "D", "change to remote watcher, in one-way delays of that way",
        mean(m.notify_delay_over_latency)),
    ROW("notify_delay_over_latency.p50", "D", "the same, median", at(m.notify_delay_over_latency, 0.5)),
    ROW("notify_delay_over_latency.p99", "D", "the same, 99 of 100", at(m.notify_delay_over_latency, 0.99)),
    ROW("notify_delay_s.p50", "s", "change to remote watcher, median", at(m.notify_delay_s, 0.5)),
    ROW("notify_delay_s.p99", "s", "the same, 99 of 100", at(m.notify_delay_s, 0.99)),
    ROW("datagrams_per_change_per_watching_node", "", "documents and acknowledgements",
        m.datagrams_per_change_per_watching_node),
    ROW("crash_detection_s.p50", "s", "node dies to watchers told, median", at(m.crash_detection_s, 0.5)),
    ROW("crash_detection_s.p99", "s", "the same, 99 of 100", at(m.crash_detection_s, 0.99)),
    ROW("crash_detection_s.max", "s", "the same, worst", most(m.crash_detection_s)),
    ROW("crash_detection_s.untold", "", "not in these: back, or no more watched, before they were told",
        m.crash_untold),
    ROW("false_offline", "", "told unknown of a source that was there", m.false_offline),
    ROW("false_online_s", "s", "shown live though gone, mean per leaving and watch", m.false_online_s),
    ROW("wrong_watcher_share", "", "watch-seconds that showed other than the truth", m.wrong_watcher_share),
    ROW("settle_s.p50", "s", "end of a hardship to the last watcher right, median", at(m.settle_s, 0.5)),
    ROW("settle_s.max", "s", "the same, worst", most(m.settle_s)),
    ROW("lost_changes", "", "changes a reachable watcher never saw", m.lost_changes),
    ROW("forged_accepted", "", "forged, replayed or rolled back and believed", m.forged_accepted),
    ROW("resurrected", "", "older state shown after newer", m.resurrected),
    ROW("lookup.begun", "", "lookups in the DHT", m.lookup.begun),
    ROW("lookup.success", "", "share of them that found", m.lookup.success()),
    ROW("lookup.hops_mean", "", "hops", mean(m.lookup.hops)),
    ROW("lookup.p50_ms", "ms", "to the first record, median", at(m.lookup.first_ms, 0.5)),
    ROW("lookup.p99_ms", "ms", "the same, 99 of 100", at(m.lookup.first_ms, 0.99)),
    ROW("lookup.done_p50_ms", "ms", "to the end of the search, median", at(m.lookup.done_ms, 0.5)),
    ROW("maintenance_bytes_per_node_per_s", "B/s", "all but documents and acknowledgements",
        m.maintenance_bytes_per_node_per_s),
    ROW("traffic.handshake.packets", "", "after the warm-up", m.handshake.packets),
    ROW("traffic.handshake.bytes", "B", "after the warm-up", m.handshake.bytes),
    ROW("traffic.dht.packets", "", "after the warm-up", m.dht.packets),
    ROW("traffic.dht.bytes", "B", "after the warm-up", m.dht.bytes),
    ROW("traffic.channel.packets", "", "after the warm-up", m.channel.packets),
    ROW("traffic.channel.bytes", "B", "after the warm-up", m.channel.bytes),
    ROW("attackers", "", "nodes that mean ill, or strangers", m.attackers),
    ROW("attack_datagrams", "", "sent by attackers as such; rollback: old records put again; forge: records",
        m.attack_datagrams),
    ROW("attack_dropped", "", "records that attackers acknowledged and did not keep", m.attack_dropped),
    ROW("refused", "", "datagrams and records refused by honest nodes", m.refused),
    ROW("violation_count", "", "checks that failed", m.violation_count),
};
#undef ROW

Json manifest(const Scenario& scenario, const Measures& measures) {
    return {{"format", 1},
            {"scenario", "scenario.toml"},
            {"name", scenario.name},
            {"seed", measures.seed},
            {"commit", commit()},
            {"trace_hash", measures.trace_hash},
            {"stopped_early", measures.stopped_early}};
}

}  // namespace

std::span<const MeasureRow> measure_rows() {
    return rows;
}

std::string_view commit() {
    return PRESMESH_COMMIT;
}

std::string replay_command(const std::string& report_folder, const Measures& measures) {
    std::string command = "presmesh-sim replay " + report_folder;
    if (!measures.violations.empty()) command += " --until " + format_duration(measures.violations.front().at);
    return command;
}

std::string series_csv(const Measures& measures) {
    const Json columns = series_json(measures);
    std::ostringstream out;
    out.precision(9);
    for (auto column = columns.begin(); column != columns.end(); ++column)
        out << (column == columns.begin() ? "" : ",") << column.key();
    out << "\n";
    for (std::size_t row = 0; row < measures.series.size(); ++row) {
        for (auto column = columns.begin(); column != columns.end(); ++column)
            out << (column == columns.begin() ? "" : ",") << (*column)[row].get<double>();
        out << "\n";
    }
    return out.str();
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
    auto part = path;
    part += ".part";
    std::error_code failed;
    {
        std::ofstream out(part, std::ios::binary | std::ios::trunc);
        out << text;
        if (!out.flush()) return refuse(Reason::not_found, path.string() + " cannot be written");
    }
    std::filesystem::rename(part, path, failed);
    if (failed) return refuse(Reason::not_found, path.string() + ": " + failed.message());
    return {};
}

Result<void> write_report(const std::filesystem::path& folder, const Scenario& scenario, const Measures& measures) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    Json report = report_json(scenario, measures);
    Json point = report;
    point["series"] = series_json(measures);
    point["set"] = Json::object();
    const std::pair<const char*, std::string> files[] = {
        {"scenario.toml", to_toml(scenario)},
        {"manifest.json", manifest(scenario, measures).dump(2) + "\n"},
        {"series.csv", series_csv(measures)},
        {"report.html", report_page(scenario.name, Json::array({std::move(point)}))},
        {"report.json", report.dump(2) + "\n"},
    };
    for (const auto& [name, text] : files) {
        if (auto written = write_file(folder / name, text); !written) return written;
    }
    return {};
}

}  // namespace presmesh::sim
