#include "sim/sweep.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "sim/scenario_file.hpp"
#include "sim/table.hpp"
#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Measures measures_of(std::uint64_t seed, double factor) {
    Measures m;
    m.seed = seed;
    m.trace_hash = "hash" + std::to_string(seed);
    m.nodes = 64;
    m.virtual_s = 60;
    m.packets = 1000;
    m.lookup.begun = 10, m.lookup.found = 9;
    for (int i = 1; i <= 100; ++i) {
        m.notify_delay_over_latency.add(i * 0.01 * factor);
        m.lookup.first_ms.add(i * factor);
        for (auto* values : {&m.notify_delay_s, &m.crash_detection_s, &m.settle_s, &m.lookup.done_ms})
            values->add(factor);
        m.lookup.hops.add(i % 4);
    }
    m.datagrams_per_change_per_watching_node = 2 * factor;
    m.false_online_s = m.wrong_watcher_share = m.maintenance_bytes_per_node_per_s = factor;
    for (int i = 1; i <= 6; ++i) {
        Sample s;
        s.virtual_s = 10.0 * i, s.online = 60 + i, s.bytes_dht = 1000 * i, s.wall_s = 0.1 * i;
        m.series.push_back(s);
    }
    return m;
}

SweepPlan plan_in(const fs::path& folder) {
    SweepPlan plan;
    plan.scenario = "default";
    plan.vary = {*Vary::parse("nodes=64,128"), *Vary::parse("network.loss=0,0.05")};
    plan.seeds = 3;
    plan.folder = folder;
    return plan;
}

