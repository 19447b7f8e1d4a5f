// How the rules and decisions of a domain's users changed, kept over restarts, so that every node of the domain comes
// to the same: each numbers what it was told, by users here and by other nodes, and tells the others what came after
// the position they have. Of two changes of one rule the later holds, by its stamp, whichever comes first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "node/rules.hpp"
#include "node/store.hpp"
#include "proto/channel_messages.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::node {

class RuleLog {
  public:
    /// One rule of a presentity, or the decision of its user about one watcher.
    struct Key {
        proto::PresentityUri presentity;
        bool decision = false;
        std::string who;  ///< as in Rule
        auto operator<=>(const Key&) const = default;
    };

    /// Both must outlive it.
    RuleLog(Store& store, proto::Random& random) : store_(store), random_(random) {}
    void load();

    /// A change made here and now; none takes it back.
    void note(proto::Now now, const Key& key, std::optional<Handling> handling);
    /// Of what there was before the log: older than any change.
    void note_old(const Key& key, Handling handling);
    /// A change made elsewhere. False: what is known here holds.
    bool take(const proto::RuleChange& change);
    bool knows(const Key& key) const { return entries_.contains(key); }

    /// Another log from now on, with the same in it: who heard of the old one starts over.
    void renew();
    std::uint64_t id() const { return id_; }
    std::uint64_t head() const { return head_; }
    /// What of this log was there when it was loaded: what came after was numbered in this run.
    std::uint64_t loaded_head() const { return loaded_head_; }
    /// What came after this position, as much as one message holds.
    proto::RulesMessage after(std::uint64_t position) const;

    /// What is known here of another node's log.
    proto::RulesAskMessage seen(const proto::NodeId& node) const;
    void set_seen(const proto::NodeId& node, const proto::RulesAskMessage& seen);

    std::size_t taken_back() const { return taken_back_.size(); }

  private:
    struct Entry {
        std::uint64_t position = 0;
        std::uint64_t stamp = 0;
        std::optional<Handling> handling;
    };
    using Entries = std::map<Key, Entry>;
    void set(const Key& key, std::uint64_t stamp, std::optional<Handling> handling);
    void place(Entries::iterator entry);
    void unplace(Entries::iterator entry);
    void load_entry(std::string_view key, proto::BytesView value);

    Store& store_;
    proto::Random& random_;
    std::uint64_t id_ = 0;
    std::uint64_t head_ = 0;
    std::uint64_t loaded_head_ = 0;
    Entries entries_;
    std::map<std::uint64_t, Entries::iterator> by_position_;
    std::map<std::uint64_t, Entries::iterator> taken_back_;  ///< of those, by position
    std::map<proto::NodeId, proto::RulesAskMessage> seen_;
};

}  // namespace presmesh::node
