#include "sim/sweep.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "sim/scenario_file.hpp"

namespace presmesh::sim {

using proto::Reason;
using proto::refuse;
using proto::Result;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t most_jobs = 100'000;
constexpr std::size_t longest_setting = 120;  ///< in a folder's name, of which systems allow 255 bytes

/// Letters, digits, dots and dashes; everything else becomes "_".
std::string plain(std::string text) {
    for (char& c : text) {
        const bool stays = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                           c == '-' || c == '_';
        if (!stays) c = '_';
    }
    return text;
}

/// A folder's name from a setting. Where that does not say all of it, or would be long, a hash of the setting is added:
/// no two settings share a folder.
std::string folder_name(const Setting& set, std::uint64_t seed) {
    std::string name, whole;
    bool says_all = true;
    for (const auto& [key, value] : set) {
        name += plain(key) + "=" + plain(value) + ",";
        says_all = says_all && plain(key) == key && plain(value) == value;
        for (const auto* text : {&key, &value}) whole.append(*text).push_back('\0');
    }
    if (name.size() > longest_setting) name.resize(longest_setting), name += ",", says_all = false;
    if (!says_all) name += hash_of_input(whole).substr(0, 12) + ",";
    return name + "seed=" + std::to_string(seed);
}

std::vector<Setting> combinations(const std::vector<Vary>& vary) {
    std::vector<Setting> all{{}};
    for (const auto& one : vary) {
        std::vector<Setting> longer;
        for (const auto& set : all) {
            for (const auto& value : one.values) {
                longer.push_back(set);
                longer.back().emplace_back(one.key, value);
            }
        }
        all = std::move(longer);
    }
    return all;
}

/// Judged and read once for all points that name the same.
class Files {
  public:
    std::vector<Input> of(const Scenario& scenario, std::vector<std::string>& faults) {
        const auto key = std::tuple(scenario.network.latency.matrix, scenario.churn.trace, scenario.nodes);
        const auto known = read_.find(key);
        if (known != read_.end()) return known->second;
        const auto wrong = input_faults(scenario);
        faults.insert(faults.end(), wrong.begin(), wrong.end());
        auto inputs = read_inputs(scenario);
        if (!inputs && wrong.empty()) faults.push_back(inputs.error().detail);
        return read_.emplace(key, inputs ? std::move(*inputs) : std::vector<Input>{}).first->second;
    }

  private:
    std::map<std::tuple<fs::path, fs::path, std::uint32_t>, std::vector<Input>> read_;
};

bool holds(const fs::path& file, const std::string& text) {
    const auto there = read_input(file);
    return there && *there == text;
}

bool has_copies(const Job& job) {
    return std::all_of(job.inputs.begin(), job.inputs.end(),
                       [&](const Input& input) { return holds(job.folder / input.copy, *input.text); });
}

std::string in_quotes(const std::string& value) {  // RFC 4180
    std::string out = "\"";
    for (const char c : value) out.append(c == '"' ? 2 : 1, c);
    return out + "\"";
}

Json set_of(const Job& job) {
    Json set = Json::object();
    for (const auto& [key, value] : job.set) set[key] = value;
    return set;
}

Json read_series(const fs::path& path) {
    Json series = Json::object();
    std::ifstream in(path);
    std::string line, cell;
    std::vector<std::string> names;
    if (std::getline(in, line)) {
        for (std::istringstream cells(line); std::getline(cells, cell, ',');) {
            names.push_back(cell);
            series[cell] = Json::array();
        }
    }
    while (std::getline(in, line)) {
        std::size_t at = 0;
        for (std::istringstream cells(line); std::getline(cells, cell, ',') && at < names.size(); ++at)
            series[names[at]].push_back(std::strtod(cell.c_str(), nullptr));
    }
    return series;
}

}  // namespace

Result<Vary> Vary::parse(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos)
        return refuse(Reason::malformed, "\"" + std::string(text) + "\" must be written key=value,value,...");
    Vary vary{std::string(text.substr(0, equals)), {""}};
    for (std::size_t at = equals + 1; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == ',')
            vary.values.back() += text[++at];
        else if (text[at] == ',')
            vary.values.emplace_back();
        else
            vary.values.back() += text[at];
    }
    std::set<std::string> once;
    for (const auto& value : vary.values) {
        if (value.empty()) return refuse(Reason::malformed, "\"" + std::string(text) + "\" has an empty value");
        if (!once.insert(value).second)
            return refuse(Reason::malformed, "\"" + std::string(text) + "\" has " + value + " twice");
    }
    return vary;
}

