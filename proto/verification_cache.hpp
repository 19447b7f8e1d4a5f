// Remembers which signatures were found good, so that a node verifies each once: a source's certificate not with every
// record, and a record not again with every copy of it that the DHT's nodes answer or put again. Times, revocation,
// membership and the right to publish are no part of it: they are looked at every time.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <utility>

#include "proto/bytes.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"

namespace presmesh::proto {

/// Bounded; the oldest is forgotten first. Bad signatures are not remembered: forgeries never push out what is good.
/// What is remembered is a digest that nobody can find a second preimage of (BLAKE2b-256), over the key, the signature
/// and every byte signed.
class VerificationCache {
  public:
    explicit VerificationCache(std::size_t statements = limits::statements_cached,
                               std::size_t records = limits::records_verified)
        : statements_(statements), records_(records) {}

    /// What Certificate::check and Delegation::check answer.
    Result<void> check(const Certificate& certificate, const PublicKey& domain_key, WallTime now);
    Result<void> check(const Delegation& delegation, const PublicKey& domain_key, WallTime now);
    /// What proto::verify answers. Records have room of their own: many of them push out no certificate. They are
    /// forgotten after limits::records_verified_for, as copies come at once or never.
    bool verify_record(const PublicKey& key, std::string_view purpose, BytesView bytes, const Signature& signature,
                       WallTime now);

    std::size_t statements() const { return statements_.size(); }
    std::size_t records() const { return records_.size(); }

  private:
    class Digests {
      public:
        explicit Digests(std::size_t capacity) : capacity_(capacity) {}
        bool contains(const Digest& digest) const { return known_.contains(digest); }
        void remember(const Digest& digest, WallTime now);
        void forget_until(WallTime time);
        std::size_t size() const { return known_.size(); }

      private:
        void forget_oldest();
        std::size_t capacity_;
        std::set<Digest> known_;
        std::deque<std::pair<WallTime, Digest>> order_;
    };
    template <typename Statement>
    Result<void> check_statement(const Statement& statement, std::uint8_t kind, const PublicKey& key, WallTime now);

    Digests statements_;
    Digests records_;
};

/// The parts of a node that verify the same statements share one.
using VerificationCachePtr = std::shared_ptr<VerificationCache>;

inline VerificationCachePtr or_own(VerificationCachePtr shared) {
    return shared != nullptr ? shared : std::make_shared<VerificationCache>();
}

}  // namespace presmesh::proto
