// Many runs of one scenario: over seeds, and over every value that is varied. Each run is a process of its own in a
// folder of its own; what is finished there is not run again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "proto/result.hpp"
#include "sim/inputs.hpp"
#include "sim/report_json.hpp"

namespace presmesh::sim {

struct Vary {
    std::string key;
    std::vector<std::string> values;
    /// "nodes=64,256,1024". A comma inside of a value is written as "\,".
    static proto::Result<Vary> parse(std::string_view text);
};

struct SweepPlan {
    std::string scenario;                ///< a file or a preset
    std::vector<std::string> overrides;  ///< for every run
    std::vector<Vary> vary;              ///< every combination is a point
    std::uint64_t first_seed = 1;
    std::uint32_t seeds = 1;
    std::filesystem::path folder;
};

using Setting = std::vector<std::pair<std::string, std::string>>;

struct Job {
    Setting set;
    std::uint64_t seed = 0;
    std::filesystem::path folder;  ///< FOLDER/runs/SETTING,seed=N
    std::string scenario;          ///< the whole effective one, as TOML, with copies of the files it names
    std::vector<Input> inputs;     ///< these files
};

/// All runs, point by point and seed by seed. The faults of any of them come back, each once.
tl::expected<std::vector<Job>, std::vector<std::string>> jobs_of(const SweepPlan& plan);

/// Makes the folder, its scenario.toml and the files that it names. False: this very run is there and finished. A
/// folder that holds another scenario's run, or one with other files, is emptied.
proto::Result<bool> prepare(const Job& job);

struct JobOutcome {
    std::size_t job = 0;  ///< index
    bool finished = false;
    bool ok = false;      ///< finished, and every check held
    bool kept = false;    ///< finished earlier
    std::string commit;   ///< of the program that did, where it was kept
    std::string failure;  ///< when not finished: what is known
};

/// Runs what is not finished, `at_once` processes of this program ("job FOLDER SEED") at a time. Tells each outcome as
/// it comes.
std::vector<JobOutcome> run_jobs(const std::vector<Job>& jobs, unsigned at_once,
                                 const std::function<void(const JobOutcome&)>& tell,
                                 const std::filesystem::path& program = "/proc/self/exe");

/// The run's report.json; none when there is none, it is damaged, or another seed's.
std::optional<Json> read_report(const Job& job);

/// The points of finished runs, merged over their seeds: {"set": ..., means, "ci95": ..., "series": of the first seed}.
/// Where a seed has no report the point has "missing": [seeds], and is not ok.
Json merge(const std::vector<Job>& jobs);
/// Those without a report: {"set": ..., "seed": ...}.
Json missing_runs(const std::vector<Job>& jobs);

/// report.json (a single point's own fields, or "points"), sweep.csv and report.html in `folder`. Where runs are
/// missing the report names them under "missing" and is not ok.
proto::Result<void> write_sweep(const std::filesystem::path& folder, const std::string& title, const Json& points,
                                const Json& missing = Json::array());

/// A row per point's measure: setting, measure, mean (of "x.max": the worst; empty: no run had it), half width,
/// replications that had it.
std::string sweep_csv(const Json& points);

}  // namespace presmesh::sim
