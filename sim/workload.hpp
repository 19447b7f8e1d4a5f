// The users: those who publish at their home node and change what they say, those who watch from elsewhere, and the one
// who looks keys up to measure the DHT. What they do is told to the checker first.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/checker.hpp"
#include "sim/dice.hpp"
#include "sim/scenario.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

class Workload final : public Actor {
  public:
    Workload(const Scenario& scenario, std::uint64_t seed, World& world, Checker& checker);

    // ---- told by the run
    void joined(NodeIndex node);
    void gone(NodeIndex node, bool crash);
    /// No more changes and look-ups: what holds now must come to be seen.
    void stop_changing() { changing_ = false; }
    /// `count` new watches of the presentity with most watches, within so long; they end at `until` (max: never).
    void flash_crowd(std::uint32_t count, proto::Duration within, proto::Duration until, Dice& dice);

    void act(std::uint64_t token) override;

  private:
    enum class Task : std::uint8_t { change, begin_watch, end_watch, look_up };
    struct User {
        proto::PresentityUri uri;
        NodeIndex home = 0;
        std::uint32_t version = 0;
        std::uint16_t life = 0;  ///< of its home: what was planned for an earlier one is void
        Dice dice;
    };
    struct Watcher {
        proto::PresentityUri uri;
        std::uint32_t presentity = 0;
        NodeIndex node = 0;
        std::uint16_t life = 0;
        bool wants = true;  ///< (again) when its node is there
        bool active = false;
    };

    static std::uint64_t token(Task task, std::uint16_t life, std::uint32_t number);
    void add_watcher(std::uint32_t presentity, NodeIndex node);
    NodeIndex watching_node(std::uint32_t presentity, Dice& dice) const;
    void publish(std::uint32_t number, bool first);
    void begin(std::uint32_t number);
    void end(std::uint32_t number);
    void look_up();

    const Scenario& scenario_;
    std::uint64_t seed_;
    World& world_;
    Checker& checker_;
    std::vector<User> users_;
    std::vector<Watcher> watchers_;
    std::vector<std::vector<std::uint32_t>> users_at_;
    std::vector<std::vector<std::uint32_t>> watchers_at_;
    Dice lookup_dice_;
    bool changing_ = true;
};

}  // namespace presmesh::sim
