#include "sim/report_json.hpp"

#include <algorithm>
#include <cmath>

#include "proto/assert.hpp"

namespace presmesh::sim {

namespace {

Json& place(Json& report, std::string_view dotted) {
    Json* at = &report;
    while (true) {
        const auto dot = dotted.find('.');
        at = &(*at)[std::string(dotted.substr(0, dot))];
        if (dot == std::string_view::npos) return *at;
        dotted.remove_prefix(dot + 1);
    }
}

/// Whole numbers without a point, as a reader expects them.
Json number(double value) {
    if (std::floor(value) == value && std::abs(value) < 9e15) return static_cast<std::int64_t>(value);
    return value;
}

/// Points of the cumulative curve, denser where the tail is.
Json curve(const Quantiles& values) {
    Json points = Json::array();
    if (values.count() == 0) return points;
    for (int percent = 0; percent < 99; percent += 1) points.push_back({percent / 100.0, values.at(percent / 100.0)});
    for (int tenth = 990; tenth <= 1000; ++tenth) points.push_back({tenth / 1000.0, values.at(tenth / 1000.0)});
    return points;
}

/// Of several runs the worst, not the mean of each one's.
bool is_worst(std::string_view name) {
    return name.ends_with(".max");
}

/// Each once, as they come.
Json commits_of(const std::vector<Json>& runs) {
    Json all = Json::array();
    for (const auto& run : runs)
        if (std::find(all.begin(), all.end(), run["commit"]) == all.end()) all.push_back(run["commit"]);
    return all;
}

/// The mean curve: quantile by quantile over the runs that have one.
Json merge_curves(const std::vector<Json>& runs, const std::string& name) {
    Json merged = Json::array();
    std::size_t have = 0;
    for (const auto& run : runs) {
        const Json& points = run["distributions"][name];
        if (points.empty()) continue;
        ++have;
        if (merged.empty()) {
            merged = points;
            continue;
        }
        for (std::size_t i = 0; i < merged.size() && i < points.size(); ++i)
            merged[i][1] = merged[i][1].get<double>() + points[i][1].get<double>();
    }
    for (auto& point : merged) point[1] = point[1].get<double>() / static_cast<double>(have);
    return merged;
}

}  // namespace

Json report_json(const Scenario& scenario, const Measures& m) {
    Json report;
    report["name"] = scenario.name;
    report["mode"] = scenario.mode == Mode::engine ? "engine" : "presmesh";
    report["seed"] = m.seed;
    report["trace_hash"] = m.trace_hash;
    report["shape_hash"] = m.shape_hash;
    report["commit"] = commit();
    report["nodes"] = m.nodes;
    for (const auto& row : measure_rows()) {
        const auto value = row.value(m);
        place(report, row.name) = value ? number(*value) : Json();
    }
    report["ok"] = m.ok();
    report["stopped_early"] = m.stopped_early;
    report["violations"] = Json::array();
    for (const auto& v : m.violations)
        report["violations"].push_back(
            {{"kind", v.kind}, {"at_s", static_cast<double>(v.at.count()) / 1e6}, {"what", v.what}});
    report["distributions"] = {{"notify_delay_over_latency", curve(m.notify_delay_over_latency)},
                               {"notify_delay_s", curve(m.notify_delay_s)},
                               {"crash_detection_s", curve(m.crash_detection_s)},
                               {"settle_s", curve(m.settle_s)},
                               {"lookup_first_ms", curve(m.lookup.first_ms)},
                               {"lookup_hops", curve(m.lookup.hops)}};
    return report;
}

const Json* find_number(const Json& report, std::string_view dotted) {
    const Json* at = &report;
    while (true) {
        const auto dot = dotted.find('.');
        const auto found = at->find(std::string(dotted.substr(0, dot)));
        if (found == at->end()) return nullptr;
        at = &*found;
        if (dot == std::string_view::npos) return at->is_number() ? at : nullptr;
        if (!at->is_object()) return nullptr;
        dotted.remove_prefix(dot + 1);
    }
}

std::size_t measured_in(const Json& point, std::string_view dotted) {
    if (const Json* fewer = find_number(point, "measured_in." + std::string(dotted))) return fewer->get<std::size_t>();
    return point.value("replications", std::size_t{1});
}

std::vector<std::pair<std::string, std::string>> merged_rows() {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& row : measure_rows()) {
        all.emplace_back(row.name, row.unit);
        if (is_worst(row.name)) all.emplace_back(std::string(row.name) + "_mean", row.unit);
    }
    return all;
}

Json merge_reports(const std::vector<Json>& runs) {
    PRESMESH_ASSERT(!runs.empty());
    Json merged;
    for (const char* same : {"name", "mode", "commit", "nodes"}) merged[same] = runs.front()[same];
    if (const auto all = commits_of(runs); all.size() > 1) merged["commit"] = all;
    merged["replications"] = runs.size();
    merged["seed"] = Json::array();
    merged["trace_hash"] = Json::array();
    merged["ok"] = true;
    merged["violations"] = Json::array();
    for (const auto& run : runs) {
        merged["seed"].push_back(run["seed"]);
        merged["trace_hash"].push_back(run["trace_hash"]);
        if (!run["ok"].get<bool>()) merged["ok"] = false;
        for (auto violation : run["violations"]) {
            violation["seed"] = run["seed"];
            merged["violations"].push_back(std::move(violation));
        }
    }
    for (const auto& row : measure_rows()) {
        std::vector<double> values;
        for (const auto& run : runs) {
            if (const Json* value = find_number(run, row.name)) values.push_back(value->get<double>());
        }
        const auto e = estimate(values);
        const std::string mean = std::string(row.name) + (is_worst(row.name) ? "_mean" : "");
        if (is_worst(row.name)) {
            place(merged, row.name) = values.empty() ? Json() : number(*std::max_element(values.begin(), values.end()));
            if (values.size() < runs.size()) place(merged["measured_in"], row.name) = values.size();
        }
        place(merged, mean) = values.empty() ? Json() : number(e.mean);
        if (values.size() > 1) place(merged["ci95"], mean) = e.half_width;
        if (values.size() < runs.size()) place(merged["measured_in"], mean) = values.size();
    }
    for (auto& [name, points] : runs.front()["distributions"].items())
        merged["distributions"][name] = merge_curves(runs, name);
    return merged;
}

Json series_json(const Measures& measures) {
    struct Column {
        const char* name;
        double (*value)(const Sample&);
    };
#define COLUMN(field)                                                        \
    Column {                                                                 \
#field, [](const Sample& s) { return static_cast<double>(s.field); } \
    }
    static constexpr Column columns[] = {
        COLUMN(virtual_s),       COLUMN(online),          COLUMN(packets_handshake),  COLUMN(packets_dht),
        COLUMN(packets_channel), COLUMN(bytes_handshake), COLUMN(bytes_dht),          COLUMN(bytes_channel),
        COLUMN(changes),         COLUMN(notified),        COLUMN(notify_delay_ratio), COLUMN(wrong_watcher_share),
        COLUMN(lookups),         COLUMN(lookups_found),   COLUMN(resident_bytes),     COLUMN(wall_s),
    };
#undef COLUMN
    Json series;
    for (const auto& column : columns) {
        Json values = Json::array();
        for (const auto& sample : measures.series) values.push_back(number(column.value(sample)));
        series[column.name] = std::move(values);
    }
    return series;
}

}  // namespace presmesh::sim
