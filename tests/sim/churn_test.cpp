#include "sim/churn.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "sim/churn_trace.hpp"
#include "sim/run.hpp"
#include "sim/scenario_file.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using proto::Duration;

namespace {

Scenario churning(const std::string& churn, std::uint32_t nodes) {
    auto read = parse_scenario("nodes = " + std::to_string(nodes) + "\n[churn]\n" + churn, "s.toml");
    if (!read) FAIL(read.error().front());
    return *read;
}

struct Life {
    bool online;
    Duration since;  ///< of the running state; negative ages are residual starts
    Duration until;
    bool starts_online;
};

/// Plays every node up to `end`: who is there then, and until when.
std::vector<Life> play(ChurnPlan& plan, std::uint32_t nodes, Duration end) {
    std::vector<Life> lives;
    for (NodeIndex node = 0; node < nodes; ++node) {
        Life life{plan.online_at_start(node), {}, Duration::max(), plan.online_at_start(node)};
        auto change = plan.next(node, Duration{0});
        while (change && change->at <= end) {
            CHECK(change->online != life.online);
            life.online = change->online;
            life.since = change->at;
            change = plan.next(node, change->at);
        }
        if (change) life.until = change->at;
        lives.push_back(life);
    }
    return lives;
}

double online_share(const std::vector<Life>& lives) {
    return double(std::count_if(lives.begin(), lives.end(), [](const auto& l) { return l.online; })) /
           double(lives.size());
}

/// Kolmogorov and Smirnov between two samples; true samples pass with 99.9%, and the seeds are fixed.
bool same_law(std::vector<double> a, std::vector<double> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    double worst = 0;
    for (double x : a) {
        const auto f = double(std::upper_bound(a.begin(), a.end(), x) - a.begin()) / double(a.size());
        const auto g = double(std::upper_bound(b.begin(), b.end(), x) - b.begin()) / double(b.size());
        worst = std::max(worst, std::abs(f - g));
    }
    return worst < 1.95 * std::sqrt(double(a.size() + b.size()) / double(a.size()) / double(b.size()));
}

constexpr const char* models[] = {
    "preset = \"kad-steiner-2009\"",
    "model = \"exponential:60m\"",
    "model = \"pareto:scale=10m,shape=3\"\noffline = \"lognormal:median=5m,sigma=1\"",
    "preset = \"ipfs-like\"",
};

}  // namespace

TEST_CASE(
    "a population is stationary from the first moment: as many are there, with as long to go, later as at the start") {
    for (const auto* model : models) {
        CAPTURE(model);
        const std::uint32_t nodes = 6'000;
        const auto scenario = churning(model, nodes);
        auto early_plan = *make_churn_plan(scenario, 1);
        auto late_plan = *make_churn_plan(scenario, 2);
        const auto early = play(*early_plan, nodes, Duration{0});
        const Duration later = 5h;
        const auto late = play(*late_plan, nodes, later);
        CHECK(std::abs(online_share(early) - online_share(late)) < 0.03);
        for (const bool online : {true, false}) {
            std::vector<double> left_early, left_late;
            for (const auto& l : early)
                if (l.online == online && l.until != Duration::max()) left_early.push_back(double(l.until.count()));
            for (const auto& l : late)
                if (l.online == online && l.until != Duration::max())
                    left_late.push_back(double((l.until - later).count()));
            CHECK(same_law(left_early, left_late));
        }
    }
}

TEST_CASE("a population of fresh sessions would not pass the same test") {
    proto::SeededRandom random(4);
    const auto kad = churning("preset = \"kad-steiner-2009\"", 10).churn.classes.at(0);
    std::vector<double> fresh, residual;
    for (int i = 0; i < 3000; ++i) {
        fresh.push_back(double(kad.session->sample(random).count()));
        residual.push_back(double(kad.session->sample_residual(random).count()));
    }
    CHECK_FALSE(same_law(fresh, residual));
}

