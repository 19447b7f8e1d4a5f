// presmesh-sim: arguments, then one of the commands. What a run prints: seed and all options first, then progress, then
// results and the trace hash.
#include <CLI/CLI.hpp>

#include "sim/commands.hpp"
#include "sim/study.hpp"

int main(int argc, char** argv) {
    CLI::App app(
        "Simulates a federation of presmesh nodes in virtual time: the daemon's own core, real OpenDHT included.\n"
        "The same scenario and seed always take the same course.");
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "what every command understands");
    int status = 0;
    presmesh::sim::add_run(app, status);
    presmesh::sim::add_replay(app, status);
    presmesh::sim::add_diff(app, status);
    presmesh::sim::add_studies(app, status);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return status;
}
