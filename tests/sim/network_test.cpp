#include "sim/network.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;
using proto::Duration;

namespace {

constexpr int sends = 20'000;

Scenario scenario_of(const NetworkOptions& options, std::uint32_t nodes = 50) {
    Scenario scenario;
    scenario.nodes = nodes;
    scenario.network = options;
    return scenario;
}

Network network_of(const NetworkOptions& options, std::uint32_t nodes = 50, std::uint64_t seed = 1) {
    auto network = Network::make(scenario_of(options, nodes), seed);
    if (!network) FAIL(network.error().detail);
    return std::move(*network);
}

/// Four standard deviations of a share that is counted over all sends.
double slack(double share) {
    return 4 * std::sqrt(share * (1 - share) / sends);
}

std::vector<bool> first(std::size_t marked, std::size_t nodes) {
    std::vector<bool> side(nodes, false);
    for (std::size_t i = 0; i < marked; ++i) side[i] = true;
    return side;
}

}  // namespace

TEST_CASE("a calm network: every datagram once, after its pair's latency") {
    auto network = network_of({});
    for (NodeIndex to = 1; to < 50; ++to) {
        const auto arrivals = network.send(10s, 0, to);
        CHECK(arrivals.count == 1);
        CHECK(arrivals.at[0] == 10s + 50ms);
        CHECK(network.delivers(10s + 50ms, 0, to));
    }
    CHECK(network.latency(3, 3) == 0s);
    CHECK(network.lost() == 0);
}