tl::expected<std::vector<Job>, std::vector<std::string>> jobs_of(const SweepPlan& plan) {
    std::vector<Job> jobs;
    std::vector<std::string> faults;
    std::set<std::string> varied;
    for (const auto& vary : plan.vary)
        if (!varied.insert(vary.key).second)
            return tl::make_unexpected(
                std::vector<std::string>{"--vary " + vary.key + ": a key is varied once, with all its values"});
    Files files;
    const auto points = combinations(plan.vary);
    if (plan.seeds == 0 || points.size() * plan.seeds > most_jobs)
        return tl::make_unexpected(std::vector<std::string>{"a sweep has 1 to " + std::to_string(most_jobs) + " runs"});
    for (const auto& set : points) {
        auto overrides = plan.overrides;
        for (const auto& [key, value] : set) overrides.push_back(key + "=" + value);
        const auto scenario = read_scenario(plan.scenario, overrides);
        if (!scenario) {
            for (const auto& fault : scenario.error())
                if (std::find(faults.begin(), faults.end(), fault) == faults.end()) faults.push_back(fault);
            continue;
        }
        const auto inputs = files.of(*scenario, faults);
        const auto at = plan.folder / "runs" / "x";
        const auto text = to_toml(with_copies(*scenario, inputs, at), at);
        for (std::uint32_t i = 0; i < plan.seeds; ++i) {
            const auto seed = plan.first_seed + i;
            jobs.push_back({set, seed, plan.folder / "runs" / folder_name(set, seed), text, inputs});
        }
    }
    if (!faults.empty()) return tl::make_unexpected(std::move(faults));
    return jobs;
}

std::optional<Json> read_report(const Job& job) {
    const auto in = read_input(job.folder / "report.json");
    Json report = Json::parse(in.value_or(""), nullptr, false);
    if (!report.is_object()) return std::nullopt;
    const auto has = [&](const char* key, bool (Json::*right)() const noexcept) {
        return report.contains(key) && (report[key].*right)();
    };
    for (const char* text : {"name", "mode", "commit", "trace_hash"})
        if (!has(text, &Json::is_string)) return std::nullopt;
    const bool whole = has("seed", &Json::is_number_integer) && has("nodes", &Json::is_number) &&
                       has("ok", &Json::is_boolean) && has("violations", &Json::is_array) &&
                       has("distributions", &Json::is_object);
    if (!whole || report["seed"] != job.seed) return std::nullopt;
    return report;
}

Result<bool> prepare(const Job& job) {
    std::error_code failed;
    const auto scenario = job.folder / "scenario.toml";
    if (holds(scenario, job.scenario) && has_copies(job)) {
        if (read_report(job)) return false;
        fs::remove_all(job.folder / "report.json", failed);
    } else {
        fs::remove_all(job.folder, failed);
    }
    fs::create_directories(job.folder, failed);
    if (failed) return refuse(Reason::not_found, job.folder.string() + ": " + failed.message());
    for (const auto& input : job.inputs)
        if (auto written = write_file(job.folder / input.copy, *input.text); !written)
            return tl::make_unexpected(written.error());
    if (auto written = write_file(scenario, job.scenario); !written) return tl::make_unexpected(written.error());
    return true;
}

Json missing_runs(const std::vector<Job>& jobs) {
    Json missing = Json::array();
    for (const auto& job : jobs)
        if (!read_report(job)) missing.push_back({{"set", set_of(job)}, {"seed", job.seed}});
    return missing;
}

Json merge(const std::vector<Job>& jobs) {
    Json points = Json::array();
    for (std::size_t begin = 0, end = 0; begin < jobs.size(); begin = end) {
        std::vector<Json> runs;
        Json series, missing = Json::array();
        for (end = begin; end < jobs.size() && jobs[end].set == jobs[begin].set; ++end) {
            auto run = read_report(jobs[end]);
            if (!run) {
                missing.push_back(jobs[end].seed);
                continue;
            }
            if (runs.empty()) series = read_series(jobs[end].folder / "series.csv");
            runs.push_back(std::move(*run));
        }
        if (runs.empty()) continue;
        Json point;
        point["set"] = set_of(jobs[begin]);
        point.update(merge_reports(runs));
        if (!missing.empty()) point["ok"] = false, point["missing"] = std::move(missing);
        point["series"] = std::move(series);
        points.push_back(std::move(point));
    }
    return points;
}

std::string sweep_csv(const Json& points) {
    std::ostringstream out;
    out.precision(9);
    if (points.empty()) return {};
    for (const auto& [key, value] : points[0]["set"].items()) out << in_quotes(key) << ",";
    out << "measure,mean,half_width_95,replications\n";
    for (const auto& point : points) {
        for (const auto& row : merged_rows()) {
            const std::string& name = row.first;
            for (const auto& [key, value] : point["set"].items()) out << in_quotes(value.get<std::string>()) << ",";
            const Json* mean = find_number(point, name);
            const Json* half = find_number(point, "ci95." + name);
            out << name << ",";
            if (mean) out << mean->get<double>();
            out << ",";
            if (half) out << half->get<double>();
            out << "," << measured_in(point, name) << "\n";
        }
    }
    return out.str();
}

Result<void> write_sweep(const fs::path& folder, const std::string& title, const Json& points, const Json& missing) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    Json report;
    if (points.size() == 1) {
        report = points[0];
        report.erase("series");
    } else {
        report["name"] = title;
        report["points"] = points;
        for (auto& point : report["points"]) point.erase("series");
        report["ok"] = std::all_of(points.begin(), points.end(), [](const Json& point) { return point["ok"] == true; });
    }
    if (!missing.empty()) report["ok"] = false, report["missing"] = missing;
    const std::pair<const char*, std::string> files[] = {{"sweep.csv", sweep_csv(points)},
                                                         {"report.json", report.dump(2) + "\n"},
                                                         {"report.html", report_page(title, points, missing)}};
    for (const auto& [name, text] : files) {
        if (auto written = write_file(folder / name, text); !written) return written;
    }
    return {};
}

}  // namespace presmesh::sim
