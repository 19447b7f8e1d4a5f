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

std::string read_text(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

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

bool has_copies(const Job& job) {
    return std::all_of(job.inputs.begin(), job.inputs.end(), [&](const Input& input) {
        const auto there = read_input(job.folder / input.copy);
        return there && *there == *input.text;
    });
}

Result<Json> read_json(const fs::path& path) {
    std::ifstream in(path);
    Json read = Json::parse(in, nullptr, false);
    if (read.is_discarded() || !read.is_object()) return refuse(Reason::malformed, path.string() + " is no report");
    return read;
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

Result<bool> prepare(const Job& job) {
    std::error_code failed;
    const auto scenario = job.folder / "scenario.toml";
    if (read_text(scenario) == job.scenario && has_copies(job)) {
        if (fs::exists(job.folder / "report.json", failed)) return false;
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

Result<Json> merge(const std::vector<Job>& jobs) {
    Json points = Json::array();
    for (std::size_t begin = 0, end = 0; begin < jobs.size(); begin = end) {
        std::vector<Json> runs;
        Json series;
        for (end = begin; end < jobs.size() && jobs[end].set == jobs[begin].set; ++end) {
            if (!fs::exists(jobs[end].folder / "report.json")) continue;
            auto run = read_json(jobs[end].folder / "report.json");
            if (!run) return tl::make_unexpected(run.error());
            if (runs.empty()) series = read_series(jobs[end].folder / "series.csv");
            runs.push_back(std::move(*run));
        }
        if (runs.empty()) continue;
        Json point;
        point["set"] = Json::object();
        for (const auto& [key, value] : jobs[begin].set) point["set"][key] = value;
        point.update(merge_reports(runs));
        point["series"] = std::move(series);
        points.push_back(std::move(point));
    }
    return points;
}

std::string sweep_csv(const Json& points) {
    std::ostringstream out;
    out.precision(9);
    if (points.empty()) return {};
    for (const auto& [key, value] : points[0]["set"].items()) out << key << ",";
    out << "measure,mean,half_width_95,replications\n";
    for (const auto& point : points) {
        for (const auto& row : measure_rows()) {
            for (const auto& [key, value] : point["set"].items()) out << '"' << value.get<std::string>() << "\",";
            const Json* mean = find_number(point, row.name);
            const Json* half = find_number(point, "ci95." + std::string(row.name));
            out << row.name << ",";
            if (mean) out << mean->get<double>();
            out << ",";
            if (half) out << half->get<double>();
            out << "," << measured_in(point, row.name) << "\n";
        }
    }
    return out.str();
}

Result<void> write_sweep(const fs::path& folder, const std::string& title, const Json& points) {
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
    }
    const std::pair<const char*, std::string> files[] = {{"sweep.csv", sweep_csv(points)},
                                                         {"report.html", report_page(title, points)},
                                                         {"report.json", report.dump(2) + "\n"}};
    for (const auto& [name, text] : files) {
        if (auto written = write_file(folder / name, text); !written) return written;
    }
    return {};
}

}  // namespace presmesh::sim
