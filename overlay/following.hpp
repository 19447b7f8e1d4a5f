// The presentities we watch: who watches each, at which nodes it is followed, and what every watch may see of every
// source.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "overlay/overlay.hpp"
#include "overlay/peers.hpp"
#include "proto/record.hpp"

namespace presmesh::overlay {

class Following {
  public:
    Following(Peers& peers, const proto::NodeId& self) : peers_(peers), self_(self) {}

    /// First: nobody watched this presentity before.
    struct Begun {
        WatchId watch = 0;
        bool first = false;
    };
    Begun watch(const proto::PresentityUri& watcher, const proto::PresentityUri& presentity);
    /// The presentity that nobody watches any more, if this was its last watch.
    std::optional<proto::PresentityUri> unwatch(WatchId watch);
    const proto::PresentityUri* presentity_of(WatchId watch) const;
    std::vector<SourceView> sources(WatchId watch, proto::WallTime now) const;
    std::size_t watches() const { return watches_.size(); }
    bool follows(const proto::PresentityUri& presentity) const { return followed_.contains(presentity); }
    std::vector<proto::PresentityUri> of_domain(std::string_view domain) const;

    /// Follows the presentity at this node too, and asks it for other sources. `issued`: of its record of the
    /// presentity, where that is why. False when it does so already, when there are too many, or when the node is
    /// ourselves.
    bool attach(const proto::PresentityUri& presentity, const proto::NodeId& node,
                const std::vector<proto::Endpoint>& endpoints, std::optional<proto::WallTime> issued = std::nullopt);
    /// What the DHT says about a source; kept for when its node is gone.
    void take_record(const proto::PresentityUri& presentity, const proto::Record& record);
    void take_answer(const proto::NodeId& node, const SourcesAnswered& answer);
    /// The presentity of a query to this node, before take_answer.
    const proto::PresentityUri* query_of(const proto::NodeId& node, std::uint64_t query) const;
    /// The presentity of one of our watches at a node.
    const proto::PresentityUri* updated(const proto::NodeId& node, std::uint64_t watch);
    void presentity_changed(const proto::PresentityUri& presentity);
    void all_changed(const proto::NodeId& node);
    /// Ends the watches of this presentity at a node that may not speak for it any more.
    void leave(const proto::PresentityUri& presentity, const proto::NodeId& node);
    /// The node is no longer one of us. The presentities that were followed there.
    std::vector<proto::PresentityUri> detach(const proto::NodeId& node);
    std::set<proto::PresentityUri> followed_at(const proto::NodeId& node) const;

    /// Is there a node that is a source of it (or of what it refuses to show) and alive?
    bool has_live_source(const proto::PresentityUri& presentity) const;
    /// Is it followed at one of these nodes, and that one alive?
    bool has_live_node(const proto::PresentityUri& presentity, const std::vector<proto::NodeId>& nodes) const;
    /// Does a node that might still answer owe one?
    bool waits_for_answer(const proto::PresentityUri& presentity) const;

    std::optional<WatchId> poll_changed();

  private:
    struct LastRecord {
        proto::Sequence sequence;
        proto::Digest digest{};
        proto::WallTime issued{};
        proto::WallTime expires{};
        proto::Bytes sealed_summary;
    };
    struct Attached {
        std::map<proto::PresentityUri, std::uint64_t> watches;  // by watcher: the number at the node
        std::uint64_t query = 0;                                // 0: answered
        bool source = false;                                    // it said so
        std::optional<LastRecord> record;
    };
    struct Followed {
        std::map<proto::PresentityUri, std::set<WatchId>> watchers;
        std::map<proto::NodeId, Attached> nodes;
    };
    std::optional<SourceView> view_of(const proto::NodeId& node, const Attached& attached,
                                      const proto::PresentityUri& watcher, proto::WallTime now) const;
    static proto::DocumentPtr last_known(const OutWatch& watch, const std::optional<LastRecord>& record,
                                         proto::WallTime now);
    bool is_live_source(const proto::NodeId& node, const Attached& attached) const;
    bool is_gone(const proto::NodeId& node) const;
    bool holds_something(const proto::NodeId& node, const Attached& attached) const;
    bool gives_way(const proto::NodeId& node, const Attached& attached, std::optional<proto::WallTime> issued) const;
    void cancel_query(const proto::NodeId& node, const Attached& attached);
    bool make_room(const proto::PresentityUri& presentity, std::optional<proto::WallTime> issued);
    void changed(const Followed& followed);

    Peers& peers_;
    proto::NodeId self_;
    std::map<WatchId, std::pair<proto::PresentityUri, proto::PresentityUri>> watches_;  // presentity, watcher
    std::map<proto::PresentityUri, Followed> followed_;
    std::map<std::string, std::set<proto::PresentityUri>, std::less<>> by_domain_;
    std::map<std::pair<proto::NodeId, std::uint64_t>, proto::PresentityUri> queries_;
    std::set<WatchId> changed_;
    WatchId last_watch_ = 0;
};

}  // namespace presmesh::overlay
