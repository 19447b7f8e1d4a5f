// Many runs: stopped half way and begun again, over MPI ranks, and side by side with plain OpenDHT.
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/prctl.h>

#include <cstdlib>

#include "sim/report_json.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;

namespace {

constexpr auto easy = R"(name = "easy"
nodes = 16
duration = "15s"
warmup = "10s"
settle = "5s"
[workload]
presentities = 24
watches_per_presentity = "zipf:1.2,max=5"
change_every = "exponential:5s"
lookup_every = "exponential:500ms"
)";

struct Sweeps : Folder {
    Sweeps() { write(path / "easy.toml", easy); }
    std::vector<std::string> command(const std::string& what, const std::string& out,
                                     const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words(1, PRESMESH_SIM);
        for (const auto& word : {what, file("easy.toml"), std::string("--out"), file(out)}) words.push_back(word);
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
    Json report(const std::string& out) const { return Json::parse(text_of(path / out / "report.json")); }
};

/// Without what the machine decides.
Json virtual_part(Json report) {
    for (auto& point : report["points"]) {
        for (const char* real : {"wall_s", "cpu_s", "peak_rss_bytes"}) {
            point.erase(real);
            point["ci95"].erase(real);
        }
    }
    return report;
}

const std::vector<std::string> eight_runs = {"--vary", "network.loss=0,0.05", "--seeds", "4", "--jobs", "2"};

/// When the four short ones are over, long ones are under way.
const std::vector<std::string> short_and_long = {"--vary", "duration=10s,2m", "--seeds", "4", "--jobs", "3"};

}  // namespace

TEST_CASE("a sweep that was stopped half way leaves nothing running, goes on where it was, and comes to the same") {
    const Sweeps folder;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what it leaves behind becomes ours
    Running sweep(folder.command("sweep", "stopped", short_and_long));
    REQUIRE(sweep.reads("[4/8]"));
    ::kill(sweep.pid(), SIGTERM);
    CHECK(sweep.end().signal == SIGTERM);
    int status = 0, stopped = 0;
    while (::waitpid(-1, &status, 0) > 0) stopped += WIFSIGNALED(status);
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    CHECK(stopped >= 1);
    CHECK_FALSE(std::filesystem::exists(folder.path / "stopped" / "report.json"));

    const auto resumed = run_program(folder.command("sweep", "stopped", short_and_long));
    CAPTURE(resumed.out);
    CHECK(resumed.status == 0);
    CHECK(resumed.has("seed=1 (kept)"));
    CHECK(resumed.has("[8/8] duration=2m seed="));
    CHECK(resumed.has("duration=2m seed=4 ok"));
    CHECK(run_program(folder.command("sweep", "whole", short_and_long)).status == 0);
    CHECK(folder.report("stopped")["points"].size() == 2);
    CHECK(virtual_part(folder.report("stopped")) == virtual_part(folder.report("whole")));
}

TEST_CASE("runs that were kept of another commit are told") {
    const Sweeps folder;
    REQUIRE(run_program(folder.command("sweep", "out", {"--seeds", "2"})).status == 0);
    const auto path = folder.path / "out" / "runs" / "seed=2" / "report.json";
    auto report = Json::parse(text_of(path));
    report["commit"] = "0123456789ab";
    write(path, report.dump());
    const auto again = run_program(folder.command("sweep", "out", {"--seeds", "2"}));
    CHECK(again.status == 0);
    CHECK(again.has("seed=1 (kept)\n"));
    CHECK(again.has("seed=2 (kept, of commit 0123456789ab)\n"));
    CHECK(again.has("warning: 1 kept run(s) are not of this program's commit"));
    CHECK(folder.report("out")["commit"].size() == 2);
}

TEST_CASE("compare runs both modes itself") {
    const Sweeps folder;
    for (const char* option : {"--vary", "--set"}) {
        const auto outcome = run_program(folder.command("compare", "out", {option, "mode=engine"}));
        CHECK(outcome.status == 2);
        CHECK(outcome.has("mode=engine: compare runs both modes itself"));
    }
}

#ifdef PRESMESH_MPIRUN
TEST_CASE("over two MPI ranks a sweep comes to the same") {
    const Sweeps folder;
    auto command = folder.command("sweep", "ranks", eight_runs);
    const std::vector<std::string> ranks = {PRESMESH_MPIRUN, "--allow-run-as-root", "--oversubscribe", "-n", "2"};
    command.insert(command.begin(), ranks.begin(), ranks.end());
    const auto outcome = run_program(command, {{"OMPI_MCA_btl=self,vader"}, {}, false});
    CAPTURE(outcome.out);
    CHECK(outcome.status == 0);
    for (int seed = 1; seed <= 4; ++seed)  // each run by one of the ranks, and four by each
        for (const char* loss : {"0", "0.05"})
            CHECK(outcome.has("/4] network.loss=" + std::string(loss) + " seed=" + std::to_string(seed) + " ok"));
    CHECK(run_program(folder.command("sweep", "alone", eight_runs)).status == 0);
    CHECK(virtual_part(folder.report("ranks")) == virtual_part(folder.report("alone")));
}
#endif

TEST_CASE("plain OpenDHT beside presmesh: one world, one table") {
    const Sweeps folder;
    const auto outcome = run_program(folder.command("compare", "both", {"--seeds", "2", "--set", "duration=30s"}));
    CAPTURE(outcome.out);
    CHECK(outcome.status <= 1);  // 1: plain OpenDHT need not keep presmesh's promises
    REQUIRE(outcome.status >= 0);
    const auto table = outcome.out.find("engine");
    REQUIRE(table != std::string::npos);
    CHECK(outcome.has("notify_delay_over_latency.p50"));
    const auto report = folder.report("both");
    REQUIRE(report["points"].size() == 2);
    const auto &engine = report["points"][0], &presmesh = report["points"][1];
    CHECK(engine["set"]["mode"] == "engine");
    CHECK(presmesh["mode"] == "presmesh");
    CHECK(engine["changes"] == presmesh["changes"]);  // the same users in the same world
    CHECK(engine["watches"] == presmesh["watches"]);
    CHECK(presmesh["notify_delay_over_latency"]["p50"].get<double>() == doctest::Approx(1).epsilon(0.02));
    CHECK(engine["notify_delay_over_latency"]["p50"].get<double>() > 1.5);
    CHECK(engine["datagrams_per_change_per_watching_node"].get<double>() >
          3 * presmesh["datagrams_per_change_per_watching_node"].get<double>());
    CHECK(engine["lookup"]["hops_mean"].get<double>() >= 1);
    CHECK(presmesh["lookup"]["success"].get<double>() > 0.9);
}
