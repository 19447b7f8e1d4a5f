#include "sim/world.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "tests/support/stage.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using proto::Bytes;
using proto::Duration;
using proto::Now;

namespace {

struct Tokens final : Actor {
    std::vector<std::uint64_t> seen;
    std::function<void(std::uint64_t)> then;
    void act(std::uint64_t token) override {
        seen.push_back(token);
        if (then) then(token);
    }
};

}  // namespace

TEST_CASE("the queue gives out by time, and of one moment in the order that things were put in") {
    std::mt19937_64 dice(1);
    EventQueue queue;
    std::multimap<std::int64_t, std::uint64_t> expected;  // keeps the order of equal keys
    std::uint64_t put_in = 0, taken = 0;
    for (int round = 0; round < 20'000; ++round) {
        if (expected.empty() || dice() % 5 < 3) {
            QueuedEvent event;
            event.token = ++put_in;
            const auto at = static_cast<std::int64_t>(dice() % 50);
            expected.emplace(at, put_in);
            queue.push(Duration{at}, std::move(event));
            continue;
        }
        REQUIRE(queue.next().count() == expected.begin()->first);
        const auto likely = queue.likely_next();
        REQUIRE(queue.at(likely.front()).token == expected.begin()->second);
        if (expected.size() > 1) {
            const auto is_second = [&](const auto& entry) {
                return queue.at(entry).token == std::next(expected.begin())->second;
            };
            REQUIRE(std::any_of(likely.begin() + 1, likely.end(), is_second));
        }
        REQUIRE(queue.pop().token == expected.begin()->second);
        expected.erase(expected.begin());
        ++taken;
    }
    CHECK(queue.size() == expected.size());
    CHECK(taken > 5'000);
    while (!queue.empty()) {
        REQUIRE(queue.pop().token == expected.begin()->second);
        expected.erase(expected.begin());
    }
    CHECK(queue.next() == Duration::max());
}

TEST_CASE("actors are called in order; what is asked for the past comes now; a limit is inside or outside") {
    Stage stage;
    Tokens tokens;
    stage.world->at(3s, tokens, 3);
    stage.world->at(1s, tokens, 1);
    stage.world->at(3s, tokens, 4);
    stage.world->at(2s, tokens, 2);
    tokens.then = [&](std::uint64_t token) {
        if (token == 3) stage.world->at(1s, tokens, 5);
    };
    stage.world->run_to(3s, false);
    CHECK(tokens.seen == std::vector<std::uint64_t>{1, 2});
    CHECK(stage.world->elapsed() == 2s);  // just before
    stage.world->run_to(3s);
    CHECK(tokens.seen == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
    CHECK(stage.world->elapsed() == 3s);
    stage.world->run_to(10s);
    CHECK(stage.world->elapsed() == 10s);
}

TEST_CASE("datagrams arrive after the latency, and in the order they were sent") {
    Stage stage;
    stage.join_all();
    stage.send(0, 1, 7);
    stage.send(2, 1, 8);
    stage.world->run_to(49ms);
    CHECK(stage.script.heard.empty());
    stage.world->run_to(50ms);
    CHECK(stage.script.order() == "i1:7 i1:8 ");
    CHECK(stage.script.heard[0].at == 50ms);
    const auto& sent = stage.world->traffic()[static_cast<std::size_t>(proto::Traffic::content)];
    CHECK(sent.packets == 2);
    CHECK(sent.bytes == 40);
    stage.send(0, 1'000, 9);  // nobody lives there
    stage.world->run_to(10s);
    CHECK(stage.script.heard.size() == 2);
}

TEST_CASE("a crashed node hears nothing, says nothing more, and what it had sent arrives; a polite one says farewell") {
    Stage stage;
    stage.join_all();
    stage.send(0, 1, 1);
    stage.send(1, 0, 2);
    stage.world->crash(0, false);
    stage.world->run_to(1s);
    CHECK(stage.script.order() == "i1:1 ");
    proto::Datagram farewell;
    farewell.to = endpoint_of(3);
    farewell.bytes = Bytes(5, 9);
    stage.script.to_send[2].push_back(farewell);
    stage.script.refused[2] = 5;
    stage.world->leave(2);
    stage.world->run_to(2s);
    CHECK(stage.script.order() == "i1:1 p2 i3:9 ");
    CHECK(stage.script.gone == std::vector<std::string>{"0 crash", "2 leave disk"});
    CHECK(stage.world->refused() == 5);
    CHECK(stage.world->online_count() == 2);
    CHECK_FALSE(stage.world->online(0));
    stage.world->join(0);
    CHECK(stage.world->online(0));
    std::set<NodeIndex> there;
    for (std::uint64_t i = 0; i < stage.world->online_count(); ++i) there.insert(stage.world->online_node(i));
    CHECK(there == std::set<NodeIndex>{0, 1, 3});
}

TEST_CASE("who is there is known, however they come and go") {
    Stage stage(30);
    std::mt19937_64 dice(2);
    std::set<NodeIndex> expected;
    for (int i = 0; i < 2'000; ++i) {
        const auto node = static_cast<NodeIndex>(dice() % 30);
        if (expected.erase(node) > 0)
            stage.world->crash(node);
        else
            expected.insert(node), stage.world->join(node);
        std::set<NodeIndex> there;
        for (std::uint64_t at = 0; at < stage.world->online_count(); ++at) there.insert(stage.world->online_node(at));
        REQUIRE(there == expected);
        REQUIRE(stage.world->online(node) == expected.contains(node));
    }
}

TEST_CASE("what is under way when a cut comes is lost") {
    Stage stage;
    stage.join_all();
    stage.send(0, 1, 1);
    stage.world->run_to(25ms);
    const auto cut = stage.world->network().cut({true, false, false, false}, Event::Shape::symmetric);
    stage.send(2, 1, 2);
    stage.world->run_to(1s);
    CHECK(stage.script.order() == "i1:2 ");
    stage.world->network().heal(cut);
    stage.send(0, 1, 3);
    stage.world->run_to(2s);
    CHECK(stage.script.order() == "i1:2 i1:3 ");
}

TEST_CASE("wake-ups come when the node asked, and not those of an earlier life") {
    Stage stage;
    stage.join_all();
    const auto in = [&](Duration d) { return stage.world->now_of(0).steady + d; };
    stage.script.wake[0] = in(5s);
    stage.world->turn(0, [](Now, Host&) {});
    stage.script.wake[0] = in(2s);  // sooner, by second thoughts
    stage.world->turn(0, [](Now, Host&) {});
    stage.world->run_to(10s);
    CHECK(stage.script.order() == "t0 ");
    CHECK(stage.script.heard[0].at == 2s);
    stage.script.wake[0] = in(5s);
    stage.world->turn(0, [](Now, Host&) {});
    stage.world->crash(0);
    stage.script.wake.clear();
    stage.world->join(0);
    stage.world->run_to(30s);
    CHECK(stage.script.order() == "t0 s0 ");
}

TEST_CASE("clocks: skew from the start, drift, and a jump") {
    Stage stage(200, [](Scenario& s) {
        s.clock_skew = 3s;
        s.clock_drift_ppm = 100;
    });
    const auto true_wall = [&] { return World::wall_at(stage.world->elapsed()); };
    Duration most{0}, least{0};
    for (NodeIndex node = 0; node < 200; ++node) {
        const Duration off = stage.world->now_of(node).wall - true_wall();
        most = std::max(most, off);
        least = std::min(least, off);
    }
    CHECK(most <= 3s);
    CHECK(most > 2s);
    CHECK(least >= -3s);
    CHECK(least < -2s);
    std::vector<proto::SteadyTime> before;
    for (NodeIndex node = 0; node < 200; ++node) before.push_back(stage.world->now_of(node).steady);
    stage.world->run_to(1000s);
    Duration fastest{0};
    for (NodeIndex node = 0; node < 200; ++node) {
        const Duration drifted = stage.world->now_of(node).steady - before[node] - 1000s;
        CHECK(std::abs(drifted.count()) <= 100'000);
        fastest = std::max(fastest, drifted);
    }
    CHECK(fastest > 80ms);
    stage.join_all();
    const auto wall = stage.world->now_of(5).wall;
    const auto steady = stage.world->now_of(5).steady;
    stage.world->skew_clock(5, -10min);
    CHECK(stage.world->now_of(5).wall == wall - 10min);
    CHECK(stage.world->now_of(5).steady == steady);
    CHECK(stage.script.order() == "t5 ");  // it is told at once
    // A wake-up of a clock that drifts comes when that clock shows the time, never before.
    const auto wanted = stage.world->now_of(7).steady + 500s;
    stage.script.wake[7] = wanted;
    stage.world->turn(7, [](Now, Host&) {});
    stage.world->run_to(1600s);
    REQUIRE(stage.script.heard.size() == 2);
    CHECK(stage.script.wake.empty());
    CHECK(std::abs((stage.script.heard[1].at - 1500s).count()) < 60'000);
}

TEST_CASE("a node joins through up to four others that are there and can be reached") {
    Stage stage(50, [](Scenario& s) { s.network.unreachable = 0.5; });
    for (NodeIndex node = 0; node < 50; ++node) stage.world->join(node);
    CHECK(stage.script.bootstraps[0].empty());
    for (NodeIndex node = 1; node < 50; ++node) {
        const auto& through = stage.script.bootstraps[node];
        CHECK(through.size() <= 4);
        for (const auto& endpoint : through) {
            CHECK(node_at(endpoint) < node);
            CHECK(stage.world->network().reachable_from_outside(node_at(endpoint)));
        }
    }
    CHECK(stage.script.bootstraps[49].size() == 4);
}

TEST_CASE("the trace: what arrived and who came and went, in order") {
    Stage stage;
    stage.join_all();
    stage.send(0, 1, 7);
    stage.world->run_to(1s);
    stage.send(0, 1, 7);
    stage.send(0, 1, 8);
    stage.world->run_to(2s);
    stage.send(0, 1, 8);
    stage.world->crash(1);
    stage.world->run_to(3s);
    stage.world->leave(2);
    const auto& log = stage.log.entries;
    REQUIRE(log.size() == 9);
    const auto kind = [](Happening h) { return static_cast<std::uint32_t>(h); };
    for (NodeIndex node = 0; node < 4; ++node)
        CHECK(log[node] == TraceEntry{0, node, node, 0, kind(Happening::joined), 0});
    CHECK(log[4].time_us == 50'000);
    CHECK(log[4].from == 0);
    CHECK(log[4].to == 1);
    CHECK(log[4].size == 20);
    CHECK(log[4].kind == static_cast<std::uint32_t>(proto::Traffic::content));
    CHECK(log[5].content == log[4].content);
    CHECK(log[6].content != log[4].content);
    CHECK(log[7] == TraceEntry{2'000'000, 1, 1, 0, kind(Happening::crashed), 0});
    CHECK(log[8] == TraceEntry{3'000'000, 2, 2, 0, kind(Happening::left), 0});
}
