// Remembers which signatures were found good, so that a node verifies each once: a source's certificate not with every
// record, and a record not again with every copy of it that the DHT's nodes answer or put again. Times, revocation,
// membership and the right to publish are no part of it: they are looked at every time.
#pragma once

#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "proto/bytes.hpp"
#include "proto/fifo.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"

namespace presmesh::proto {

/// Bounded; the oldest is forgotten first. Bad signatures are not remembered: forgeries never push out what is good.
/// Of a record the key, the signature and all that is signed are remembered, to be compared whole: most records are
/// new, and to find that out costs a look at the signature. Of certificates and delegations, which stay long, a hash of
/// the same.
class VerificationCache {
  public:
    explicit VerificationCache(std::size_t certificates = limits::certificates_verified,
                               std::size_t records = limits::records_verified,
                               std::size_t delegations = limits::delegations_verified)
        : certificates_(certificates), delegations_(delegations), records_(records) {}

    /// What Certificate::check and Delegation::check answer.
    Result<void> check(const Certificate& certificate, const PublicKey& domain_key, WallTime now);
    Result<void> check(const Delegation& delegation, const PublicKey& domain_key, WallTime now);
    /// What proto::verify answers. Records have room of their own: many of them push out no certificate. They are
    /// forgotten after limits::records_verified_for, as copies come at once or never.
    bool verify_record(const PublicKey& key, std::string_view purpose, BytesView bytes, const Signature& signature,
                       WallTime now);

    std::size_t certificates() const { return certificates_.size(); }
    std::size_t delegations() const { return delegations_.size(); }
    std::size_t records() const { return records_.size(); }

  private:
    template <typename Signed>
    struct ByName {
        using is_transparent = void;
        using Name = typename Signed::Name;
        bool operator()(const Signed& one, const Signed& other) const { return one.name() < other.name(); }
        bool operator()(const Signed& one, const Name& other) const { return one.name() < other; }
        bool operator()(const Name& one, const Signed& other) const { return one < other.name(); }
    };
    /// What was signed, by its name. Should one be good for two things, which no honest signer makes, the first is
    /// remembered.
    template <typename Signed>
    class Known {
      public:
        explicit Known(std::size_t capacity) : capacity_(capacity) {}
        Known(const Known&) = delete;
        Known& operator=(const Known&) = delete;
        /// Oldest first, so that the order in which memory is given back does not hang on the bytes of names.
        ~Known() {
            while (!order_.empty()) forget_oldest();
        }
        using Name = typename Signed::Name;
        /// Where `name` is, or would be. Holds until something is remembered or forgotten.
        using Place = typename std::set<Signed, ByName<Signed>>::iterator;
        Place place_of(const Name& name) { return known_.lower_bound(name); }
        bool holds(Place place, const Name& name) const { return place != known_.end() && place->name() == name; }
        void remember(Place place, Signed what, WallTime now) {
            if (capacity_ == 0 || holds(place, what.name())) return;
            order_.emplace_back(now, known_.emplace_hint(place, std::move(what)));
            if (order_.size() > capacity_) forget_oldest();
        }
        void forget_until(WallTime time) {
            while (!order_.empty() && order_.front().first <= time) forget_oldest();
        }
        std::size_t size() const { return known_.size(); }

      private:
        void forget_oldest() {
            known_.erase(order_.front().second);
            order_.pop_front();
        }
        std::size_t capacity_;
        std::set<Signed, ByName<Signed>> known_;
        Fifo<std::pair<WallTime, Place>> order_;
    };

    struct SignedStatement {
        using Name = Digest;
        Digest all;  ///< of the key, the statement and its signature
        const Name& name() const { return all; }
    };
    struct SignedRecord {
        using Name = Signature;
        PublicKey key;
        Bytes message;  ///< its purpose and its bytes
        Signature signature;
        const Name& name() const { return signature; }
    };
    template <typename Statement>
    static Result<void> check(Known<SignedStatement>& known, const Statement& statement, const PublicKey& key,
                              WallTime now);

    Known<SignedStatement> certificates_;
    Known<SignedStatement> delegations_;
    Known<SignedRecord> records_;
};

/// The parts of a node that verify the same statements share one.
using VerificationCachePtr = std::shared_ptr<VerificationCache>;

inline VerificationCachePtr or_own(VerificationCachePtr shared) {
    return shared != nullptr ? shared : std::make_shared<VerificationCache>();
}

}  // namespace presmesh::proto
