// presmesh: keys, federation files, and a running daemon's users. Exit status 0: done; 1: refused; 2: wrong usage.
#include <csignal>

#include "node/cli/arguments.hpp"
#include "node/cli/commands.hpp"
#include "node/daemon/daemon.hpp"
#include "proto/identity.hpp"

int main(int argc, char** argv) {
    using namespace presmesh::cli;
    presmesh::proto::crypto_init();
    ::signal(SIGPIPE, SIG_IGN);
    CLI::App app{"Set up and use a node of a presence federation", "presmesh"};
    Options options;
    Run run;
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", std::string("presmesh ") + presmesh::daemon::version);
    app.add_flag("--json", options.json, "print JSON");
    app.add_option("-c,--config", options.config,
                   "the daemon's config file: where its address and a token are found (or PRESMESH_CONFIG)");
    app.add_option("--url", options.url, "the daemon's HTTP address (or PRESMESH_URL)")
        ->check(CLI::Validator(is_url, ""));
    app.add_option("--token", options.token,
                   "the bearer token (or PRESMESH_TOKEN, which does not show in the list of processes)")
        ->check(CLI::Validator(is_token, ""));
    app.add_option("--as", options.watcher, "who reads, where the token may read as anybody")
        ->check(CLI::Validator(is_user, ""));
    add_init(app, options, run);
    add_federation(app, options, run);
    add_presence(app, options, run);
    add_node(app, options, run);
    app.footer(
        "A first node:   presmesh init example.com --dir node && presmeshd --config node/presmesh.toml\n"
        "Then:           presmesh -c node/presmesh.toml publish alice@example.com --show away --note lunch\n"
        "                presmesh -c node/presmesh.toml get alice@example.com\n"
        "Each command says more: presmesh COMMAND --help. Exit status: 0 done, 1 refused, 2 wrong usage.");
    if (argc < 2) {
        std::cerr << app.help();
        return exit_usage;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::RequiredError& fault) {
        // What stands where a command should is left over; CLI11 would only say that one is missing.
        if (const auto rest = app.remaining(true); !rest.empty())
            return misused(options, "there is no command " + rest.front() + "; presmesh --help lists them");
        app.exit(fault);
        return exit_usage;
    } catch (const CLI::ParseError& fault) {
        return app.exit(fault) == 0 ? exit_ok : exit_usage;
    }
    try {
        return run ? run() : static_cast<int>(exit_usage);
    } catch (const std::exception& fault) {
        return refused(options, fault.what());
    }
}
