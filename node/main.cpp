// presmeshd: the node as a daemon. Exit status 0: stopped as asked; 1: could not run; 2: the config has faults.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "node/daemon/daemon.hpp"
#include "node/daemon/printable.hpp"
#include "node/daemon/system.hpp"
#include "proto/identity.hpp"

namespace {

using namespace presmesh;

int run_daemon(const std::string& path, daemon::Loaded loaded) {
    daemon::Log log;
    if (auto done = log.configure(loaded.config.log); !done) {
        std::cerr << "presmeshd: cannot log: " << done.error().detail << "\n";
        return 1;
    }
    try {
        daemon::Daemon daemon(path, std::move(loaded), log);
        if (auto done = daemon.start(); !done) {
            log.error("cannot start: " + done.error().detail);
            return 1;
        }
        daemon.run();
        return 0;
    } catch (const std::exception& fault) {
        log.error("ends: " + std::string(fault.what()));
        return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"presmeshd: a node of a presmesh federation"};
    std::string path;
    bool check = false;
    app.add_option("-c,--config", path, "the config file (see node/CONFIG.md)")->required();
    app.add_flag("--check-config", check, "say every fault of the config and of the files it names, and end");
    app.footer(
        "Exit status: 0 stopped as asked, or the config is fine; 1 could not run, or not go on; 2 wrong usage, or "
        "the config has faults.");
    app.set_version_flag("--version", std::string("presmeshd ") + daemon::version);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& fault) {
        return app.exit(fault) == 0 ? 0 : 2;
    }

    proto::crypto_init();
    ::signal(SIGPIPE, SIG_IGN);
    auto loaded = daemon::load_all(path, daemon::system_now().wall);
    for (const auto& fault : loaded.faults) std::cerr << daemon::printable(fault.to_string()) << "\n";
    if (!loaded.faults.empty()) return 2;
    if (check) {
        std::cout << "configuration is fine\n" << std::flush;
        return std::cout ? 0 : 1;
    }
    return run_daemon(path, std::move(loaded));
}
