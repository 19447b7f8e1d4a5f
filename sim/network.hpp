// What happens to datagrams between two nodes: delay, loss, copies, disorder, NATs, cuts and clogs. Every sender has
// its own dice, so what one node sends does not change another's luck.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "proto/result.hpp"
#include "sim/delay_matrix.hpp"
#include "sim/dice.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

/// When the copies of one datagram arrive, since the world's start: none, one or two.
struct Arrivals {
    std::array<proto::Duration, 2> at{};
    std::size_t count = 0;
};

class Network {
  public:
    /// Faults of the matrix file, with their line.
    static proto::Result<Network> make(const Scenario& scenario, std::uint64_t seed);

    /// One way, without jitter; 0 to itself.
    proto::Duration latency(NodeIndex from, NodeIndex to) const;
    Arrivals send(proto::Duration now, NodeIndex from, NodeIndex to);
    /// Asked when it arrives: is it let in? Not through a cut that has come since, nor through a NAT with no binding.
    bool delivers(proto::Duration now, NodeIndex from, NodeIndex to) const;
    bool reachable_from_outside(NodeIndex node) const { return !behind_nat_[node]; }

    // ---- hardship
    using CutId = std::uint32_t;
    /// `side`: one per node.
    CutId cut(std::vector<bool> side, Event::Shape shape);
    void heal(CutId cut);
    bool is_cut(NodeIndex from, NodeIndex to) const;
    bool any_cut() const { return !cuts_.empty(); }
    /// What the node sends is held until then.
    void clog(NodeIndex node, proto::Duration until);
    bool clogged(NodeIndex node, proto::Duration now) const { return clogged_until_[node] > now; }
    void add_loss(double share) { extra_loss_ += share; }

    std::uint64_t lost() const { return lost_; }

  private:
    struct Cut {
        CutId id;
        std::vector<bool> side;
        Event::Shape shape;
        bool marked_is_smaller;
    };
    Network(const Scenario& scenario, std::uint64_t seed);
    void place(NodeIndex node);
    bool cuts_pair(const Cut& cut, NodeIndex from, NodeIndex to) const;
    proto::Duration drawn(NodeIndex from, NodeIndex to) const;
    void remember_binding(proto::Duration now, NodeIndex from, NodeIndex to);

    NetworkOptions options_;
    std::uint64_t seed_;
    std::optional<DelayMatrix> matrix_;
    std::vector<std::uint32_t> site_;
    std::vector<std::array<float, 2>> position_;
    std::vector<Dice> dice_;
    std::vector<bool> behind_nat_;
    std::vector<proto::Duration> clogged_until_;
    std::unordered_map<std::uint64_t, proto::Duration>
        bindings_;  ///< (node behind a NAT, other) -> last sent; looked up
    std::size_t bindings_swept_at_ = 1024;
    std::vector<Cut> cuts_;
    CutId last_cut_ = 0;
    double extra_loss_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace presmesh::sim
