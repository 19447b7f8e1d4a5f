// Remembers which certificates and delegations were found to be signed well, so that a node verifies each once and not
// with every record. Times, revocation and membership are no part of it: they are looked at every time.
#pragma once

#include <deque>
#include <set>

#include "proto/bytes.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"

namespace presmesh::proto {

/// Bounded; the oldest is forgotten first. Bad signatures are not remembered: forgeries never push out what is good.
class CertificateCache {
  public:
    explicit CertificateCache(std::size_t capacity = limits::statements_cached) : capacity_(capacity) {}

    /// What Certificate::check and Delegation::check answer.
    Result<void> check(const Certificate& certificate, const PublicKey& domain_key, WallTime now);
    Result<void> check(const Delegation& delegation, const PublicKey& domain_key, WallTime now);

    std::size_t size() const { return known_.size(); }

  private:
    template <typename Statement>
    Result<void> check_statement(const Statement& statement, std::uint8_t kind, const PublicKey& key, WallTime now);
    void remember(const Digest& digest);

    std::size_t capacity_;
    std::set<Digest> known_;
    std::deque<Digest> order_;
};

}  // namespace presmesh::proto
