// The commands of presmesh; each adds itself to the parser, and answers with an exit status when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "node/cli/output.hpp"

namespace presmesh::cli {

/// The command that was chosen runs after the whole line was read.
using Run = std::function<int()>;

void add_init(CLI::App& app, const Options& options, Run& run);
void add_federation(CLI::App& app, const Options& options, Run& run);
void add_presence(CLI::App& app, const Options& options, Run& run);
void add_node(CLI::App& app, const Options& options, Run& run);

}  // namespace presmesh::cli
