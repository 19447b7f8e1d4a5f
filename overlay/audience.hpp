// Our presentities as the overlay knows them: their documents by view, who of other nodes watches them, and what each
// of those was answered. Hands the right document to the right streams.
#pragma once

#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "overlay/channel_source.hpp"
#include "overlay/overlay.hpp"
#include "overlay/peers.hpp"

namespace presmesh::overlay {

/// Numbers of this run of the node, strictly rising over all its presentities, and (by the epoch) over its restarts.
class SequenceCounter {
  public:
    explicit SequenceCounter(std::uint64_t epoch) : sequence_{epoch, 0} {}
    proto::Sequence next() {
        ++sequence_.counter;
        return sequence_;
    }

  private:
    proto::Sequence sequence_;
};

/// What the record of a presentity has to say now.
struct RecordDue {
    proto::PresentityUri presentity;
    proto::DocumentPtr document;  ///< null: withdrawn
    proto::SymmetricKey content_key{};
    bool watched = false;  ///< by another node's user
};

class Audience {
  public:
    Audience(Peers& peers, SequenceCounter& counter, proto::Random& random)
        : peers_(peers), counter_(counter), random_(random) {}

    void set_document(const proto::PresentityUri& presentity, ViewId view, proto::DocumentPtr document);
    void answer(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher, Answer answer);
    /// Terminated, and nothing is kept of the watcher.
    void refuse(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher, std::string reason);
    /// Of those whose answers took the right to see from somebody: once for all the answers of a turn, since each new
    /// key is told to everybody else who may see. False: there was none.
    bool renew_keys();
    /// Who may see it is decided otherwise now, perhaps of one who watches no longer and holds its content key.
    void authorization_changed(const proto::PresentityUri& presentity);
    void all_authorizations_changed();
    /// Is this node a source of it?
    bool publishes(const proto::PresentityUri& presentity) const;
    std::size_t published() const { return published_; }
    /// Presentities that something is kept of.
    std::size_t entries() const { return entries_.size(); }

    void begin(const proto::NodeId& node, const InboundWatch& watch);
    void end(const proto::NodeId& node, const InboundUnwatch& watch);
    /// Was it begun, and has it not ended?
    bool has(const proto::NodeId& node, const InboundWatch& watch) const;

    /// Begun and not ended, by watchers of this domain.
    std::size_t watches_of(std::string_view domain) const;

    using Watches = std::vector<std::pair<proto::NodeId, InboundWatch>>;
    /// Those that were begun, have not ended, and are picked.
    template <typename Pick>
    Watches watches(Pick pick) const {
        Watches all;
        for (const auto& [presentity, entry] : entries_)
            for (const auto& [name, watcher] : entry.watchers)
                for (const auto& [node, number] : watcher.watches)
                    if (pick(node, presentity, name)) all.emplace_back(node, InboundWatch{number, presentity, name});
        return all;
    }

    using Told = std::variant<WatchRequested, WatchCancelled, RecordDue>;
    std::optional<Told> poll_event();

  private:
    struct Watcher {
        Answer answer;
        std::set<std::pair<proto::NodeId, std::uint64_t>> watches;
    };
    struct Entry {
        boost::container::flat_map<ViewId, StreamValue> views;  // nearly always one
        std::map<proto::PresentityUri, Watcher> watchers;
        proto::SymmetricKey content_key{};
        bool has_key = false;
        bool key_is_out = false;  // with one who watches no longer, or a node where one watches no longer
    };
    void set_view(const proto::PresentityUri& presentity, Entry& entry, ViewId view, proto::DocumentPtr document);
    void withdraw(const proto::PresentityUri& presentity, Entry& entry);
    void tell(Entry& entry, const Watcher& watcher);
    void renew_key(const proto::PresentityUri& presentity, Entry& entry);
    StreamValue value(Entry& entry, ViewId view);
    void ended(const std::string& domain, std::size_t watches);
    void drop_if_empty(const proto::PresentityUri& presentity);

    Peers& peers_;
    SequenceCounter& counter_;
    proto::Random& random_;
    std::map<proto::PresentityUri, Entry> entries_;
    std::map<std::string, std::size_t, std::less<>> watches_of_;  // by the watchers' domain
    std::set<proto::PresentityUri> sight_lost_;
    std::size_t published_ = 0;
    proto::Fifo<Told> events_;
};

}  // namespace presmesh::overlay