TEST_CASE("a node's life depends on the seed and its number alone") {
    const auto few = churning("model = \"exponential:10m\"", 10);
    const auto many = churning("model = \"exponential:10m\"", 100);
    auto a = *make_churn_plan(few, 7), b = *make_churn_plan(many, 7), c = *make_churn_plan(many, 8);
    bool differs = false;
    for (NodeIndex node = 10; node-- > 0;) {  // in another order
        const auto first = a->next(9 - node, {});
        (void)first;
    }
    auto again = *make_churn_plan(few, 7);
    for (NodeIndex node = 0; node < 10; ++node) {
        const auto x = again->next(node, {}), y = b->next(node, {}), z = c->next(node, {});
        CHECK(x->at == y->at);
        CHECK(x->crash == y->crash);
        differs = differs || z->at != y->at;
    }
    CHECK(differs);
}

TEST_CASE("shares: crashes, disks, and nodes that never leave") {
    auto scenario = churning(
        "model = \"classes\"\n[[churn.class]]\nname = \"a\"\nshare = 0.25\nsession = \"never\"\n"
        "[[churn.class]]\nname = \"b\"\nshare = 0.75\nsession = \"exponential:1m\"\ncrash = 0.2\nkeeps_disk = 0.5\n",
        4'000);
    auto plan = *make_churn_plan(scenario, 3);
    int stay = 0, leave = 0, crash = 0, keep = 0;
    for (NodeIndex node = 0; node < 4'000; ++node) {
        const auto change = plan->next(node, {});
        if (!change) {
            ++stay;
            CHECK(plan->online_at_start(node));
        } else if (!change->online) {
            ++leave, crash += change->crash, keep += change->keeps_disk;
        }
    }
    CHECK(stay == doctest::Approx(1'000).epsilon(0.1));
    CHECK(leave == doctest::Approx(1'500).epsilon(0.1));
    CHECK(double(crash) / leave == doctest::Approx(0.2).epsilon(0.2));
    CHECK(double(keep) / leave == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("by day more return than by night") {
    const auto scenario =
        churning("model = \"exponential:1h\"\ndiurnal_amplitude = 0.8\ndiurnal_period = \"24h\"\n", 3'000);
    auto plan = *make_churn_plan(scenario, 5);
    int by_day = 0, by_night = 0;
    for (NodeIndex node = 0; node < 3'000; ++node) {
        for (auto change = plan->next(node, {}); change->at < 48h; change = plan->next(node, change->at)) {
            if (!change->online) continue;
            (change->at % Duration(24h) < 12h ? by_day : by_night)++;
        }
    }
    CHECK(by_day > 1.3 * by_night);
}

TEST_CASE("with offline never all are there at the start, and who leaves has left for good") {
    const auto scenario = churning("model = \"exponential:1m\"\noffline = \"never\"\ncrash = 1\n", 200);
    auto plan = *make_churn_plan(scenario, 6);
    for (NodeIndex node = 0; node < 200; ++node) {
        CHECK(plan->online_at_start(node));
        const auto left = plan->next(node, {});
        REQUIRE(left);
        CHECK_FALSE(left->online);
        CHECK(left->crash);
        CHECK_FALSE(plan->next(node, left->at));
    }
}

TEST_CASE("churn that starts later leaves everyone alone until then") {
    auto scenario = churning("model = \"exponential:1m\"\nstarts = \"10m\"\n", 200);
    auto plan = *make_churn_plan(scenario, 6);
    for (NodeIndex node = 0; node < 200; ++node) CHECK(plan->next(node, {})->at > 10min);
}

TEST_CASE("a trace is played as written") {
    std::istringstream text("# who when what\n0 3 leave\n\n1.5s, 4, join  # late\n10m 3 join\n12m 3 crash\n");
    auto trace = read_churn_trace(text, "t", 5);
    REQUIRE(trace);
    REQUIRE(trace->at(3).size() == 3);
    CHECK(trace->at(3)[0].at == 0s);
    CHECK(trace->at(3)[2].crash);
    CHECK(trace->at(4)[0].at == 1500ms);
    CHECK(trace->at(4)[0].online);
}

TEST_CASE("a trace with a fault is refused with the line") {
    const std::pair<const char*, const char*> cases[] = {
        {"1s 0 leave\n1s 0 join\n", "t:2: the times of node 0 must rise"},
        {"1s 0 leave\n2s 0 crash\n", "t:2: node 0 is gone already"},
        {"1s 0 join\n2s 0 join\n", "t:2: node 0 is there already"},
        {"# x\n1s 5 leave\n", "t:2: \"5\" is no node; they are numbered 0 to 4"},
        {"1s -1 leave\n", "t:1: \"-1\" is no node"},
        {"1x 1 leave\n", "t:1: \"1x\" is not a time"},
        {"1s 1 died\n", "t:1: \"died\" is not join, leave or crash"},
        {"1s 1\n", "t:1: a line must be a time, a node"},
        {"", "t: nobody comes or goes in it; a line must be"},
        {"# nothing\n\n", "t: nobody comes or goes in it; a line must be"},
    };
    for (const auto& [written, fault] : cases) {
        const auto& text = written;  // clang 14 captures no structured bindings
        CAPTURE(text);
        std::istringstream in(text);
        auto trace = read_churn_trace(in, "t", 5);
        REQUIRE_FALSE(trace);
        CHECK(trace.error().detail.find(fault) == 0);
    }
    CHECK(read_churn_trace(std::filesystem::path("/nowhere"), 5).error().reason == proto::Reason::not_found);
    const auto folder = read_churn_trace(std::filesystem::path("/tmp"), 5);
    REQUIRE_FALSE(folder);
    CHECK(folder.error().detail == "/tmp cannot be read: Is a directory");
}

namespace {

/// The column `online` of a run with such a trace.
std::vector<std::uint32_t> online_with(std::uint32_t nodes, const std::string& trace, const std::string& events = {}) {
    const Folder folder;
    write(folder.path / "lives", trace);
    const auto scenario = parse_scenario("nodes = " + std::to_string(nodes) + R"(
warmup = "60s"
duration = "60s"
settle = "1s"
[churn]
model = "trace:lives"
[workload]
presentities = 1
watches_per_presentity = "none"
lookup_every = "never"
)" + events,
                                         "traced.toml", folder.path);
    if (!scenario) FAIL(scenario.error().front());
    const auto measures = run(*scenario, 1);
    if (!measures) FAIL(measures.error().detail);
    std::vector<std::uint32_t> online;
    for (const auto& row : measures->series) online.push_back(row.online);
    return online;
}

}  // namespace

TEST_CASE("a trace is played as written, also to nodes that have not joined yet") {
    std::string all_leave, all_come_later;
    for (int node = 1; node < 12; ++node) {
        all_leave += "0s " + std::to_string(node) + " leave\n";
        all_come_later += "10ms " + std::to_string(node) + " crash\n65s " + std::to_string(node) + " join\n";
    }
    CHECK(online_with(12, all_leave) == std::vector<std::uint32_t>(12, 1));
    const auto later = online_with(12, all_come_later);
    CHECK(std::vector(later.begin(), later.begin() + 6) == std::vector<std::uint32_t>(6, 1));
    CHECK(std::vector(later.begin() + 6, later.end()) == std::vector<std::uint32_t>(6, 12));
}

TEST_CASE("a killed node does not come back into its absence, and comes when that is over") {
    const std::string kill = "[[event]]\nat = \"1s\"\nkill = 1.0\nlasts = \"20s\"\n";  // from 61s to 81s
    CHECK(online_with(3, "65s 1 leave\n105s 1 join\n", kill) ==
          std::vector<std::uint32_t>{3, 3, 3, 3, 3, 3, 0, 0, 2, 2, 3, 3});
    CHECK(online_with(3, "65s 1 leave\n75s 1 join\n", kill) ==
          std::vector<std::uint32_t>{3, 3, 3, 3, 3, 3, 0, 0, 3, 3, 3, 3});
}
