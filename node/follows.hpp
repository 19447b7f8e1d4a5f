// The watches of our own users and observers: many watches of one (watcher, presentity) are one follow, told once each.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "node/observer.hpp"
#include "node/settings.hpp"
#include "node/watchers.hpp"
#include "overlay/overlay.hpp"
#include "proto/result.hpp"
#include "proto/timer_queue.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

/// Whoever asked for a watch: exactly one of the two.
struct WatchOwner {
    translators::Translator* translator = nullptr;
    Observer* observer = nullptr;
    void tell(proto::Now now, translators::WatchId watch, const translators::View& view) const {
        if (translator) translator->view_changed(now, watch, view);
        if (observer) observer->view_changed(now, watch, view);
    }
};

class Follows {
  public:
    struct Watch {
        Relation relation;
        WatchOwner owner;
        bool told = false;
    };
    struct Follow {
        std::set<translators::WatchId> watches;
        std::optional<overlay::WatchId> overlay_watch;
        translators::View told;
        proto::SteadyTime told_up_to{};  ///< its allowance
        bool dirty = false;
    };

    explicit Follows(const ServiceLimits& limits) : limits_(limits) {}

    /// Marks the follow, so that the new watch is told. quota.
    proto::Result<translators::WatchId> add(const Relation& relation, WatchOwner owner);
    /// With its last watch a follow is gone; its overlay watch must have been ended before.
    void remove(translators::WatchId id);

    Watch* watch(translators::WatchId id);
    const Watch* watch(translators::WatchId id) const;
    Follow* find(const Relation& relation);
    const Follow* find(const Relation& relation) const;

    void set_allowance(Allowance told) { limits_.told = told; }

    /// In order; of_domain: whose presentity is one of its users.
    std::vector<Relation> all() const;
    std::vector<Relation> of_domain(std::string_view domain) const;

    void mark(const Relation& relation);
    void mark_all(const proto::PresentityUri& presentity);
    void set_overlay_watch(const Relation& relation, std::optional<overlay::WatchId> overlay_watch);
    void mark(overlay::WatchId overlay_watch);
    /// Those marked since, and those held back whose time has come.
    std::vector<Relation> take_marked(proto::SteadyTime now);
    /// True when this follow was told too much lately: it is marked again when its time has come. Otherwise it counts
    /// as told now.
    bool hold_back(proto::SteadyTime now, const Relation& relation);
    proto::SteadyTime next_timeout() const { return held_.next(); }
    std::size_t held() const { return held_.size(); }
    std::uint64_t coalesced() const { return coalesced_; }
    std::size_t watches() const { return watches_.size(); }

  private:
    void mark(const Relation& relation, Follow& follow);

    ServiceLimits limits_;
    std::unordered_map<translators::WatchId, Watch> watches_;
    std::map<Relation, Follow> follows_;
    std::unordered_map<overlay::WatchId, Relation> by_overlay_watch_;
    std::unordered_map<proto::PresentityUri, std::size_t> per_watcher_;
    std::vector<Relation> marked_;
    proto::TimerQueue<Relation> held_;
    std::uint64_t coalesced_ = 0;
    translators::WatchId last_ = 0;
};

}  // namespace presmesh::node
