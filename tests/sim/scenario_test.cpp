#include <doctest/doctest.h>

#include <algorithm>

#include "sim/scenario_file.hpp"
#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

ScenarioFaults faults_of(std::string_view text, const std::vector<std::string>& overrides = {}) {
    auto read = parse_scenario(text, "s.toml", {}, overrides);
    return read ? ScenarioFaults{} : read.error();
}

bool has(const ScenarioFaults& faults, std::string_view text) {
    return std::any_of(faults.begin(), faults.end(), [&](const auto& f) { return f.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("the preset that writes every default down is the default") {
    auto read = read_scenario("default");
    REQUIRE(read);
    Scenario silent;
    silent.name = "default";
    CHECK(to_toml(*read) == to_toml(silent));
}

TEST_CASE("every preset reads, names its source where it has one, and reads back equal") {
    CHECK(presets().size() >= 6);
    for (const auto& preset : presets()) {
        CAPTURE(preset.name);
        auto read = read_scenario(std::string(preset.name));
        if (!read) FAIL(read.error().front());
        const auto written = to_toml(*read);
        auto again = parse_scenario(written, "again.toml");
        if (!again) FAIL(again.error().front());
        CHECK(to_toml(*again) == written);
    }
    auto kad = read_scenario("kad-steiner-2009");
    REQUIRE(kad->churn.classes.size() == 1);
    CHECK(kad->churn.source.find("Steiner") != std::string::npos);
    CHECK(kad->churn.classes[0].session->mean() > proto::Duration(240min));
}

TEST_CASE("all faults at once, each with its line and what is allowed") {
    const auto faults = faults_of(R"(nodes = 1
duraton = "5m"
mode = "engin"
[network]
loss = 2
latency = "fast"
[churn]
model = "weibul:scale=1m,shape=1"
[workload]
presentities = "many"
[[event]]
at = "5m"
partitoin = 0.5
[[event]]
at = "1m"
partition = 0.5
[attack]
modle = "drop"
)");
    CHECK(has(faults, "s.toml:1: nodes must lie between 2 and"));
    CHECK(has(faults, "s.toml:2: does not know duraton; is duration meant?"));
    CHECK(
        has(faults, "s.toml:3: mode must be one of \"presmesh\", \"engine\", and is \"engin\"; is \"engine\" meant?"));
    CHECK(has(faults, "s.toml:5: [network] loss must lie between 0 and 0.99, and is 2"));
    CHECK(has(faults, "s.toml:6: [network] latency: "));
    CHECK(has(faults, "s.toml:8: [churn] model: "));
    CHECK(has(faults, "trace:FILE"));
    CHECK(has(faults, "s.toml:10: [workload] presentities must be a whole number, and is a text"));
    CHECK(has(faults, "must have one of partition, kill"));
    CHECK(has(faults, "s.toml:13: [[event]] does not know partitoin; is partition meant?"));
    CHECK(has(faults, "s.toml:14: [[event]] needs lasts"));
    CHECK(has(faults_of("[[event]]\nat = \"1m\"\nclock_skew = \"5m\"\n"), "s.toml:1: [[event]] needs lasts"));
    CHECK(has(faults, "s.toml:18: [attack] does not know modle; is model meant?"));
    CHECK(has(faults_of("nodes = \n"), "s.toml:1: "));
    CHECK(has(faults_of("[churn]\npreset = \"kad\"\n"), "s.toml:2: [churn] preset \"kad\" is not known"));
    CHECK(has(faults_of("base = \"one-hour-session\"\n"), "is the preset one-hour-sessions meant?"));
}

TEST_CASE("what no line says alone is checked as well") {
    const auto late = faults_of(
        "duration = \"5m\"\n[[event]]\nat = \"1m\"\nkill = 0.1\n"
        "[[event]]\nat = \"4m\"\npartition = 0.5\nlasts = \"2m\"\n");
    REQUIRE(late.size() == 1);
    CHECK(late[0].starts_with("s.toml:6: the [[event]] at 4m lasts beyond the duration, 5m"));
    CHECK(has(
        faults_of("[churn]\nmodel = \"classes\"\n[[churn.class]]\nname = \"a\"\nshare = 0.5\nsession = \"never\"\n"),
        "s.toml:3: the shares of [[churn.class]] make 0.5"));
    CHECK(has(faults_of("nodes = 4\nnodes_per_provider = 5\n"),
              "s.toml:2: nodes_per_provider must be at most nodes, 4, and is 5"));
    CHECK(has(faults_of("[churn]\nmodel = \"classes\"\n"), "at least one [[churn.class]]"));
    const auto traced = faults_of("[churn]\nmodel = \"trace:t\"\ncrash = 0.9\noffline = \"10m\"\nkeeps_disk = 1\n");
    CHECK(has(traced, "s.toml:3: [churn] crash would do nothing"));
    CHECK(has(traced, "s.toml:4: [churn] offline would do nothing"));
    CHECK_FALSE(has(traced, "keeps_disk"));
}

TEST_CASE("gaps and lengths of zero, with which time would stand still, are refused") {
    for (const char* zero : {"constant:0s", "uniform:0s-0s"}) {
        for (const char* key : {"workload.change_every", "workload.lookup_every", "churn.model", "churn.offline"}) {
            const auto faults = faults_of("", {std::string(key) + "=" + zero});
            CAPTURE(key);
            REQUIRE(faults.size() == 1);
            CHECK(faults[0].find(": \"" + std::string(zero) + "\": must be above zero on average") !=
                  std::string::npos);
        }
        CHECK(has(faults_of("[churn]\nmodel = \"classes\"\n[[churn.class]]\nname = \"a\"\nshare = 1\nsession = \"" +
                            std::string(zero) + "\"\n"),
                  "s.toml:6: [churn] class session: "));
        CHECK(faults_of("", {std::string("network.latency=") + zero}).empty());
    }
    CHECK(faults_of("", {"workload.change_every=uniform:0s-1s"}).empty());
}

TEST_CASE("a fault says why, shows an example, and comes alone") {
    CHECK(has(faults_of("duration = 5\n"),
              "s.toml:1: duration must be a text such as \"50ms\", \"90s\" or \"30m\", and is a number"));
    CHECK(has(faults_of("[workload]\nchange_every = 5\n"), "change_every must be a text such as \"exponential:2m\""));
    CHECK(has(faults_of("[network]\nlatency = 50\n"), "latency must be a text such as \"constant:50ms\""));
    CHECK(has(faults_of("[network]\nlatency = \"uniform:70ms-10ms\"\n"),
              "s.toml:2: [network] latency: \"uniform:70ms-10ms\": needs two times, the lower first, such as "
              "uniform:10ms-70ms; or coordinates"));
    const auto mistyped = faults_of("[[event]]\nat = \"1m\"\npartitoin = 0.5\nshape = \"partial\"\n");
    CHECK(mistyped.size() == 2);
    CHECK(has(mistyped, "does not know partitoin; is partition meant?"));
    CHECK(has(mistyped, "must have one of partition, kill"));
    CHECK(faults_of("[[event]]\nat = \"1m\"\nclock_skew = 5\nlasts = \"1m\"\n").size() == 1);
}

TEST_CASE("a setting without effect is refused, where it was said last") {
    CHECK(has(faults_of("[churn]\nmodel = \"exponential:1h\"\npreset = \"ipfs-like\"\n"),
              "s.toml:3: [churn] preset would do nothing beside model"));
    CHECK(has(faults_of("[churn]\ndiurnal_amplitude = 0.5\n"), "s.toml:2: [churn] diurnal_amplitude would do nothing"));
    CHECK(has(faults_of("[churn]\nmodel = \"trace:t\"\n", {"churn.diurnal_amplitude=0.5"}),
              "--set churn.diurnal_amplitude=0.5: [churn] diurnal_amplitude would do nothing"));
    CHECK(faults_of("[churn]\nmodel = \"none\"\ndiurnal_amplitude = 0\n").empty());
    CHECK(faults_of("", {"churn.diurnal_amplitude=0.5", "churn.model=exponential:1h"}).empty());
    const auto calm = parse_scenario("[churn]\nmodel = \"exponential:1h\"\ndiurnal_amplitude = 0.5\n", "s.toml", {},
                                     {"churn.model=none"});
    if (!calm) FAIL(calm.error().front());
    CHECK(parse_scenario(to_toml(*calm), "again.toml"));
}

TEST_CASE("overrides come last, and their faults name them") {
    auto read = parse_scenario("nodes = 50\n[[event]]\nat = \"1m\"\npartition = 0.5\nlasts = \"1m\"\n", "s.toml", {},
                               {"nodes=64", "duration=5m", "network.loss=0.05", "churn.model=exponential:60m",
                                "event=[]", "workload.change_every=never", "network.latency=uniform:10ms-70ms"});
    if (!read) FAIL(read.error().front());
    CHECK(read->nodes == 64);
    CHECK(read->duration == 5min);
    CHECK(read->network.loss == 0.05);
    CHECK(read->churn.classes.at(0).session->text() == "exponential:60m");
    CHECK(read->events.empty());
    CHECK_FALSE(read->workload.change_every);
    CHECK(read->network.latency.text == "uniform:10ms-70ms");
    CHECK(has(faults_of("", {"network.los=1"}), "--set network.los=1: [network] does not know los; is loss meant?"));
    CHECK(has(faults_of("", {"nodes"}), "--set nodes: must be written key=value"));
    CHECK(has(faults_of("nodes_per_provider = 5\n", {"nodes=4"}), "s.toml:1: nodes_per_provider"));
    CHECK(has(faults_of("", {"nodes_per_provider=5", "nodes=4"}), "--set nodes_per_provider=5: nodes_per_provider"));
    CHECK(has(faults_of("", {"event=[{at=\"40m\",kill=0.1}]"}), "--set event=[{at=\"40m\",kill=0.1}]: the [[event]]"));
}

TEST_CASE("a scenario builds on another, and on presets") {
    const TempFolder folder;
    folder.write("a.toml", "nodes = 10\n[network]\nloss = 0.1\n[churn]\nmodel = \"exponential:5m\"\ncrash = 0.2\n");
    folder.write("b.toml", "base = \"a.toml\"\n[network]\njitter = \"5ms\"\n[churn]\nmodel = \"exponential:7m\"\n");
    auto b = read_scenario(folder.file("b.toml"));
    if (!b) FAIL(b.error().front());
    CHECK(b->name == "b");
    CHECK(b->nodes == 10);
    CHECK(b->network.loss == 0.1);
    CHECK(b->network.jitter == 5ms);
    CHECK(b->churn.classes.at(0).session->text() == "exponential:7m");
    CHECK(b->churn.classes.at(0).crash == 0.2);

    auto preset = parse_scenario("[churn]\npreset = \"kad-steiner-2009\"\ncrash = 0.9\n", "s.toml");
    if (!preset) FAIL(preset.error().front());
    CHECK(preset->nodes == 1000);
    CHECK(preset->churn.preset == "kad-steiner-2009");
    CHECK(preset->churn.classes.at(0).crash == 0.9);
    CHECK(preset->churn.source.find("Steiner") != std::string::npos);

    folder.write("c.toml", "base = \"c.toml\"\n");
    auto circle = read_scenario(folder.file("c.toml"));
    REQUIRE_FALSE(circle);
    CHECK(has(circle.error(), "in a circle"));
    folder.write("d.toml", "base = \"a.toml\"\n");
    folder.write("a.toml", "nodes = 10\nnods = 11\n");
    CHECK(has(read_scenario(folder.file("d.toml")).error(), "a.toml:2: does not know nods; is nodes meant?"));
    folder.write("a.toml", "nodes = 10\n\n[[event]]\nat = \"9m\"\nkill = 0.5\n");
    const auto shorter = read_scenario(folder.file("d.toml"), {"duration=5m"});
    CHECK(has(shorter.error(), "a.toml:4: the [[event]] at 9m lasts beyond the duration, 5m"));
}

TEST_CASE("habits on top of classes reach those that say nothing of their own, or are refused") {
    auto all = read_scenario("ipfs-like", {"churn.crash=1", "churn.keeps_disk=0.25"});
    if (!all) FAIL(all.error().front());
    REQUIRE(all->churn.classes.size() == 3);
    for (const auto& c : all->churn.classes) {
        CHECK(c.crash == 1);
        CHECK(c.keeps_disk == 0.25);
    }
    const auto written = to_toml(*all);
    auto again = parse_scenario(written, "again.toml");
    if (!again) FAIL(again.error().front());
    CHECK(to_toml(*again) == written);

    const TempFolder folder;
    folder.write("a.toml",
                 "[churn]\nmodel = \"classes\"\n"
                 "[[churn.class]]\nname = \"a\"\nshare = 0.5\nsession = \"exponential:1h\"\ncrash = 0.25\n"
                 "[[churn.class]]\nname = \"b\"\nshare = 0.5\nsession = \"exponential:1h\"\noffline = \"never\"\n");
    folder.write("b.toml", "base = \"a.toml\"\n[churn]\ncrash = 1\noffline = \"exponential:5m\"\n");
    auto some = read_scenario(folder.file("b.toml"));
    if (!some) FAIL(some.error().front());
    CHECK(some->churn.classes.at(0).crash == 0.25);
    CHECK(some->churn.classes.at(1).crash == 1);
    CHECK(some->churn.classes.at(0).offline.length->text() == "exponential:5m");
    CHECK(some->churn.classes.at(1).offline.for_good);
    again = parse_scenario(to_toml(*some), "again.toml");
    if (!again) FAIL(again.error().front());
    CHECK(to_toml(*again) == to_toml(*some));
    CHECK(again->churn.classes.at(1).offline.for_good);

    folder.write("c.toml", "base = \"ipfs-like\"\n[churn]\noffline = \"exponential:5m\"\n");
    const auto refused = read_scenario(folder.file("c.toml"));
    REQUIRE_FALSE(refused);
    CHECK(has(refused.error(), "c.toml:3: [churn] offline would reach nobody"));
}

TEST_CASE("an absence is for good, as long as a session, or drawn, and is always written down") {
    const auto offline = [](const std::string& churn) {
        const auto read = parse_scenario("[churn]\n" + churn, "s.toml");
        if (!read) FAIL(read.error().front());
        const auto written = to_toml(*read);
        const auto again = parse_scenario(written, "s.toml");
        if (!again) FAIL(again.error().front());
        CHECK(to_toml(*again) == written);
        const auto at = written.find("\noffline = ") + 11;
        return written.substr(at, written.find('\n', at) - at);
    };
    CHECK(offline("") == "'as-session'");
    CHECK(offline("model = \"exponential:1h\"\n") == "'as-session'");
    CHECK(offline("model = \"exponential:1h\"\noffline = \"never\"\n") == "'never'");
    CHECK(offline("offline = \"exponential:5m\"\n") == "'exponential:5m'");
    const auto back = parse_scenario("[churn]\npreset = \"kad-steiner-2009\"\noffline = \"as-session\"\n", "s.toml");
    REQUIRE(back);
    CHECK_FALSE(back->churn.classes.at(0).offline.length);
    CHECK(has(faults_of("[churn]\noffline = \"nevr\"\n"),
              "or \"as-session\", or \"never\" for nodes that leave for good"));
}

TEST_CASE("everything a scenario can say survives being written") {
    auto read = parse_scenario(R"(mode = "engine"
crypto = "real"
nodes_per_provider = 3
clock_skew = "2s"
clock_drift_ppm = 12.5
[network]
latency = "coordinates:side=100ms,least=1ms"
loss = 0.1
duplication = 0.01
unreachable = 0.25
[churn]
model = "classes"
crash = 0.3
diurnal_amplitude = 0.5
[[churn.class]]
name = "a"
share = 0.1
session = "never"
[[churn.class]]
name = "b"
share = 0.9
session = "pareto:scale=10m,shape=2.5"
offline = "exponential:1m"
crash = 1
[[event]]
at = "1m"
clock_skew = "-10m"
share = 0.3
lasts = "1m"
[[event]]
at = "2m"
flash_crowd = 50
within = "3s"
[[event]]
at = "3m"
partition = 0.3
shape = "asymmetric"
lasts = "1m"
[attack]
model = "rollback"
)",
                               "s.toml");
    if (!read) FAIL(read.error().front());
    const auto written = to_toml(*read);
    auto again = parse_scenario(written, "s.toml");
    if (!again) FAIL(again.error().front());
    CHECK(to_toml(*again) == written);
    CHECK(again->events.at(0).skew == -10min);
    CHECK(again->events.at(2).shape == Event::Shape::asymmetric);
    CHECK(again->churn.classes.at(0).crash == 0.3);
    CHECK_FALSE(again->churn.classes.at(0).session);
    CHECK(again->attack.model == AttackOptions::Model::rollback);
}
