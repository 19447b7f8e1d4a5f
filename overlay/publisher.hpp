// Our records in the DHT: signed and written when first due, again when their state changed (not too often) or half
// their life is over, and as a tombstone when withdrawn. What is written while the node has just joined, and knows few
// nodes, may lie too far away to be found: it is written once more a little later. The node's own domain record, the
// way in for everybody, is written again several times an hour. At most limits::record_puts_per_second; what became due
// last goes first, so that a new presentity does not wait behind a round of refreshes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "overlay/audience.hpp"
#include "overlay/dht.hpp"
#include "overlay/overlay.hpp"
#include "proto/timer_queue.hpp"

namespace presmesh::overlay {

class Publisher {
  public:
    Publisher(const Settings& settings, Dht& dht, SequenceCounter& counter, proto::Random& random);

    void set_federation(FederationPtr federation) { federation_ = std::move(federation); }
    /// Nothing is written before: a DHT without a neighbour forgets what it is given.
    void go_online(proto::Now now);
    void set(proto::Now now, const RecordDue& due);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    /// The node's own record for its domain, when it was written since the last call.
    std::optional<proto::Bytes> take_domain_record() { return std::exchange(fresh_domain_record_, std::nullopt); }
    /// The last one written; empty before the first.
    const proto::Bytes& domain_record() const { return domain_record_; }
    std::uint64_t puts() const { return puts_; }
    std::uint64_t refused() const { return refused_; }

  private:
    struct Entry {
        proto::DocumentPtr document;  // null: to be withdrawn
        proto::SymmetricKey content_key{};
        std::optional<proto::SteadyTime> written;  // the state it has now; refreshing is not counted
        proto::DocumentPtr last;                   // what was written
        bool buried = false;                       // the tombstone is written
        proto::WallTime expires{};                 // of what was written last
        proto::DhtKey dht_key{};
        std::uint64_t value_id = 0;
    };
    void write(proto::Now now, const proto::PresentityUri& presentity, Entry& entry);
    void forget(proto::Now now, const proto::PresentityUri& presentity);
    void write_domain(proto::Now now);
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
    std::map<proto::PresentityUri, Entry> entries_;
    proto::TimerQueue<proto::PresentityUri> due_;
    proto::SteadyTime domain_due_ = proto::never;
    proto::Bytes domain_record_;
    std::optional<proto::Bytes> fresh_domain_record_;
    proto::SteadyTime next_put_{};
    std::uint64_t puts_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace presmesh::overlay
