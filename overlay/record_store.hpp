// Which records a node keeps for others: the store and edit policies and the quotas, without knowing who stores the
// bytes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/federation.hpp"
#include "proto/limits.hpp"
#include "proto/record.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/verification_cache.hpp"

namespace presmesh::overlay {

/// Where a record lies: all versions of one source's record of one presentity share it.
struct Place {
    proto::DhtKey key{};
    std::uint64_t value_id = 0;
    auto operator<=>(const Place&) const = default;
};

/// How many records are kept for others, those that ran out included until their room in OpenDHT is free again. Lower
/// ones are for tests.
struct RecordQuotas {
    std::size_t per_key = proto::limits::records_per_key;
    std::size_t per_member = proto::limits::records_per_member;
    std::size_t in_all = proto::limits::records_in_all;
};

class RecordStore {
  public:
    /// `verified` may be shared with whoever reads the same records; without one the store has its own.
    explicit RecordStore(std::shared_ptr<const proto::Federation> federation, RecordQuotas quotas = {},
                         proto::VerificationCachePtr verified = {});

    /// May these bytes be kept there, beside or instead of what is there? Counted as kept when they may. In this order:
    /// everything read_record refuses; conflict (a value id that is not the record's own); older (also the same
    /// sequence with other bytes); quota (per key, per member, in all).
    proto::Result<void> offer(proto::WallTime now, const Place& place, proto::BytesView wire);
    /// What can be said of these bytes by themselves: read_record, and conflict. For readers.
    proto::Result<proto::Record> read(proto::WallTime now, const Place& place, proto::BytesView wire);
    /// No longer kept: `place` must be.
    void forget(const Place& place);
    /// Forgets what has run out, and says what it was. Its room stays taken for limits::record_lifetime, or until
    /// another record takes the same place: so long OpenDHT keeps what it was given.
    std::vector<Place> expire(proto::WallTime now);
    /// Forgets what the new federation would not admit, and says what it was.
    std::vector<Place> set_federation(proto::WallTime now, std::shared_ptr<const proto::Federation> federation);

    /// When the next record runs out; WallTime::max() when there is none.
    proto::WallTime next_expiry() const;
    bool contains(const Place& place) const { return kept_.contains(place); }
    std::size_t records() const { return kept_.size(); }
    /// Places that hold no record any more, and are not free yet.
    std::size_t emptied() const { return emptied_.size(); }
    std::size_t bytes() const { return bytes_; }
    std::uint64_t refused() const { return refused_; }
    std::uint64_t refused(proto::Reason reason) const { return by_reason_[static_cast<std::size_t>(reason)]; }

  private:
    /// Of a record what judges the next one, and whether it may stay.
    struct Kept {
        std::shared_ptr<const proto::Certificate> certificate;
        std::shared_ptr<const std::string> domain;
        proto::RecordKind kind{};
        proto::DhtKey presentity{};
        proto::Sequence sequence;
        proto::WallTime expires{};
        proto::Digest wire_digest{};
        std::uint32_t size = 0;
        proto::Record record() const;
    };
    proto::Result<void> judge(proto::WallTime now, const Place& place, proto::BytesView wire);
    proto::Result<void> check_quota(const Place& place, const std::string& member) const;
    void keep(const Place& place, const proto::Record& record, proto::BytesView wire);
    void set_free(const Place& place);
    void uncount(const std::string& member);

    std::shared_ptr<const proto::Federation> federation_;
    RecordQuotas quotas_;
    proto::VerificationCachePtr verified_;
    /// Certificates and names are the same in all records of a node; those no record has any more go in time.
    template <typename Value>
    class Shared {
      public:
        std::shared_ptr<const Value> get(const std::string& name, const Value& value);

      private:
        std::unordered_map<std::string, std::weak_ptr<const Value>> known_;
        std::size_t sweep_at_ = 64;
    };
    Shared<proto::Certificate> certificates_;
    Shared<std::string> domains_;
    std::map<Place, Kept> kept_;
    std::set<std::pair<proto::WallTime, Place>> by_expiry_;
    struct Emptied {
        std::shared_ptr<const proto::Certificate> certificate;
        proto::WallTime until{};
    };
    std::map<Place, Emptied> emptied_;
    std::set<std::pair<proto::WallTime, Place>> emptied_until_;
    std::map<std::string, std::size_t> per_member_;  ///< places with a record, and emptied ones
    std::size_t bytes_ = 0;
    std::uint64_t refused_ = 0;
    std::array<std::uint64_t, static_cast<std::size_t>(proto::Reason::unsupported) + 1> by_reason_{};
};

}  // namespace presmesh::overlay
