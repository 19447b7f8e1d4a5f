#include "sim/report.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "sim/inputs.hpp"
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
    ROW("lookup.cut_short", "", "of these the node that looked up was gone before it found", m.lookup.cut_short),
    ROW("lookup.success", "", "share of the others that found", m.lookup.success()),
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

Json manifest(const Scenario& scenario, const std::vector<Input>& inputs, const Measures& measures) {
    Json hashes = Json::object();
    for (const auto& input : inputs) hashes[input.copy] = input.hash;
    return {{"format", 1},
            {"scenario", "scenario.toml"},
            {"inputs", hashes},
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

std::string shell_word(const std::string& text) {
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
    if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string replay_command(const std::string& report_folder, const Measures& measures) {
    std::string command = "presmesh-sim replay " + shell_word(report_folder);
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
    const auto failed = [&] {
        const std::string why = std::strerror(errno);
        std::remove(part.c_str());
        return refuse(Reason::not_found, path.string() + " cannot be written: " + why);
    };
    std::FILE* out = std::fopen(part.c_str(), "wbe");
    if (out == nullptr) return failed();
    const bool whole = std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0;
    const int why = errno;
    if (std::fclose(out) != 0) return failed();
    errno = why;
    if (!whole || std::rename(part.c_str(), path.c_str()) != 0) return failed();
    return {};
}

namespace {

Result<void> keep_copies(const std::filesystem::path& folder, const std::vector<Input>& inputs) {
    for (const auto& input : inputs) {
        const auto there = read_input(folder / input.copy);
        if (there && *there == *input.text) continue;
        if (auto written = write_file(folder / input.copy, *input.text); !written) return written;
    }
    return {};
}

}  // namespace

Result<Scenario> begin_report(const std::filesystem::path& folder, const Scenario& scenario) {
    const auto inputs = read_inputs(scenario);
    if (!inputs) return tl::make_unexpected(inputs.error());
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) return refuse(Reason::not_found, folder.string() + " cannot be made: " + failed.message());
    const auto probe = folder / "report.json.probe";
    if (auto written = write_file(probe, "{}\n"); !written) return tl::make_unexpected(written.error());
    std::filesystem::remove(probe, failed);
    if (auto kept = keep_copies(folder, *inputs); !kept) return tl::make_unexpected(kept.error());
    return with_copies(scenario, *inputs, folder);
}

Result<void> write_report(const std::filesystem::path& folder, const Scenario& scenario, const Measures& measures) {
    const auto copied = begin_report(folder, scenario);
    if (!copied) return tl::make_unexpected(copied.error());
    const auto inputs = read_inputs(*copied);
    if (!inputs) return tl::make_unexpected(inputs.error());
    Json report = report_json(scenario, measures);
    Json point = report;
    point["series"] = series_json(measures);
    point["set"] = Json::object();
    // The page can be made again from the rest, a run not.
    const std::pair<const char*, std::string> files[] = {
        {"scenario.toml", to_toml(*copied, folder)},
        {"manifest.json", manifest(scenario, *inputs, measures).dump(2) + "\n"},
        {"series.csv", series_csv(measures)},
        {"report.json", report.dump(2) + "\n"},
        {"report.html", report_page(scenario.name, Json::array({std::move(point)}))},
    };
    for (const auto& [name, text] : files) {
        if (auto written = write_file(folder / name, text); !written) return written;
    }
    return {};
}

}  // namespace presmesh::sim
