#include "sim/churn.hpp"

#include <cmath>
#include <numbers>
#include <unordered_map>

#include "sim/arena.hpp"
#include "sim/churn_trace.hpp"
#include "sim/dice.hpp"

namespace presmesh::sim {

using proto::Duration;
using proto::Result;

namespace {

/// How long the names in it are must not show in the world's memory: a report's folder may lie anywhere.
ChurnOptions copy_of(const ChurnOptions& options) {
    const arena::Outside outside;
    return options;
}

Result<ChurnTrace> read_outside(const Scenario& scenario) {
    const arena::Outside outside;
    return read_churn_trace(scenario.churn.trace, scenario.nodes);
}

/// Nodes whose lives are drawn from distributions, each from its own dice.
class DrawnPlan final : public ChurnPlan {
  public:
    DrawnPlan(const Scenario& scenario, std::uint64_t seed) : options_(copy_of(scenario.churn)) {
        nodes_.reserve(scenario.nodes);
        for (NodeIndex node = 0; node < scenario.nodes; ++node) {
            Dice dice(seed, Purpose::churn, node);
            const auto& c = class_of(dice);
            const bool online = unit(dice) <= online_share(c);
            nodes_.push_back(
                {std::move(dice), static_cast<std::uint16_t>(&c - options_.classes.data()), online, online, false});
        }
    }

    bool online_at_start(NodeIndex node) const override { return nodes_[node].starts_online; }

    std::optional<Change> next(NodeIndex number, Duration now) override {
        Node& node = nodes_[number];
        const ChurnClass& c = options_.classes[node.churn_class];
        if (!c.session || (!node.online && c.offline.for_good)) return std::nullopt;
        const bool first = !node.begun;
        node.begun = true;
        const Distribution& length = node.online ? *c.session : c.offline.length.value_or(*c.session);
        const Duration left = first ? length.sample_residual(node.dice) : length.sample(node.dice);
        const Duration from = first ? std::max(now, options_.starts) : now;
        Change change;
        change.at = from + std::max(node.online ? left : by_day(from, left), Duration{1});
        change.online = !node.online;
        if (node.online) {
            change.crash = node.dice.chance(c.crash);
            change.keeps_disk = unit(node.dice) <= c.keeps_disk;
        }
        node.online = change.online;
        return change;
    }

  private:
    struct Node {
        Dice dice;
        std::uint16_t churn_class = 0;
        bool starts_online = true;
        bool online = true;  ///< after the change that was given out last
        bool begun = false;
    };

    const ChurnClass& class_of(Dice& dice) const {
        double at = unit(dice);
        for (const auto& c : options_.classes) {
            at -= c.share;
            if (at <= 0) return c;
        }
        return options_.classes.back();
    }

    /// In the stationary state a node is online for this share of its time (renewal-reward). Where nobody returns there
    /// is no such state: all are there at the start.
    static double online_share(const ChurnClass& c) {
        if (!c.session || c.offline.for_good) return 1;
        const auto on = static_cast<double>(c.session->mean().count());
        const auto off = static_cast<double>(c.offline.length.value_or(*c.session).mean().count());
        return on / (on + off);
    }

    /// The rate of returns swings as 1 + amplitude sin(2 pi t / period): an absence of length `left` by the mean rate
    /// ends when the integral of the rate has reached it.
    Duration by_day(Duration from, Duration left) const {
        const double amplitude = options_.diurnal_amplitude;
        if (amplitude == 0) return left;
        const double turn = 2 * std::numbers::pi / static_cast<double>(options_.diurnal_period.count());
        const double start = static_cast<double>(from.count()), wanted = static_cast<double>(left.count());
        const auto passed = [&](double t) {
            return t + amplitude / turn * (std::cos(turn * start) - std::cos(turn * (start + t)));
        };
        double low = wanted / (1 + amplitude), high = wanted / (1 - amplitude);
        while (high - low > 1) {
            const double middle = (low + high) / 2;
            (passed(middle) < wanted ? low : high) = middle;
        }
        return Duration(std::llround(high));
    }

    ChurnOptions options_;
    std::vector<Node> nodes_;
};

/// Nodes whose lives a file tells. Whoever is not in it is there all the time.
class TracedPlan final : public ChurnPlan {
  public:
    TracedPlan(ChurnTrace trace, const Scenario& scenario, std::uint64_t seed)
        : trace_(std::move(trace)),
          starts_(scenario.churn.starts),
          keeps_disk_(scenario.churn.habits.keeps_disk),
          seed_(seed) {}

    bool online_at_start(NodeIndex node) const override {
        const auto life = trace_.find(node);
        return life == trace_.end() || !life->second.front().online;
    }

    std::optional<Change> next(NodeIndex node, Duration now) override {
        const auto life = trace_.find(node);
        if (life == trace_.end()) return std::nullopt;
        const std::size_t at = given_[node]++;
        if (at >= life->second.size()) return std::nullopt;
        const TracedChange& traced = life->second[at];
        Dice dice(seed_, Purpose::churn, std::uint64_t{node} << 32 | at);
        return Change{std::max(starts_ + traced.at, now), traced.online, traced.crash, unit(dice) <= keeps_disk_};
    }

  private:
    ChurnTrace trace_;
    std::unordered_map<NodeIndex, std::size_t> given_;  ///< looked up, never walked
    Duration starts_;
    double keeps_disk_;
    std::uint64_t seed_;
};

}  // namespace

proto::Result<std::unique_ptr<ChurnPlan>> make_churn_plan(const Scenario& scenario, std::uint64_t seed) {
    if (!scenario.churn.trace.empty()) {
        auto trace = read_outside(scenario);
        if (!trace) return tl::make_unexpected(trace.error());
        return std::make_unique<TracedPlan>(std::move(*trace), scenario, seed);
    }
    if (scenario.churn.classes.empty()) return nullptr;
    return std::make_unique<DrawnPlan>(scenario, seed);
}

}  // namespace presmesh::sim
