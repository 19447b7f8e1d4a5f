// The judge outside: knows what users meant (the workload tells it) and what watchers saw (the hosts tell it), and
// nothing of how. Measures presence, and notes a violation when a promise of the system is broken.
//
// Right is: of a presentity that is there, the newest version, not shown as "unknown"; of one that is gone, anything
// but "live".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "sim/host.hpp"
#include "sim/measures.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

class Checker final : public Audience {
  public:
    Checker(const Scenario& scenario, std::uint64_t seed, Measures& measures);
    void set_world(World& world) { world_ = &world; }

    // ---- what users do
    void add_presentity(NodeIndex home);
    WatchNumber add_watch(std::uint32_t presentity, NodeIndex node);
    void published(std::uint32_t presentity, std::uint32_t version);
    void gone(std::uint32_t presentity, bool crash);
    void watch_begun(WatchNumber watch);
    void watch_ended(WatchNumber watch);
    LookupNumber lookup_begun(NodeIndex node);
    /// Of the look-ups under way there, those that have found nothing yet count neither way.
    void node_gone(NodeIndex node);
    bool there(std::uint32_t presentity) const { return presentities_[presentity].there; }

    // ---- Audience
    void seen(WatchNumber watch, Shown shown, const proto::DocumentPtr& document) override;
    void lookup_found(LookupNumber lookup) override;
    void lookup_done(LookupNumber lookup, std::optional<unsigned> hops) override;
    void forgery_taken(NodeIndex node, bool found) override;

    // ---- hardship
    /// `takes_down`: it is the leavings and crashes of this moment, and so excuses no crash of this moment.
    void hardship_began(bool takes_down = false);
    /// From now on everyone must become right within Scenario::settle, unless another hardship begins or churn goes on.
    void hardship_ended();
    /// While others come and go, those who stay are measured and judged as ever; only settling has to wait.
    void churn_began() { churning_ = true; }
    void churn_ended();  ///< whether there was any or not
    void cut_began() { ++cuts_; }
    void cut_ended();
    /// Once a second or so, and at the end.
    void tick();

    // ---- results
    void end_warmup();  ///< what was measured so far does not count
    void finish();
    std::uint64_t wrong_now() const { return wrong_; }
    std::uint64_t active_now() const { return active_; }
    std::uint64_t notified() const { return notified_; }
    double take_delay_ratio();  ///< mean since the last call
    std::uint64_t watching_nodes_told() const { return watching_nodes_told_; }

  private:
    static constexpr proto::Duration not_now{-1};
    static constexpr std::size_t versions_kept = 16;

    struct Presentity {
        NodeIndex home = 0;
        bool there = false;
        std::uint32_t version = 0;
        proto::Duration changed{0};  ///< there_since or gone_since
        proto::Duration node_gone{
            0};  ///< its node's last end: one that was up for a moment had its watchers' ear again
        bool gone_in_hardship = false;  ///< another one than that which took it down
        std::array<proto::Duration, versions_kept> published{};
        std::vector<WatchNumber> watches;
    };
    struct Watch {
        std::uint32_t presentity = 0;
        NodeIndex node = 0;
        bool active = false;
        bool synced = false;    ///< has been right since it began, or its source came back
        bool settling = false;  ///< still to become right, in the check that runs
        Shown shown = Shown::unknown;
        std::uint32_t version = 0;  ///< shown; 0: none
        std::uint32_t newest = 0;   ///< ever shown to this watch since it began
        proto::Duration began{0};
        proto::Duration wrong_since = not_now;
        proto::Duration counted_since{0};
        bool awaits_crash = false;                  ///< its source died, it was not told yet
        bool overdue = false;                       ///< and has been judged for that
        proto::Duration shows_gone_live = not_now;  ///< since when
    };

    proto::Duration now() const { return world_->elapsed(); }
    bool right(const Watch& watch) const;
    void judge(WatchNumber number);
    void count_span(Watch& watch);
    void note_version(WatchNumber number, Watch& watch, std::uint32_t version);
    void note_told_gone(WatchNumber number, Watch& watch, bool was_told);
    void back(Presentity& presentity);
    void note_lost(const Presentity& presentity);
    void count_watching_nodes(const Presentity& presentity);
    void stop_showing_live(Watch& watch);
    void stop_awaiting(Watch& watch);
    void judge_overdue(WatchNumber number);
    void judge_settling();
    bool crash_excused(const Watch& watch) const;
    bool undisturbed_since(proto::Duration since) const;
    void begin_settling();
    bool judged(const Watch& watch) const;
    void settled(Watch& watch);
    void violation(const char* kind, WatchNumber watch, const std::string& what);
    void note_violation(const char* kind, const std::string& what);

    const Scenario& scenario_;
    std::uint64_t seed_;
    Measures& measures_;
    World* world_ = nullptr;
    std::vector<Presentity> presentities_;
    std::vector<Watch> watches_;
    std::uint64_t active_ = 0;
    std::uint64_t wrong_ = 0;
    double watch_seconds_ = 0;
    double wrong_seconds_ = 0;
    double false_online_seconds_ = 0;
    std::uint64_t false_online_cases_ = 0;
    std::uint64_t notified_ = 0;
    std::uint64_t watching_nodes_told_ = 0;
    double ratio_sum_ = 0;
    std::uint64_t ratio_count_ = 0;
    int hardships_ = 0;
    bool churning_ = false;
    int cuts_ = 0;
    proto::Duration last_hardship_ = not_now;  ///< when the last one ended
    proto::Duration last_began_ = not_now;     ///< when the last one began that is not of nodes taken down
    proto::Duration last_takedown_ = not_now;
    int takedowns_ = 0;  ///< that began then
    proto::Duration last_cut_ = not_now;
    proto::Duration settling_since_ = not_now;
    std::uint64_t settling_ = 0;
    struct Lookup {
        proto::Duration begun;
        NodeIndex node;
        bool found = false;
    };
    std::map<LookupNumber, Lookup> lookups_;
    LookupNumber last_lookup_ = 0;
    std::vector<std::uint32_t> stamp_;  ///< per node, for counting distinct ones
    std::uint32_t last_stamp_ = 0;
};

}  // namespace presmesh::sim
