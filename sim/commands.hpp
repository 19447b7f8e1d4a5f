// The commands of presmesh-sim. Exit status: 0; 1 a check failed or two traces differ; 2 arguments or scenario wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace presmesh::sim {

/// What a scenario is overridden by on the command line, in scenario_file's form.
struct ScenarioChoice {
    std::string scenario;
    std::vector<std::string> set;
    std::string nodes;
    std::string duration;
    std::vector<std::string> overrides() const;
};
/// For an option that takes a whole number: what is wrong with it, or nothing.
std::string only_digits(const std::string& text);
/// SCENARIO, --nodes, --duration, --set.
void add_scenario_options(CLI::App& command, ScenarioChoice& choice);

void add_run(CLI::App& app, int& status);
void add_replay(CLI::App& app, int& status);
void add_diff(CLI::App& app, int& status);

}  // namespace presmesh::sim