/// A stand-in for the program: "finishes" a job by copying a report made beforehand, and counts its calls.
fs::path fake_program(const fs::path& folder, const std::string& body) {
    const auto path = folder / "fake";
    std::ofstream(path) << "#!/bin/sh\necho x >> " << (folder / "calls").string() << "\n" << body << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

std::size_t calls(const fs::path& folder) {
    const auto text = text_of(folder / "calls");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("every field that DESIGN section 9 names is in report.json") {
    const Json report = report_json(*read_scenario("default"), measures_of(5, 1));
    for (const char* name : {"seed",
                             "nodes",
                             "virtual_s",
                             "wall_s",
                             "cpu_s",
                             "peak_rss_bytes",
                             "packets",
                             "bytes",
                             "notify_delay_over_latency.p50",
                             "notify_delay_over_latency.p99",
                             "datagrams_per_change_per_watching_node",
                             "crash_detection_s.p50",
                             "crash_detection_s.p99",
                             "crash_detection_s.max",
                             "false_offline",
                             "false_online_s",
                             "wrong_watcher_share",
                             "lost_changes",
                             "forged_accepted",
                             "lookup.success",
                             "lookup.hops_mean",
                             "lookup.p50_ms",
                             "lookup.p99_ms",
                             "maintenance_bytes_per_node_per_s"}) {
        CAPTURE(name);
        CHECK(find_number(report, name) != nullptr);
    }
    CHECK(find_number(report, "settle_s.max") != nullptr);
    CHECK(report["trace_hash"] == "hash5");
    CHECK(report["commit"].is_string());
    CHECK(find_number(report, "lookup.success")->get<double>() == doctest::Approx(0.9));
    CHECK(find_number(report, "notify_delay_over_latency.p50")->get<double>() == doctest::Approx(0.5));
}

TEST_CASE("replications become means with Student's interval, for every number") {
    const auto scenario = *read_scenario("default");
    std::vector<Json> runs;
    for (int i = 1; i <= 5; ++i) runs.push_back(report_json(scenario, measures_of(std::uint64_t(i), i)));
    const Json merged = merge_reports(runs);
    const auto expected = estimate({2, 4, 6, 8, 10});
    CHECK(find_number(merged, "datagrams_per_change_per_watching_node")->get<double>() ==
          doctest::Approx(expected.mean));
    CHECK(find_number(merged, "ci95.datagrams_per_change_per_watching_node")->get<double>() ==
          doctest::Approx(expected.half_width));
    for (const auto& row : measure_rows()) {
        CAPTURE(row.name);
        const auto mean = std::string(row.name) + (row.name.ends_with(".max") ? "_mean" : "");
        CHECK(find_number(merged, "ci95." + mean) != nullptr);
    }
    CHECK(find_number(merged, "crash_detection_s.max")->get<double>() == 5);  // the worst of all, no mean
    CHECK(find_number(merged, "crash_detection_s.max_mean")->get<double>() == 3);
    CHECK(find_number(merged, "ci95.crash_detection_s.max") == nullptr);
    CHECK(merged["replications"] == 5);
    CHECK(merged["seed"].size() == 5);
    CHECK(merged["distributions"]["lookup_first_ms"][50][1].get<double>() == doctest::Approx(150).epsilon(0.02));
    CHECK(find_number(merge_reports({runs[0]}), "ci95.packets") == nullptr);
}

TEST_CASE("a run that had nothing to measure something on says so, and is not averaged in as 0") {
    const auto scenario = *read_scenario("default");
    Measures with = measures_of(1, 1), none;
    with.crash_detection_s = {};
    with.crash_detection_s.add(24);
    none.seed = 2;
    none.trace_hash = "hash2";
    const Json empty = report_json(scenario, none);
    for (const char* name :
         {"crash_detection_s.p50", "notify_delay_s.p99", "notify_delay_over_latency.mean", "settle_s.max",
          "lookup.success", "lookup.hops_mean", "lookup.p50_ms", "lookup.done_p50_ms", "false_online_s",
          "wrong_watcher_share", "datagrams_per_change_per_watching_node"}) {
        CAPTURE(name);
        CHECK(find_number(empty, name) == nullptr);
    }
    CHECK(empty["crash_detection_s"]["p50"].is_null());
    CHECK(find_number(empty, "false_offline")->get<double>() == 0);

    Json point = merge_reports({report_json(scenario, with), empty});
    CHECK(find_number(point, "crash_detection_s.p50")->get<double>() == 24);
    CHECK(find_number(point, "ci95.crash_detection_s.p50") == nullptr);
    CHECK(measured_in(point, "crash_detection_s.p50") == 1);
    CHECK(find_number(point, "ci95.false_offline") != nullptr);
    CHECK(measured_in(point, "false_offline") == 2);
    point["set"] = Json::object();
    const auto csv = sweep_csv(Json::array({point}));
    CHECK(csv.find("\ncrash_detection_s.p50,24,,1\n") != std::string::npos);
    CHECK(csv.find("\nfalse_offline,0,0,2\n") != std::string::npos);
    CHECK(table_of(Json::array({point})).find("24 (1 of 2)") != std::string::npos);

    Json nothing = merge_reports({empty, empty});
    CHECK(nothing["crash_detection_s"]["p50"].is_null());
    nothing["set"] = Json::object();
    CHECK(sweep_csv(Json::array({nothing})).find("\ncrash_detection_s.p50,,,0\n") != std::string::npos);
}

TEST_CASE("a failed check of one seed is the point's") {
    const auto scenario = *read_scenario("default");
    auto bad = measures_of(9, 1);
    bad.violations.push_back({"resurrected", 754250ms, "node 3 saw the past"});
    bad.violation_count = 1;
    const Json merged = merge_reports({report_json(scenario, measures_of(8, 1)), report_json(scenario, bad)});
    CHECK_FALSE(merged["ok"].get<bool>());
    CHECK(merged["violations"][0]["seed"] == 9);
    CHECK(replay_command("out", bad) == "presmesh-sim replay out --until 754250ms");
    CHECK(replay_command("my runs/it's", bad) == "presmesh-sim replay 'my runs/it'\\''s' --until 754250ms");
}

TEST_CASE("every combination of what is varied, and every seed of it") {
    CHECK(Vary::parse("a=1\\,2,3")->values == std::vector<std::string>{"1,2", "3"});
    for (const char* text : {"nodes", "=1", "nodes=", "nodes=1,,2", "nodes=1,1"}) CHECK_FALSE(Vary::parse(text));
    const TempFolder folder;
    const auto jobs = jobs_of(plan_in(folder.path()));
    REQUIRE(jobs);
    CHECK(jobs->size() == 12);
    CHECK(jobs->at(0).folder.filename() == "nodes=64,network.loss=0,seed=1");
    CHECK(jobs->at(11).folder.filename() == "nodes=128,network.loss=0.05,seed=3");
    auto wrong = plan_in(folder.path());
    wrong.vary.push_back(*Vary::parse("nods=1,2"));
    const auto faults = jobs_of(wrong);
    REQUIRE_FALSE(faults);
    CHECK(faults.error().size() == 2);
    CHECK(faults.error()[0].find("is nodes meant?") != std::string::npos);
}

TEST_CASE("no two settings share a folder, and its name is one that a system takes") {
    const TempFolder folder;
    auto plan = plan_in(folder.path());
    plan.seeds = 2;
    std::string events = "[";
    for (int i = 0; i < 12; ++i) events += "{at=\"1m\"\\,kill=0." + std::to_string(i + 1) + "}\\,";
    plan.vary = {*Vary::parse("name=a b,a_b,a:b,a\\,b,\xc3\xa4,\xc3\xb6"), *Vary::parse("source=a,a\\,x=2"),
                 *Vary::parse("event=" + events + "]," + events + "{at=\"2m\"\\,kill=1.0}]")};
    const auto jobs = jobs_of(plan);
    if (!jobs) FAIL(jobs.error().front());
    REQUIRE(jobs->size() == 48);
    std::set<std::string> names;
    for (const auto& job : *jobs) {
        CHECK(names.insert(job.folder.filename().string()).second);
        REQUIRE(*prepare(job));
    }
    plan.vary = {*Vary::parse("churn.model=exponential:5m,exponential:6m")};
    const auto name = jobs_of(plan)->at(1).folder.filename().string();
    CHECK(name.starts_with("churn.model=exponential_5m,"));
    CHECK(name.ends_with(",seed=2"));
}

TEST_CASE("a sweep resumes: finished runs are kept, broken and other ones are run") {
    const TempFolder folder;
    const auto jobs = *jobs_of(plan_in(folder.file("out")));
    const auto scenario = *read_scenario("default");
    for (std::size_t i = 0; i < jobs.size(); ++i)
        REQUIRE(write_report(fs::path(folder.file("made")) / jobs[i].folder.filename(), scenario,
                             measures_of(jobs[i].seed, i < 6 ? 1 : 2)));
    // The fourth call fails; the others hand in the report that was made for them.
    const auto program =
        fake_program(folder.path(), "test \"$1\" = job || exit 9\n[ $(wc -l < " + folder.file("calls") +
                                        ") = 4 ] && { echo broke; exit 3; }\ncp " + folder.file("made") +
                                        "/$(basename \"$2\")/*.csv " + folder.file("made") +
                                        "/$(basename \"$2\")/report.json \"$2\"/");
    std::size_t failed = 0, kept = 0;
    const auto count = [&](const JobOutcome& outcome) {
        failed += !outcome.finished, kept += outcome.kept;
        if (!outcome.finished) CHECK(outcome.failure == "ended with status 3: broke");
    };
    run_jobs(jobs, 1, count, program);
    CHECK(calls(folder.path()) == 12);
    CHECK(failed == 1);
    CHECK(kept == 0);
    failed = 0;
    const auto outcomes = run_jobs(jobs, 4, count, program);
    CHECK(calls(folder.path()) == 13);
    CHECK(failed == 0);
    CHECK(kept == 11);
    for (const auto& outcome : outcomes) CHECK(outcome.ok);

    auto longer = plan_in(folder.file("out"));
    longer.overrides = {"duration=1h"};  // another sweep in the same folder: nothing of it counts
    CHECK(*prepare(jobs_of(longer)->at(0)));
    CHECK_FALSE(fs::exists(jobs_of(longer)->at(0).folder / "report.json"));
    CHECK_FALSE(*prepare(jobs[1]));

    const auto points = merge(jobs);
    CHECK(points.size() == 4);
    CHECK(points[0]["set"]["nodes"] == "64");
    CHECK(points[0]["series"]["online"].size() == 6);
    CHECK(find_number(points[2], "datagrams_per_change_per_watching_node")->get<double>() == 4);
    REQUIRE(write_sweep(folder.file("out"), "test", points));
    CHECK(text_of(folder.file("out/sweep.csv")).find("\"64\",\"0\",packets,1000,0,") != std::string::npos);
    CHECK(table_of(points).find("nodes=128,network.loss=0.05") != std::string::npos);
}

TEST_CASE("what is no report of the run is run again, and what has none is missing") {
    const TempFolder folder;
    auto plan = plan_in(folder.file("out"));
    plan.vary = {*Vary::parse("nodes=64,128")};
    const auto jobs = *jobs_of(plan);
    const auto scenario = *read_scenario("default");
    for (const auto& job : jobs) {
        REQUIRE(*prepare(job));
        REQUIRE(write_file(job.folder / "report.json", report_json(scenario, measures_of(job.seed, 1)).dump()));
        CHECK_FALSE(*prepare(job));
    }
    auto other = report_json(scenario, measures_of(2, 1));
    CHECK(merge(jobs)[0]["ok"] == true);
    for (const std::string& damaged :
         {std::string(), std::string("{\"ok\":true}"), std::string("{\"ok\":"), other.dump()}) {
        CAPTURE(damaged);
        REQUIRE(write_file(jobs[0].folder / "report.json", damaged));
        CHECK(*prepare(jobs[0]));
        CHECK(merge(jobs)[0]["missing"] == Json::array({1}));
    }
    REQUIRE(fs::create_directories(jobs[0].folder / "report.json" / "x"));
    CHECK(*prepare(jobs[0]));
    CHECK_FALSE(fs::exists(jobs[0].folder / "report.json"));
    for (int i = 3; i < 6; ++i) fs::remove(jobs[std::size_t(i)].folder / "report.json");
    const auto points = merge(jobs), missing = missing_runs(jobs);
    REQUIRE(points.size() == 1);
    CHECK(points[0]["ok"] == false);
    CHECK(points[0]["replications"] == 2);
    CHECK(missing.size() == 4);
    REQUIRE(write_sweep(folder.file("out"), "test", points, missing));
    const auto report = Json::parse(text_of(folder.file("out/report.json")));
    CHECK(report["ok"] == false);
    CHECK(report["missing"][3] == Json{{"set", {{"nodes", "128"}}}, {"seed", 3}});
    CHECK(text_of(folder.file("out/report.html")).find("\"missing\":[{\"set\":{\"nodes\":\"64\"},\"seed\":1}") !=
          std::string::npos);
}

TEST_CASE("a merged report names every commit that its runs are of") {
    const auto scenario = *read_scenario("default");
    auto one = report_json(scenario, measures_of(1, 1)), two = report_json(scenario, measures_of(2, 1));
    CHECK(merge_reports({one, two})["commit"] == one["commit"]);
    two["commit"] = "0123456789ab";
    CHECK(merge_reports({one, two, one})["commit"] == Json::array({one["commit"], "0123456789ab"}));
}

TEST_CASE("sweep.csv doubles quotes in what was varied") {
    auto point = merge_reports({report_json(*read_scenario("default"), measures_of(1, 1))});
    point["set"] = {{"event", "[{at=\"1m\",kill=0.1}]"}};
    CHECK(sweep_csv(Json::array({point})).find("\n\"[{at=\"\"1m\"\",kill=0.1}]\",packets,1000,,1\n") !=
          std::string::npos);
}

TEST_CASE("a key is varied once") {
    const TempFolder folder;
    auto plan = plan_in(folder.path());
    plan.vary.push_back(*Vary::parse("nodes=256"));
    const auto jobs = jobs_of(plan);
    REQUIRE_FALSE(jobs);
    CHECK(jobs.error() == std::vector<std::string>{"--vary nodes: a key is varied once, with all its values"});
}

TEST_CASE("a run's folder holds what it takes to run it again, and a page that needs nothing from outside") {
    const TempFolder folder;
    auto scenario = *read_scenario("default", {"nodes=64"});
    scenario.name = "a </script> & more";
    REQUIRE(write_report(folder.path(), scenario, measures_of(3, 1)));
    auto again = read_scenario(folder.file("scenario.toml"));
    REQUIRE(again);
    CHECK(to_toml(*again) == to_toml(scenario));
    const auto manifest = Json::parse(text_of(folder.file("manifest.json")));
    CHECK(manifest["seed"] == 3);
    CHECK(manifest["trace_hash"] == "hash3");
    const auto csv = text_of(folder.file("series.csv"));
    CHECK(csv.starts_with("virtual_s,online,"));
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 7);
    const auto page = text_of(folder.file("report.html"));
    CHECK(page.find("a &lt;/script> &amp; more") != std::string::npos);
    CHECK(page.find("{{") == std::string::npos);
    CHECK(page.find("<script src") == std::string::npos);
    CHECK(page.find("<link") == std::string::npos);
    CHECK(page.find("\"a <\\/script>") != std::string::npos);
}
