// Traces: where two differ, and how a run is gone through again.
#include <doctest/doctest.h>

#include "sim/trace.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;

namespace {

std::int64_t time_of(const std::string& trace, std::size_t number) {
    std::int64_t value = 0;
    for (std::size_t i = 8; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(trace[number * trace_entry_bytes + i]);
    return value;
}

}  // namespace

TEST_CASE("diff names the first event in which two traces differ") {
    const Folder folder;
    simulate({"run", folder.scenario(), "--quiet", "--nodes", "16", "--trace", folder.file("a")});
    const auto trace = text_of(folder.file("a"));
    REQUIRE(trace.size() > 1000 * trace_entry_bytes);
    CHECK(trace.size() % trace_entry_bytes == 0);
    const auto middle = trace.size() / trace_entry_bytes / 2;
    const auto diff = [&](const std::string& other) {
        write(folder.file("b"), other);
        return run_program({PRESMESH_SIM, "diff", folder.file("a"), folder.file("b")});
    };
    auto same = diff(trace);
    CHECK(same.status == 0);
    CHECK(same.has("the traces are the same"));
    for (std::size_t byte : {0, 8, 16, 31}) {
        CAPTURE(byte);
        auto other = trace;
        other[middle * trace_entry_bytes + byte] ^= 1;
        const auto outcome = diff(other);
        CHECK(outcome.status == 1);
        CHECK(outcome.has("event " + std::to_string(middle) + " differs\n"));
    }
    const auto shorter = diff(trace.substr(0, middle * trace_entry_bytes));
    CHECK(shorter.status == 1);
    CHECK(shorter.has("event " + std::to_string(middle) + " differs\n"));
    CHECK(shorter.has(folder.file("b") + ": the trace ends here"));
    const auto cut = diff(trace.substr(0, middle * trace_entry_bytes + 5));
    CHECK(cut.status == 2);
    CHECK(cut.has("is no trace"));
    const auto none = run_program({PRESMESH_SIM, "diff", folder.file("a"), folder.file("none")});
    CHECK(none.status == 2);
    CHECK(none.has(folder.file("none") + " cannot be read: No such file or directory"));
    CHECK(run_program({PRESMESH_SIM, "diff", folder.file("a"), folder.path.string()}).has("Is a directory"));
}

TEST_CASE("what is typed wrong is told") {
    const Folder folder;
    const auto sim = [&](std::vector<std::string> words) {
        words.insert(words.begin(), PRESMESH_SIM);
        return run_program(words);
    };
    const auto negative = sim({"run", folder.scenario(), "--seed", "-1"});
    CHECK(negative.status == 2);
    CHECK(negative.has("--seed: must be a whole number from 0, and is -1"));
    CHECK(sim({"sweep", folder.scenario(), "--out", folder.file("out"), "--first-seed", "-1"}).status == 2);
    std::filesystem::create_directories(folder.path / "out" / "runs");
    const auto sweep = sim({"replay", folder.file("out")});
    CHECK(sweep.status == 2);
    CHECK(sweep.has(folder.file("out") + " is no run's folder: it has no manifest.json; it is a sweep's, name one of " +
                    folder.file("out/runs") + "/"));
}

TEST_CASE("a trace that cannot be written whole is told") {
    const Folder folder;
    const auto full =
        run_program({PRESMESH_SIM, "run", folder.scenario(), "--quiet", "--nodes", "8", "--trace", "/dev/full"});
    CHECK(full.status == 2);
    CHECK(full.has("--trace: /dev/full is not whole, it cannot be written: No space left on device"));
    const auto no_folder = run_program({PRESMESH_SIM, "run", folder.scenario(), "--trace", folder.file("no/a")});
    CHECK(no_folder.status == 2);
    CHECK(no_folder.has("cannot be written: No such file or directory"));
}

TEST_CASE("a report is not run for when it cannot be kept") {
    const Folder folder;
    write(folder.file("file"), "");
    const auto refused = run_program({PRESMESH_SIM, "run", folder.scenario(), "--out", folder.file("file/out")});
    CHECK(refused.status == 2);
    CHECK(refused.has("--out: " + folder.file("file/out") + " cannot be made: Not a directory"));
    CHECK_FALSE(refused.has("trace-hash"));
    simulate({"run", folder.scenario(), "--quiet", "--nodes", "8", "--out", folder.file("out")});
    std::filesystem::remove(folder.path / "out" / "report.html");
    std::filesystem::create_directories(folder.path / "out" / "report.html" / "x");
    const auto half = run_program({PRESMESH_SIM, "run", folder.scenario(), "--quiet", "--nodes", "8", "--seed", "7",
                                   "--out", folder.file("out")});
    CHECK(half.status == 2);
    CHECK(half.has("report.html cannot be written: Is a directory"));
    CHECK(text_of(folder.path / "out" / "report.json").find("\"seed\": 7") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder.path / "out" / "report.html.part"));
}

TEST_CASE("replay --until stops just before that moment" * doctest::skip(no_equal_traces)) {
    const Folder folder;
    simulate({"run", folder.scenario(), "--quiet", "--nodes", "16", "--trace", folder.file("whole")});
    const auto whole = text_of(folder.file("whole"));
    const auto events = whole.size() / trace_entry_bytes;
    auto number = events / 2;
    const auto at = time_of(whole, number);
    while (number > 0 && time_of(whole, number - 1) == at) --number;  // the first of that moment
    const auto replayed = [&](std::int64_t until, const std::string& name) {
        simulate({"replay", folder.scenario(), "--quiet", "--nodes", "16", "--trace", folder.file(name), "--until",
                  std::to_string(until) + "us"});
        return text_of(folder.file(name));
    };
    CHECK(replayed(at, "before") == whole.substr(0, number * trace_entry_bytes));
    const auto after = replayed(at + 1, "after");
    CHECK(after.size() > number * trace_entry_bytes);
    CHECK(whole.starts_with(after));
    CHECK(time_of(after, after.size() / trace_entry_bytes - 1) == at);
}

TEST_CASE("a report's folder replays to the trace that it names" * doctest::skip(no_equal_traces)) {
    const Folder folder;
    simulate({"run", folder.scenario(), "--quiet", "--nodes", "16", "--seed", "5", "--out", folder.file("report")});
    const auto manifest = folder.path / "report" / "manifest.json";
    auto again = simulate({"replay", folder.file("report"), "--quiet"});
    CHECK_FALSE(again.has("this is NOT the trace"));
    CHECK(text_of(manifest).find(hash_of(again)) != std::string::npos);
    CHECK_FALSE(simulate({"replay", folder.file("report"), "--quiet", "--seed", "5"}).has("is of seed"));
    const auto other = run_program({PRESMESH_SIM, "replay", folder.file("report"), "--quiet", "--seed", "6"});
    CHECK(other.status == 2);
    CHECK(other.has("is of seed 5"));
    auto text = text_of(manifest);
    const auto hash = text.find(hash_of(again));
    text[hash] = text[hash] == '0' ? '1' : '0';
    write(manifest, text);
    again = simulate({"replay", folder.file("report"), "--quiet"});
    CHECK(again.has("this is NOT the trace"));
    CHECK(again.status == 1);
}
