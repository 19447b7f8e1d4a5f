#include "proto/certificate_cache.hpp"

namespace presmesh::proto {

namespace {

// Over everything the verification depends on: what kind of statement, whose key, and all of its bytes.
Digest digest_of(std::uint8_t kind, const PublicKey& key, const Bytes& encoded) {
    Bytes all;
    all.reserve(1 + key.size() + encoded.size());
    all.push_back(kind);
    all.insert(all.end(), key.begin(), key.end());
    all.insert(all.end(), encoded.begin(), encoded.end());
    return blake2b_256(all);
}

}  // namespace

template <typename Statement>
Result<void> CertificateCache::check_statement(const Statement& statement, std::uint8_t kind, const PublicKey& key,
                                               WallTime now) {
    Digest digest = digest_of(kind, key, statement.encode());
    if (!known_.contains(digest)) {
        if (auto valid = statement.check_signature(key); !valid) return valid;
        remember(digest);
    }
    return statement.check_validity(now);
}

Result<void> CertificateCache::check(const Certificate& certificate, const PublicKey& domain_key, WallTime now) {
    return check_statement(certificate, 1, domain_key, now);
}

Result<void> CertificateCache::check(const Delegation& delegation, const PublicKey& domain_key, WallTime now) {
    return check_statement(delegation, 2, domain_key, now);
}

void CertificateCache::remember(const Digest& digest) {
    if (capacity_ == 0) return;
    if (order_.size() == capacity_) {
        known_.erase(order_.front());
        order_.pop_front();
    }
    known_.insert(digest);
    order_.push_back(digest);
}

}  // namespace presmesh::proto
