// The files that a scenario names, a trace and a matrix: kept with the report, compared by what is in them.
#include <doctest/doctest.h>

#include <chrono>

#include "sim/report_json.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
namespace fs = std::filesystem;

namespace {

constexpr auto traced = R"(name = "traced"
nodes = 12
duration = "15s"
warmup = "10s"
settle = "5s"
crash_bound = "6s"
[network]
latency = "matrix:rtt"
[churn]
model = "trace:lives"
[workload]
presentities = 12
watches_per_presentity = "zipf:1.2,max=5"
change_every = "exponential:5s"
)";

struct Inputs : Folder {
    Inputs() {
        fs::create_directories(path / "in");
        write(path / "in" / "traced.toml", traced);
        lives("12s 3 leave\n");
        write(path / "in" / "rtt", "0 80000 20000\n80000 0 50000\n20000 50000 0\n");
    }
    void lives(const std::string& text) const { write(path / "in" / "lives", text); }
    Outcome sim(std::vector<std::string> command) const {
        command.insert(command.begin(), PRESMESH_SIM);
        auto outcome = run_program(command);
        return outcome;
    }
    Outcome sweep() const { return sim({"sweep", file("in/traced.toml"), "--seeds", "2", "--out", file("out")}); }
    Json report(const std::string& of) const { return Json::parse(text_of(path / of / "report.json")); }
};

fs::path copy_in(const fs::path& folder, const std::string& kind) {
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().filename().string().starts_with(kind + "-")) return entry.path();
    return {};
}

}  // namespace

TEST_CASE("a sweep runs again what was run with other contents of a file, and only then" *
          doctest::skip(no_equal_traces)) {
    const Inputs folder;
    const auto first = folder.sweep();
    CAPTURE(first.out);
    REQUIRE(first.status == 0);
    const auto hashes = folder.report("out")["trace_hash"];
    CHECK(folder.sweep().has("seed=2 (kept)"));

    folder.lives("12s 3 crash\n14s 5 crash\n");
    const auto other = folder.sweep();
    CAPTURE(other.out);
    CHECK(other.has("seed=1 ok"));
    CHECK_FALSE(other.has("(kept)"));
    CHECK(folder.report("out")["trace_hash"] != hashes);

    write(copy_in(folder.path / "out" / "runs" / "seed=2", "trace"), "12s 3 leave\n");
    const auto repaired = folder.sweep();
    CHECK(repaired.has("seed=1 (kept)"));
    CHECK(repaired.has("seed=2 ok"));
}

TEST_CASE("a report's folder replays where it was moved to, without the files it was made from" *
          doctest::skip(no_equal_traces)) {
    const Inputs folder;
    REQUIRE(folder.sim({"run", folder.file("in/traced.toml"), "--quiet", "--out", folder.file("report")}).status == 0);
    const auto plain = folder.sim({"run", folder.file("in/traced.toml"), "--quiet"});
    const auto elsewhere = folder.path / "elsewhere" / std::string(120, 'x');
    fs::create_directories(elsewhere);
    fs::rename(folder.path / "report", elsewhere / "r");
    fs::remove_all(folder.path / "in");
    const auto again = folder.sim({"replay", (elsewhere / "r").string(), "--quiet"});
    CAPTURE(again.out);
    CHECK(again.status == 0);
    CHECK_FALSE(again.has("this is NOT the trace"));
    CHECK(hash_of(again) == hash_of(plain));

    const auto matrix = copy_in(elsewhere / "r", "matrix");
    write(matrix, "0 81000 20000\n80000 0 50000\n20000 50000 0\n");
    const auto changed = folder.sim({"replay", (elsewhere / "r").string(), "--quiet"});
    CHECK(changed.status == 2);
    CHECK(changed.has(matrix.string() + " has changed"));
    fs::remove(matrix);
    const auto gone = folder.sim({"replay", (elsewhere / "r").string(), "--quiet"});
    CHECK(gone.status == 2);
    CHECK(gone.has(matrix.string() + " cannot be read: No such file or directory"));
}

TEST_CASE("check, sweep and run say the faults of the files that a scenario names, with key and line") {
    const Inputs folder;
    const auto scenario = folder.file("in/traced.toml");
    const auto fine = folder.sim({"check", scenario});
    CHECK(fine.status == 0);
    CHECK(folder.sim({"run", scenario, "--quiet"}).has("\nmatrix: 3 sites, median round trip 50 ms\n"));
    folder.lives("12s 3 leave\n13s 3 leave\n");
    write(folder.file("in/rtt"), "0 1\nx 0\n");
    for (const char* command : {"check", "sweep", "run"}) {
        CAPTURE(command);
        std::vector<std::string> words{command, scenario};
        if (command == std::string("sweep")) words.insert(words.end(), {"--out", folder.file("out")});
        const auto wrong = folder.sim(words);
        CAPTURE(wrong.out);
        CHECK(wrong.status == 2);
        CHECK(wrong.has(scenario + ":10: [churn] model: " + folder.file("in/lives") + ":2: node 3 is gone already"));
        CHECK(wrong.has(scenario + ":8: [network] latency: " + folder.file("in/rtt") +
                        ": line 2: 'x' is no round-trip time"));
        CHECK_FALSE(wrong.has("sweep:"));
    }
    fs::remove(folder.path / "in" / "rtt");
    const auto gone = folder.sim({"sweep", scenario, "--out", folder.file("out")});
    CHECK(gone.status == 2);
    CHECK(gone.has("[network] latency: " + folder.file("in/rtt") + " cannot be read: No such file or directory"));
    CHECK_FALSE(fs::exists(folder.path / "out"));
    CHECK(folder.sim({"check", scenario, "--set", "churn.model=trace:" + folder.path.string()})
              .has("[churn] model: " + folder.path.string() + " cannot be read: Is a directory"));
}
