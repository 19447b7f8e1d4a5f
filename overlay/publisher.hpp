// Our records in the DHT: signed and written when first due, again when their state changed (not too often) or half
// their life is over, and as a tombstone when withdrawn. What is written while the node has just joined, and knows few
// nodes, may lie too far away to be found: it is written once more a little later. The node's own domain record, the
// way in for everybody, is written again several times an hour. At most limits::record_puts_per_second: those that
// somebody watches go first, and of equals what became due last, so that a new presentity does not wait behind a round
// of refreshes. A record that has grown old goes before all of them, but for a share of the turns: however much
// changes, none runs out.
//
// Changes alone come last, at limits::record_rewrites_per_second: watchers have them over the channel, the record is
// the last known state for when this node is gone. Who waits longest goes first, so a record is behind by
// limits::record_rewrite_least, and then by as long as those that wait before it take; once it is old it is written in
// any case.
//
// Where the wall clock was set, or stood still with the machine, what was written with the wrong time is written again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "overlay/audience.hpp"
#include "overlay/dht.hpp"
#include "overlay/overlay.hpp"

namespace presmesh::overlay {

class Publisher {
  public:
    Publisher(const Settings& settings, Dht& dht, SequenceCounter& counter, proto::Random& random);

    void set_federation(FederationPtr federation) { federation_ = std::move(federation); }
    /// Nothing is written before: a DHT without a neighbour forgets what it is given.
    void go_online(proto::Now now);
    void set(proto::Now now, const RecordDue& due);
    /// Somebody of another node watches it: its record goes before those that nobody watches.
    void watched(const proto::PresentityUri& presentity);
    /// Records that are due, other than by a change alone, and have not had their turn.
    std::size_t waiting(proto::Now now) const;
    /// Those that are due by a change alone.
    std::size_t changes_waiting(proto::Now now) const;
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    /// The node's own record for its domain, when it was written since the last call.
    std::optional<proto::Bytes> take_domain_record() { return std::exchange(fresh_domain_record_, std::nullopt); }
    /// The last one written; empty before the first.
    const proto::Bytes& domain_record() const { return domain_record_; }
    std::uint64_t puts() const { return puts_; }
    std::uint64_t refused() const { return refused_; }

  private:
    struct Due {
        proto::SteadyTime when = proto::never;
        std::uint64_t number = 0;  // of equal times the last one set is the newest
        auto operator<=>(const Due&) const = default;
    };
    struct Entry {
        proto::DocumentPtr document;  // null: to be withdrawn
        proto::SymmetricKey content_key{};
        std::optional<proto::SteadyTime> written;  // the state it has now; refreshing is not counted
        bool fresh = true;                         // that state was not written yet
        bool buried = false;                       // the tombstone is written
        bool watched = false;
        bool changed = false;  // due by a change alone
        Due due;
        Due old;                    // when what was written last is an old record
        proto::WallTime expires{};  // of what was written last
        std::uint64_t value_id = 0;
    };
    using Entries = std::map<proto::PresentityUri, Entry>;
    using Order = std::map<Due, Entries::iterator>;

    Order& order_of(const Entry& entry);
    void schedule(Entries::iterator place, proto::SteadyTime when, bool changed = false);
    void unschedule(Entry& entry);
    void mark_watched(Entries::iterator place);
    std::size_t due(const Order& order, proto::Now now) const;
    void grow_old(Entries::iterator place, proto::SteadyTime written);
    void unlist(Entry& entry);
    std::optional<Entries::iterator> choose(proto::SteadyTime now);
    std::optional<Entries::iterator> pop(proto::SteadyTime now);
    std::optional<Entries::iterator> take_change(proto::SteadyTime now);
    static std::optional<Entries::iterator> newest(const Order& order, proto::SteadyTime now);
    void write(proto::Now now, Entries::iterator place);
    void forget(proto::Now now, Entries::iterator place);
    void write_domain(proto::Now now);
    bool wall_was_set(proto::Now now);
    void follow_wall(proto::Now now);
    proto::Record draft(proto::Now now, proto::RecordKind kind, proto::Duration lifetime);
    bool put(proto::Now now, proto::Record& record);
    proto::Duration refresh_after(proto::Now now);
    bool has_just_joined(proto::Now now) const;

    const Settings& settings_;
    FederationPtr federation_;
    Dht& dht_;
    SequenceCounter& counter_;
    proto::Random& random_;
    std::optional<proto::SteadyTime> online_since_;
    std::size_t domain_writes_ = 0;
    Entries entries_;
    Order watched_;
    Order unwatched_;
    Order changed_;  // watched or not
    Order old_;      // each that is written and not buried, besides
    unsigned turns_ = 0;
    std::uint64_t last_due_ = 0;
    proto::SteadyTime domain_due_ = proto::never;
    proto::Duration wall_ahead_{};  // of the steady clock, since the wall clock was set last
    proto::Bytes domain_record_;
    std::optional<proto::Bytes> fresh_domain_record_;
    proto::SteadyTime next_put_{};
    proto::SteadyTime next_rewrite_{};
    std::uint64_t puts_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace presmesh::overlay
