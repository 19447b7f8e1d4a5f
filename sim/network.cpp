#include "sim/network.hpp"

#include <algorithm>
#include <cmath>

#include "sim/arena.hpp"

namespace presmesh::sim {

using proto::Duration;

namespace {

std::uint64_t pair_of(NodeIndex a, NodeIndex b) {
    return std::uint64_t{a} << 32 | b;
}
std::uint64_t unordered_pair(NodeIndex a, NodeIndex b) {
    return pair_of(std::min(a, b), std::max(a, b));
}

/// How long a file's name is must not show in the world's memory: a report's folder may lie anywhere.
NetworkOptions copy_of(const NetworkOptions& options) {
    const arena::Outside outside;
    return options;
}

}  // namespace

proto::Result<Network> Network::make(const Scenario& scenario, std::uint64_t seed) {
    Network out(scenario, seed);
    if (scenario.network.latency.kind == Latency::Kind::matrix) {
        auto matrix = DelayMatrix::load(scenario.network.latency.matrix);
        if (!matrix) return tl::make_unexpected(matrix.error());
        out.matrix_ = std::move(*matrix);
    }
    for (NodeIndex node = 0; node < scenario.nodes; ++node) out.place(node);
    return out;
}

Network::Network(const Scenario& scenario, std::uint64_t seed)
    : options_(copy_of(scenario.network)), seed_(seed), clogged_until_(scenario.nodes, Duration{0}) {}

void Network::place(NodeIndex node) {
    Dice dice(seed_, Purpose::place, node);
    position_.push_back({static_cast<float>(unit(dice)), static_cast<float>(unit(dice))});
    site_.push_back(matrix_ ? static_cast<std::uint32_t>(dice.below(matrix_->sites())) : 0);
    behind_nat_.push_back(dice.chance(options_.unreachable));
    dice_.emplace_back(seed_, Purpose::loss, node);
}

Duration Network::latency(NodeIndex from, NodeIndex to) const {
    if (from == to) return Duration{0};
    switch (options_.latency.kind) {
        case Latency::Kind::matrix:
            return matrix_->one_way(site_[from], site_[to]);
        case Latency::Kind::coordinates: {
            const auto& a = position_[from];
            const auto& b = position_[to];
            const double distance = std::hypot(double{a[0]} - b[0], double{a[1]} - b[1]);
            return options_.latency.least +
                   Duration{std::llround(distance * static_cast<double>(options_.latency.side.count()))};
        }
        case Latency::Kind::distribution:
            break;
    }
    return drawn(from, to);
}

Duration Network::drawn(NodeIndex from, NodeIndex to) const {
    const auto& distribution = options_.latency.distribution;
    if (distribution.kind() == Distribution::Kind::constant) return distribution.mean();
    Dice dice(seed_, Purpose::latency, unordered_pair(from, to));
    return distribution.sample(dice);
}

Arrivals Network::send(Duration now, NodeIndex from, NodeIndex to) {
    if (behind_nat_[from]) remember_binding(now, from, to);
    Dice& dice = dice_[from];
    Arrivals out;
    if (dice.chance(options_.loss + extra_loss_) || is_cut(from, to)) {
        ++lost_;
        return out;
    }
    const auto base = std::max(now, clogged_until_[from]) + latency(from, to);
    out.count = dice.chance(options_.duplication) ? 2 : 1;
    for (std::size_t i = 0; i < out.count; ++i) {
        auto at = base;
        if (options_.jitter.count() > 0)
            at += Duration{dice.below(static_cast<std::uint64_t>(options_.jitter.count()) + 1)};
        if (dice.chance(options_.reordering))
            at += Duration{dice.below(static_cast<std::uint64_t>(options_.reorder_delay.count()) + 1)};
        out.at[i] = at;
    }
    return out;
}

bool Network::delivers(Duration now, NodeIndex from, NodeIndex to) const {
    if (is_cut(from, to)) return false;
    if (!behind_nat_[to]) return true;
    const auto binding = bindings_.find(pair_of(to, from));
    return binding != bindings_.end() && now - binding->second <= options_.binding;
}

void Network::remember_binding(Duration now, NodeIndex from, NodeIndex to) {
    bindings_[pair_of(from, to)] = now;
    if (bindings_.size() < bindings_swept_at_) return;
    std::erase_if(bindings_, [&](const auto& entry) { return now - entry.second > options_.binding; });
    bindings_swept_at_ = 2 * bindings_.size() + 1024;
}

// ---- hardship

Network::CutId Network::cut(std::vector<bool> side, Event::Shape shape) {
    const auto marked = static_cast<std::size_t>(std::count(side.begin(), side.end(), true));
    const bool smaller = 2 * marked <= side.size();
    cuts_.push_back({++last_cut_, std::move(side), shape, smaller});
    return last_cut_;
}

void Network::heal(CutId cut) {
    std::erase_if(cuts_, [cut](const Cut& c) { return c.id == cut; });
}

bool Network::cuts_pair(const Cut& cut, NodeIndex from, NodeIndex to) const {
    if (cut.side[from] == cut.side[to]) return false;
    switch (cut.shape) {
        case Event::Shape::symmetric:
            return true;
        case Event::Shape::asymmetric:
            return cut.side[from] == cut.marked_is_smaller;
        case Event::Shape::partial:
            return (mix(unordered_pair(from, to) ^ mix(cut.id)) & 1) != 0;
    }
    return true;
}

bool Network::is_cut(NodeIndex from, NodeIndex to) const {
    return std::any_of(cuts_.begin(), cuts_.end(), [&](const Cut& cut) { return cuts_pair(cut, from, to); });
}

void Network::clog(NodeIndex node, Duration until) {
    clogged_until_[node] = std::max(clogged_until_[node], until);
}

}  // namespace presmesh::sim
