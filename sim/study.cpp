#include "sim/study.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include "sim/commands.hpp"
#include "sim/engine_costs.hpp"
#include "sim/inputs.hpp"
#include "sim/mpi.hpp"
#include "sim/run.hpp"
#include "sim/scenario_file.hpp"
#include "sim/sweep.hpp"
#include "sim/table.hpp"

namespace presmesh::sim {

namespace {

constexpr int failed_check = 1, usage = 2;

int tell(const std::vector<std::string>& faults) {
    for (const auto& fault : faults) std::cerr << fault << "\n";
    return usage;
}

int tell(const proto::Error& error) {
    std::cerr << "presmesh-sim: " << error.detail << "\n";
    return usage;
}

void tell_violations(const Measures& measures, const std::string& folder) {
    for (const auto& v : measures.violations)
        std::cout << "FAILED " << v.kind << " at " << format_duration(v.at) << ", seed " << measures.seed << ": "
                  << v.what << "\n";
    if (!measures.ok()) std::cout << "replay: " << replay_command(folder, measures) << "\n";
}

// ---- one run of a sweep

int job(const std::string& folder, std::uint64_t seed) {
    const auto scenario = read_scenario((std::filesystem::path(folder) / "scenario.toml").string());
    if (!scenario) return tell(scenario.error());
    const auto kept = begin_report(folder, *scenario);
    if (!kept) return tell(kept.error());
    const auto measures = run(*kept, seed);
    if (!measures) return tell(measures.error());
    if (const auto written = write_report(folder, *kept, *measures); !written) return tell(written.error());
    tell_violations(*measures, folder);
    return measures->ok() ? 0 : failed_check;
}

// ---- sweeps

struct SweepOptions {
    SweepPlan plan;
    std::vector<std::string> vary;
    bool fresh = false;
    unsigned at_once = std::max(1u, std::thread::hardware_concurrency());
};

std::string describe(const Job& job) {
    std::string text;
    for (const auto& [key, value] : job.set) text += key + "=" + value + " ";
    return text + "seed=" + std::to_string(job.seed);
}

/// Under mpirun each rank takes its share of the jobs; all see the same files.
std::vector<Job> share_of(const std::vector<Job>& jobs, const Ranks& ranks) {
    std::vector<Job> mine;
    for (std::size_t i = static_cast<std::size_t>(ranks.rank()); i < jobs.size();
         i += static_cast<std::size_t>(ranks.count()))
        mine.push_back(jobs[i]);
    return mine;
}

void tell_failure(const Job& job, const JobOutcome& outcome) {
    std::ifstream log(job.folder / "log");
    std::cout << "FAILED " << describe(job) << (outcome.failure.empty() ? "" : ": " + outcome.failure) << "\n";
    bool replay = false;
    for (std::string line; std::getline(log, line);) {
        if (line.starts_with("FAILED") || line.starts_with("replay:")) std::cout << "  " << line << "\n";
        replay = replay || line.starts_with("replay:");
    }
    if (!replay)
        std::cout << "  replay: presmesh-sim job " << shell_word(job.folder.string()) << " " << job.seed << "\n";
}

std::string kept_text(const JobOutcome& outcome) {
    return outcome.commit == commit() ? " (kept)" : " (kept, of commit " + outcome.commit + ")";
}

int run_all(const std::vector<Job>& jobs, unsigned at_once, const Ranks& ranks) {
    const auto mine = share_of(jobs, ranks);
    std::size_t ended = 0;
    int status = 0;
    std::size_t of_others = 0;
    run_jobs(mine, at_once, [&](const JobOutcome& outcome) {
        ++ended;
        of_others += outcome.kept && outcome.commit != commit();
        const auto& job = mine[outcome.job];
        std::cout << "[" << ended << "/" << mine.size() << "] " << describe(job)
                  << (outcome.kept ? kept_text(outcome)
                      : outcome.ok ? std::string(" ok")
                                   : std::string())
                  << "\n";
        if (!outcome.ok) tell_failure(job, outcome);
        if (!outcome.ok) status = std::max(status, outcome.finished ? failed_check : usage);
        std::cout << std::flush;
    });
    if (of_others > 0)
        std::cout << "warning: " << of_others << " kept run(s) are not of this program's commit, " << commit()
                  << "; --fresh runs them again" << std::endl;
    return status;
}

int sweep(SweepOptions& options) {
    for (const auto& text : options.vary) {
        auto vary = Vary::parse(text);
        if (!vary) return tell(vary.error());
        options.plan.vary.push_back(std::move(*vary));
    }
    const Ranks ranks;
    const auto jobs = jobs_of(options.plan);
    if (!jobs) return tell(jobs.error());
    if (ranks.rank() == 0)
        std::cout << "sweep: " << jobs->size() << " runs, seeds " << options.plan.first_seed << " to "
                  << options.plan.first_seed + options.plan.seeds - 1 << ", commit " << commit() << std::endl;
    if (options.fresh) {
        std::error_code none_there;
        for (const auto& job : share_of(*jobs, ranks)) std::filesystem::remove(job.folder / "report.json", none_there);
    }
    const int status = run_all(*jobs, options.at_once, ranks);
    ranks.meet();
    if (ranks.rank() != 0) return status;
    const auto points = merge(*jobs);
    const auto missing = missing_runs(*jobs);
    const auto title = std::filesystem::path(options.plan.scenario).stem().string();
    if (auto written = write_sweep(options.plan.folder, title, points, missing); !written) return tell(written.error());
    if (points.empty()) return std::max(status, usage);
    if (!missing.empty()) std::cout << "missing: " << missing.size() << " of " << jobs->size() << " runs\n";
    std::cout << table_of(points) << "report: " << (options.plan.folder / "report.html").string() << std::endl;
    return status;
}

int compare(SweepOptions& options) {
    for (const auto* given : {&options.vary, &options.plan.overrides}) {
        for (const auto& text : *given)
            if (text.starts_with("mode=")) return tell({text + ": compare runs both modes itself"});
    }
    options.vary.insert(options.vary.begin(), "mode=engine,presmesh");
    return sweep(options);
}

void add_sweep_options(CLI::App& command, SweepOptions& options) {
    command.add_option("SCENARIO", options.plan.scenario, "a scenario file, or a preset's name")->required();
    command.add_option("--set", options.plan.overrides, "key=value on top of the scenario, e.g. network.loss=0.05")
        ->allow_extra_args(false);
    command.add_option("--vary", options.vary, "key=a,b,c: a point for each; several: every combination")
        ->allow_extra_args(false);
    command.add_option("--seeds", options.plan.seeds, "runs per point")->check(only_digits)->capture_default_str();
    command.add_option("--first-seed", options.plan.first_seed)->check(only_digits)->capture_default_str();
    command.add_option("--jobs", options.at_once, "processes at a time")->check(CLI::Range(1u, 4096u));
    command.add_flag("--fresh", options.fresh, "run again what is finished: it may be of an older program");
    command
        .add_option("--out", options.plan.folder,
                    "folder for runs/ and the merged report; finished runs in it are kept")
        ->required();
}

// ---- what plain OpenDHT costs

void print_cost(const char* name, const OperationCost& cost) {
    const auto trials = static_cast<double>(cost.trials);
    std::printf("  %-28s %8.1f %9.1f", name, cost.messages / trials, cost.bytes / trials / 1000);
    for (const auto* times : {&cost.first, &cost.done}) {
        if (times->count() > 0)
            std::printf(" %10.1f", times->mean());
        else
            std::printf(" %10s", "-");
    }
    std::printf(" %8llu\n", static_cast<unsigned long long>(cost.trials));
}

int costs(std::uint32_t nodes, std::uint32_t trials, std::uint64_t seed, bool permanent) {
    const auto all = measure_engine_costs(nodes, trials, seed, permanent);
    std::printf("plain OpenDHT, %u nodes, values of %llu bytes, %s, D = 50 ms, seed %llu; means over the trials\n",
                nodes, static_cast<unsigned long long>(all.values), permanent ? "kept alive" : "put once",
                static_cast<unsigned long long>(seed));
    std::printf("  %-28s %8s %9s %10s %10s %8s\n", "", "messages", "kB", "told/first", "done (D)", "trials");
    print_cost("listen set-up", all.listen);
    print_cost("cold put", all.cold_put);
    print_cost("warm re-put, new value id", all.warm_put);
    print_cost("cold get, two values", all.cold_get);
    return 0;
}

// ---- the small ones

int check(const std::string& name, const std::vector<std::string>& overrides) {
    const auto scenario = read_scenario(name, overrides);
    if (!scenario) return tell(scenario.error());
    if (const auto faults = input_faults(*scenario); !faults.empty()) return tell(faults);
    std::cout << to_toml(*scenario);
    return 0;
}

int list_presets() {
    for (const auto& preset : presets()) std::cout << "---- " << preset.name << "\n" << preset.text << "\n";
    return 0;
}

}  // namespace

void add_studies(CLI::App& app, int& status) {
    auto sweeps = std::make_shared<SweepOptions>();
    auto* command =
        app.add_subcommand("sweep", "run a scenario over seeds and over values, on all cores, and merge the reports");
    add_sweep_options(*command, *sweeps);
    command->callback([=, &status] { status = sweep(*sweeps); });

    auto compared = std::make_shared<SweepOptions>();
    command = app.add_subcommand("compare", "the same worlds with plain OpenDHT and with presmesh, in one table");
    add_sweep_options(*command, *compared);
    command->callback([=, &status] { status = compare(*compared); });

    struct Costs {
        std::uint32_t nodes = 1000, trials = 30;
        std::uint64_t seed = 1;
        bool permanent = false;
    };
    auto asked = std::make_shared<Costs>();
    command = app.add_subcommand("costs", "what put, get and listen of plain OpenDHT cost the node that acts");
    command->add_option("--nodes", asked->nodes)->check(CLI::Range(3u, 1'000'000u))->capture_default_str();
    command->add_option("--trials", asked->trials)->check(CLI::Range(1u, 10'000u))->capture_default_str();
    command->add_option("--seed", asked->seed)->check(only_digits)->capture_default_str();
    command->add_flag("--permanent", asked->permanent, "puts that OpenDHT keeps alive, as in mode engine");
    command->callback([=, &status] { status = costs(asked->nodes, asked->trials, asked->seed, asked->permanent); });

    auto checked = std::make_shared<SweepOptions>();
    command = app.add_subcommand("check", "say every fault of a scenario, or the whole of what it means");
    command->add_option("SCENARIO", checked->plan.scenario)->required();
    command->add_option("--set", checked->plan.overrides)->allow_extra_args(false);
    command->callback([=, &status] { status = check(checked->plan.scenario, checked->plan.overrides); });

    command = app.add_subcommand("presets", "the scenarios that come with the program");
    command->callback([&status] { status = list_presets(); });

    auto one = std::make_shared<Job>();
    command = app.add_subcommand("job", "one run of a sweep, in its folder")->group("");
    command->add_option("FOLDER", one->folder)->required();
    command->add_option("SEED", one->seed)->required();
    command->callback([=, &status] { status = job(one->folder.string(), one->seed); });
}

}  // namespace presmesh::sim
