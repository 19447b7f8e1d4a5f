// Carries out a scenario's events and churn: says to the network and the world what happens when, and to the checker
// when it is over.
#pragma once

#include <memory>
#include <vector>

#include "sim/checker.hpp"
#include "sim/churn.hpp"
#include "sim/workload.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

class Hardship final : public Actor {
  public:
    /// `churn` may be null.
    Hardship(const Scenario& scenario, std::uint64_t seed, World& world, Checker& checker, Workload& workload,
             ChurnPlan* churn);

    /// Everyone who is there at the start joins, spread over `span`.
    void begin(proto::Duration span);
    /// Events and churn come to an end, cuts heal; who is away stays away.
    void end();

    void act(std::uint64_t token) override;

  private:
    enum class Task : std::uint8_t { join, churn, start_event, end_event, come_back };
    struct Running {
        bool running = false;
        bool hurts = false;
        Network::CutId cut = 0;
        std::vector<NodeIndex> nodes;
    };

    static std::uint64_t token(Task task, std::uint64_t number) {
        return std::uint64_t{static_cast<std::uint8_t>(task)} << 56 | number;
    }
    void plan_churn(NodeIndex node);
    void apply(NodeIndex node, const Change& change);
    void join_if_wanted(NodeIndex node);
    void start(std::size_t number);
    void finish(std::size_t number);
    void start_cut(const Event& event, Running& running);
    void take_down(const Event& event, Running& running);
    std::vector<NodeIndex> some_nodes(double share, std::size_t event) const;
    std::vector<NodeIndex> some_providers(double share, std::size_t event) const;

    const Scenario& scenario_;
    std::uint64_t seed_;
    World& world_;
    Checker& checker_;
    Workload& workload_;
    ChurnPlan* churn_;
    std::vector<Change> next_change_;  ///< by node, where one is planned
    std::vector<bool> wanted_;         ///< churn has it there, whatever else keeps it away
    std::vector<Running> running_;     ///< by event
    std::vector<bool> held_down_;      ///< by an event: churn does not bring it back
    bool over_ = false;
};

}  // namespace presmesh::sim
