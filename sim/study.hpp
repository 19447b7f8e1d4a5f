// The commands of presmesh-sim that are about many runs, and about scenarios: sweep, compare, check, presets, and the
// job that a sweep starts for each of its runs. Exit status as in commands.hpp.
#pragma once

namespace CLI {
class App;
}

namespace presmesh::sim {

void add_studies(CLI::App& app, int& status);

}  // namespace presmesh::sim
