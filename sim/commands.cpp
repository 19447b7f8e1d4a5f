#include "sim/commands.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>

#include "sim/delay_matrix.hpp"
#include "sim/inputs.hpp"
#include "sim/report_json.hpp"
#include "sim/run.hpp"
#include "sim/scenario_file.hpp"
#include "sim/summary.hpp"

namespace presmesh::sim {

namespace {

struct RunArguments {
    ScenarioChoice choice;
    std::uint64_t seed = 1;
    std::string out;
    std::string trace;
    std::string until;
    std::string recorded_hash;  ///< of the report that is replayed
    bool quiet = false;
    bool seed_given = false;
};

std::optional<Scenario> scenario_of(const ScenarioChoice& choice) {
    auto scenario = read_scenario(choice.scenario, choice.overrides());
    auto faults = scenario ? input_faults(*scenario) : scenario.error();
    if (faults.empty()) return std::move(*scenario);
    for (const auto& fault : faults) std::fprintf(stderr, "%s\n", fault.c_str());
    return std::nullopt;
}

/// A unit that was mistaken shows here.
void print_matrix(const Scenario& scenario) {
    if (scenario.network.latency.kind != Latency::Kind::matrix) return;
    const auto matrix = DelayMatrix::load(scenario.network.latency.matrix);
    if (matrix)
        std::printf("matrix: %zu sites, median round trip %.3g ms\n\n", matrix->sites(),
                    seconds(matrix->median_round_trip()) * 1e3);
}

void print_progress(const Progress& progress) {
    const double at = std::chrono::duration<double>(progress.at).count();
    const double of = std::chrono::duration<double>(progress.of).count();
    const double speed = progress.wall_s > 0 ? at / progress.wall_s : 0;
    std::fprintf(stderr, "%8.0f of %.0f s  %6.1fx  %6.0f MiB  %6u nodes  %10llu packets  %5.0f s left\n", at, of, speed,
                 static_cast<double>(progress.rss_bytes) / 1048576.0, progress.online,
                 static_cast<unsigned long long>(progress.packets), speed > 0 ? (of - at) / speed : 0);
}

/// The command that comes to the same event again.
void print_replay(const RunArguments& arguments, const Violation& violation) {
    std::string line =
        "presmesh-sim replay " + shell_word(arguments.choice.scenario) + " --seed " + std::to_string(arguments.seed);
    for (const auto& value : arguments.choice.overrides()) line += " --set " + shell_word(value);
    std::printf("replay: %s --until %lldus\n", line.c_str(), static_cast<long long>(violation.at.count()));
}

void print_violations(const RunArguments& arguments, const Measures& measures) {
    std::printf("\n%llu check(s) failed, with seed %llu:\n", static_cast<unsigned long long>(measures.violation_count),
                static_cast<unsigned long long>(arguments.seed));
    constexpr std::size_t shown = 10;
    for (std::size_t i = 0; i < measures.violations.size() && i < shown; ++i) {
        const Violation& violation = measures.violations[i];
        std::printf("  %.6f s  %s: %s\n", std::chrono::duration<double>(violation.at).count(), violation.kind.c_str(),
                    violation.what.c_str());
    }
    print_replay(arguments, measures.violations.front());
}

int run_command(const RunArguments& arguments) {
    auto scenario = scenario_of(arguments.choice);
    if (!scenario) return 2;
    std::printf("seed %llu\n%s\n", static_cast<unsigned long long>(arguments.seed), to_toml(*scenario).c_str());
    print_matrix(*scenario);
    std::fflush(stdout);
    RunOptions options;
    if (!arguments.quiet) options.progress = print_progress;
    if (!arguments.until.empty()) {
        const auto until = parse_duration(arguments.until);
        if (!until) {
            std::fprintf(stderr, "--until: %s\n", until.error().detail.c_str());
            return 2;
        }
        options.stop_at = *until;
    }
    std::unique_ptr<TraceFile> trace;
    if (!arguments.trace.empty()) {
        auto made = TraceFile::create(arguments.trace);
        if (!made) {
            std::fprintf(stderr, "--trace: %s\n", made.error().detail.c_str());
            return 2;
        }
        trace = std::move(*made);
        options.trace = trace.get();
    }
    if (!arguments.out.empty()) {
        auto kept = begin_report(arguments.out, *scenario);
        if (!kept) {
            std::fprintf(stderr, "--out: %s\n", kept.error().detail.c_str());
            return 2;
        }
        scenario = std::move(*kept);
    }
    const auto measures = run(*scenario, arguments.seed, options);
    if (!measures) {
        std::fprintf(stderr, "%s\n", measures.error().detail.c_str());
        return 2;
    }
    print_summary(*scenario, *measures);
    if (!arguments.out.empty()) {
        if (const auto written = write_report(arguments.out, *scenario, *measures); !written) {
            std::fprintf(stderr, "--out: %s\n", written.error().detail.c_str());
            return 2;
        }
    }
    if (trace) {
        if (const auto whole = trace->finish(); !whole) {
            std::fprintf(stderr, "--trace: %s\n", whole.error().detail.c_str());
            return 2;
        }
    }
    if (!measures->ok()) print_violations(arguments, *measures);
    const bool same =
        arguments.recorded_hash.empty() || measures->stopped_early || arguments.recorded_hash == measures->trace_hash;
    if (!same) std::puts("this is NOT the trace of the report: another program, or a fault in the simulator");
    return measures->ok() && same ? 0 : 1;
}

/// The copies of files that the scenario names are those the run was made with; else says which are not.
bool has_its_inputs(const std::filesystem::path& folder, const Json& manifest) {
    bool all = true;
    const Json inputs = manifest.value("inputs", Json::object());
    for (const auto& [name, hash] : inputs.items()) {
        const auto text = read_input(folder / name);
        if (!text) std::fprintf(stderr, "%s\n", text.error().detail.c_str());
        if (text && hash_of_input(*text) == hash) continue;
        if (text)
            std::fprintf(stderr, "%s has changed: the run was made with other contents\n", (folder / name).c_str());
        all = false;
    }
    return all;
}

/// A report's folder says itself what scenario and seed it is of.
int replay_command(RunArguments arguments) {
    const std::filesystem::path folder = arguments.choice.scenario;
    const auto in = read_input(folder / "manifest.json");
    std::error_code failed;
    if (!in && std::filesystem::is_directory(folder, failed)) {
        const bool sweep = std::filesystem::is_directory(folder / "runs", failed);
        std::fprintf(stderr, "%s is no run's folder: it has no manifest.json%s\n", folder.c_str(),
                     sweep ? ("; it is a sweep's, name one of " + (folder / "runs").string() + "/").c_str() : "");
        return 2;
    }
    if (!in) return run_command(arguments);
    const Json manifest = Json::parse(*in, nullptr, false);
    if (!manifest.is_object() || !manifest.contains("seed") || !manifest["seed"].is_number_unsigned()) {
        std::fprintf(stderr, "%s is not a run's\n", (folder / "manifest.json").c_str());
        return 2;
    }
    const auto recorded = manifest["seed"].get<std::uint64_t>();
    if (arguments.seed_given && arguments.seed != recorded) {
        std::fprintf(stderr, "%s is of seed %llu; for another: presmesh-sim run %s --seed %llu\n", folder.c_str(),
                     static_cast<unsigned long long>(recorded), shell_word(folder / "scenario.toml").c_str(),
                     static_cast<unsigned long long>(arguments.seed));
        return 2;
    }
    if (!has_its_inputs(folder, manifest)) return 2;
    arguments.seed = recorded;
    if (arguments.choice.overrides().empty()) arguments.recorded_hash = manifest.value("trace_hash", "");
    arguments.choice.scenario = (folder / "scenario.toml").string();
    std::printf("recorded with commit %s, this is %s\n", manifest.value("commit", "unknown").c_str(),
                std::string(commit()).c_str());
    return run_command(arguments);
}

void add_run_options(CLI::App& command, RunArguments& arguments) {
    add_scenario_options(command, arguments.choice);
    command.add_option("--seed", arguments.seed, "what all dice are thrown from")
        ->check(only_digits)
        ->capture_default_str();
    command.add_option("--trace", arguments.trace, "write every delivery to this file, for diff");
    command.add_option("--out", arguments.out, "folder for report.json, series.csv, report.html and what replays it");
    command.add_flag("--quiet", arguments.quiet, "no progress");
}

int diff_command(const std::string& left, const std::string& right) {
    const auto difference = diff(left, right);
    if (!difference) {
        std::fprintf(stderr, "%s\n", difference.error().detail.c_str());
        return 2;
    }
    if (!difference->has_value()) {
        std::puts("the traces are the same");
        return 0;
    }
    const auto text = [](const std::optional<TraceEntry>& entry) {
        return entry ? to_string(*entry) : std::string("the trace ends here");
    };
    std::printf("event %llu differs\n  %s: %s\n  %s: %s\n", static_cast<unsigned long long>((*difference)->number),
                left.c_str(), text((*difference)->left).c_str(), right.c_str(), text((*difference)->right).c_str());
    return 1;
}

}  // namespace

// The library reads -1 as the largest number there is.
std::string only_digits(const std::string& text) {
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) return {};
    return "must be a whole number from 0, and is " + text;
}