TEST_CASE("a pair keeps its latency, both ways the same, and each pair has its own") {
    NetworkOptions options;
    options.latency = *Latency::parse("uniform:10ms-70ms");
    const auto network = network_of(options), again = network_of(options), other = network_of(options, 50, 2);
    std::vector<Duration> seen;
    for (NodeIndex from = 0; from < 50; ++from)
        for (NodeIndex to = from + 1; to < 50; ++to) {
            const auto latency = network.latency(from, to);
            CHECK(latency >= 10ms);
            CHECK(latency <= 70ms);
            CHECK(network.latency(to, from) == latency);
            CHECK(again.latency(from, to) == latency);
            seen.push_back(latency);
        }
    std::sort(seen.begin(), seen.end());
    CHECK(std::unique(seen.begin(), seen.end()) - seen.begin() > 1'000);
    CHECK(other.latency(0, 1) != network.latency(0, 1));
}

TEST_CASE("coordinates keep the triangle inequality, beside the least delay") {
    NetworkOptions options;
    options.latency = *Latency::parse("coordinates:side=80ms,least=2ms");
    const auto network = network_of(options);
    for (NodeIndex a = 0; a < 20; ++a)
        for (NodeIndex b = 0; b < 20; ++b)
            for (NodeIndex c = 0; c < 20; ++c) {
                if (a == b || b == c || a == c) continue;
                CHECK(network.latency(a, b) >= 2ms);
                CHECK(network.latency(a, c) <= network.latency(a, b) + network.latency(b, c));
                CHECK(network.latency(a, b) < 2ms + 114ms);  // the diagonal
            }
}

TEST_CASE("loss and duplication strike the shares they are told to") {
    NetworkOptions options;
    options.loss = 0.1;
    options.duplication = 0.05;
    auto network = network_of(options);
    const auto count = [&] {
        std::array<int, 3> by{};
        for (int i = 0; i < sends; ++i) ++by[network.send(0s, 0, 1).count];
        return by;
    };
    auto by = count();
    CHECK(std::abs(by[0] / double(sends) - 0.1) < slack(0.1));
    CHECK(std::abs(by[2] / double(sends) - 0.9 * 0.05) < slack(0.045));
    CHECK(network.lost() == std::uint64_t(by[0]));
    network.add_loss(0.3);
    by = count();
    CHECK(std::abs(by[0] / double(sends) - 0.4) < slack(0.4));
    network.add_loss(-0.3);
    by = count();
    CHECK(std::abs(by[0] / double(sends) - 0.1) < slack(0.1));
}

TEST_CASE("disorder: a share comes later than it should, by no more than it may") {
    NetworkOptions options;
    options.reordering = 0.2;
    options.reorder_delay = 100ms;
    auto network = network_of(options);
    int late = 0;
    Duration latest{0};
    for (int i = 0; i < sends; ++i) {
        const auto at = network.send(0s, 0, 1).at[0];
        CHECK(at >= 50ms);
        CHECK(at <= 150ms);
        late += at > 50ms;
        latest = std::max(latest, at);
    }
    CHECK(std::abs(late / double(sends) - 0.2) < slack(0.2));
    CHECK(latest > 149ms);

    options.reordering = 0;
    options.jitter = 10ms;
    auto jittery = network_of(options);
    double sum = 0;
    for (int i = 0; i < sends; ++i) {
        const auto at = jittery.send(0s, 0, 1).at[0];
        CHECK(at >= 50ms);
        CHECK(at <= 60ms);
        sum += double((at - 50ms).count()) / 1000;
    }
    CHECK(sum / sends == doctest::Approx(5).epsilon(0.02));
}

TEST_CASE("what one node sends does not change another's luck") {
    NetworkOptions options;
    options.loss = 0.5;
    auto alone = network_of(options), beside = network_of(options);
    for (int i = 0; i < 1'000; ++i) {
        beside.send(0s, 1, 2);
        CHECK(alone.send(0s, 0, 2).count == beside.send(0s, 0, 2).count);
    }
}

TEST_CASE("a clogged node's datagrams come all at once when it is over") {
    auto network = network_of({});
    network.clog(0, 20s);
    CHECK(network.clogged(0, 19s));
    CHECK(network.send(10s, 0, 1).at[0] == 20s + 50ms);
    CHECK(network.send(19s, 0, 2).at[0] == 20s + 50ms);
    CHECK(network.send(10s, 1, 0).at[0] == 10s + 50ms);
    network.clog(0, 15s);  // one that ends earlier takes nothing back
    CHECK(network.send(10s, 0, 1).at[0] == 20s + 50ms);
    CHECK_FALSE(network.clogged(0, 20s));
    CHECK(network.send(21s, 0, 1).at[0] == 21s + 50ms);
}

TEST_CASE("a cut parts both sides, what is under way is lost, and heals") {
    auto network = network_of({}, 10);
    CHECK(network.send(0s, 0, 9).count == 1);
    const auto cut = network.cut(first(4, 10), Event::Shape::symmetric);
    CHECK(network.any_cut());
    CHECK_FALSE(network.delivers(50ms, 0, 9));
    CHECK(network.send(0s, 0, 9).count == 0);
    CHECK(network.send(0s, 9, 0).count == 0);
    CHECK(network.send(0s, 0, 3).count == 1);
    CHECK(network.send(0s, 4, 9).count == 1);
    CHECK(network.lost() == 2);
    const auto second = network.cut(first(1, 10), Event::Shape::symmetric);
    network.heal(cut);
    CHECK(network.send(0s, 3, 9).count == 1);
    CHECK(network.send(0s, 0, 1).count == 0);
    network.heal(second);
    CHECK_FALSE(network.any_cut());
    CHECK(network.send(0s, 0, 1).count == 1);
}

TEST_CASE("an asymmetric cut: the smaller side hears the rest and is not heard") {
    for (const std::size_t marked : {3, 7}) {
        CAPTURE(marked);
        auto network = network_of({}, 10);
        network.cut(first(marked, 10), Event::Shape::asymmetric);
        const NodeIndex small = marked == 3 ? 0 : 9, large = marked == 3 ? 9 : 0;
        CHECK(network.send(0s, small, large).count == 0);
        CHECK(network.send(0s, large, small).count == 1);
        CHECK(network.send(0s, 0, 1).count == 1);
    }
}

TEST_CASE("a partial cut: half of the pairs across it, each pair both ways, others never") {
    auto network = network_of({}, 100);
    network.cut(first(50, 100), Event::Shape::partial);
    int parted = 0;
    for (NodeIndex a = 0; a < 50; ++a)
        for (NodeIndex b = 50; b < 100; ++b) {
            parted += network.is_cut(a, b);
            CHECK(network.is_cut(a, b) == network.is_cut(b, a));
        }
    CHECK(parted / 2500.0 == doctest::Approx(0.5).epsilon(0.1));
    for (NodeIndex a = 1; a < 50; ++a) CHECK_FALSE(network.is_cut(0, a));
}

TEST_CASE("who is behind a NAT is reached by those it has sent to a short while ago, and by nobody else") {
    NetworkOptions options;
    options.unreachable = 0.5;
    options.binding = 60s;
    auto network = network_of(options, 200);
    NodeIndex hidden = 0, open = 0;
    int count = 0;
    for (NodeIndex node = 0; node < 200; ++node) {
        (network.reachable_from_outside(node) ? open : hidden) = node;
        count += !network.reachable_from_outside(node);
    }
    CHECK(count / 200.0 == doctest::Approx(0.5).epsilon(0.2));
    const NodeIndex other = open == 0 ? 1 : 0;
    CHECK_FALSE(network.delivers(1s, open, hidden));
    CHECK(network.delivers(1s, hidden, open));
    network.send(10s, hidden, open);
    CHECK(network.delivers(10s + 60s, open, hidden));
    CHECK_FALSE(network.delivers(10s + 60s, other, hidden));
    CHECK_FALSE(network.delivers(10s + 60s + 1us, open, hidden));
    network.send(100s, open, hidden);  // answers do not keep it open
    CHECK_FALSE(network.delivers(100s, open, hidden));
    for (int i = 0; i < 5'000; ++i) network.send(200s + i * 1s, hidden, NodeIndex(i % 200));  // old ones are forgotten,
    CHECK(network.delivers(5199s, NodeIndex(4999 % 200), hidden));                            // new ones are not
}

TEST_CASE("delays from a matrix: half the round trip between the sites of two nodes") {
    const testing::TempFolder folder;
    const auto path = folder.write("matrix", "# unit: ms\n0 100 30\n100 0 60\n30 60 0\n");
    NetworkOptions options;
    options.latency = *Latency::parse("matrix:" + path);
    const auto network = network_of(options);
    std::array<int, 4> seen{};
    for (NodeIndex a = 0; a < 50; ++a)
        for (NodeIndex b = a + 1; b < 50; ++b) {
            const auto latency = network.latency(a, b);
            if (latency == 50ms)
                ++seen[0];
            else if (latency == 15ms)
                ++seen[1];  // also the least: of two nodes at one site
            else if (latency == 30ms)
                ++seen[2];
            else
                ++seen[3];
        }
    CHECK(seen[0] > 100);
    CHECK(seen[1] > 100);
    CHECK(seen[2] > 100);
    CHECK(seen[3] == 0);
    folder.write("matrix", "0 100\n100 x\n");
    const auto refused = Network::make(scenario_of(options), 1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.starts_with(path + ": line 2: 'x' is no round-trip time"));
    std::filesystem::remove(path);
    CHECK(Network::make(scenario_of(options), 1).error().reason == proto::Reason::not_found);
}