std::vector<std::string> ScenarioChoice::overrides() const {
    std::vector<std::string> out = set;
    if (!nodes.empty()) out.push_back("nodes=" + nodes);
    if (!duration.empty()) out.push_back("duration=" + duration);
    return out;
}

void add_scenario_options(CLI::App& command, ScenarioChoice& choice) {
    command
        .add_option("scenario", choice.scenario,
                    "a TOML file, or the name of a preset; for replay also a report's folder")
        ->required();
    command.add_option("--nodes", choice.nodes, "instead of the scenario's");
    command.add_option("--duration", choice.duration, "virtual, after the warm-up; such as 30m");
    command.add_option("--set", choice.set, "any other value: key=value, such as network.loss=0.05");
}

void add_run(CLI::App& app, int& status) {
    auto arguments = std::make_shared<RunArguments>();
    auto* command = app.add_subcommand("run", "run one scenario with one seed");
    add_run_options(*command, *arguments);
    command->callback([arguments, &status] { status = run_command(*arguments); });
}

void add_replay(CLI::App& app, int& status) {
    auto arguments = std::make_shared<RunArguments>();
    auto* command = app.add_subcommand("replay", "run a report's folder, or a scenario and seed, again");
    add_run_options(*command, *arguments);
    command->add_option("--until", arguments->until, "stop just before this time since the start, such as 754.2s");
    command->callback([arguments, command, &status] {
        arguments->seed_given = command->count("--seed") > 0;
        status = replay_command(*arguments);
    });
}

void add_diff(CLI::App& app, int& status) {
    struct Files {
        std::string left;
        std::string right;
    };
    auto files = std::make_shared<Files>();
    auto* command = app.add_subcommand("diff", "find the first event in which two traces differ");
    command->add_option("left", files->left, "a file that --trace wrote")->required();
    command->add_option("right", files->right, "another")->required();
    command->callback([files, &status] { status = diff_command(files->left, files->right); });
}

}  // namespace presmesh::sim
