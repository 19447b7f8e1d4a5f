#include "proto/verification_cache.hpp"

namespace presmesh::proto {

namespace {

void append(Bytes& to, BytesView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// Over everything the verification depends on: what kind of statement, whose key, and all of its bytes.
Digest digest_of(std::uint8_t kind, const PublicKey& key, const Bytes& encoded) {
    Bytes all;
    all.reserve(1 + key.size() + encoded.size());
    all.push_back(kind);
    append(all, key);
    append(all, encoded);
    return blake2b_256(all);
}

// The purpose ends at a zero byte, which none contains; all before it has a fixed length.
Digest digest_of(const PublicKey& key, std::string_view purpose, BytesView bytes, const Signature& signature) {
    Bytes all;
    all.reserve(key.size() + signature.size() + purpose.size() + 1 + bytes.size());
    append(all, key);
    append(all, signature);
    append(all, as_bytes(purpose));
    all.push_back(0);
    append(all, bytes);
    return blake2b_256(all);
}

}  // namespace

template <typename Statement>
Result<void> VerificationCache::check_statement(const Statement& statement, std::uint8_t kind, const PublicKey& key,
                                                WallTime now) {
    const Digest digest = digest_of(kind, key, statement.encode());
    if (!statements_.contains(digest)) {
        if (auto valid = statement.check_signature(key); !valid) return valid;
        statements_.remember(digest, now);
    }
    return statement.check_validity(now);
}

Result<void> VerificationCache::check(const Certificate& certificate, const PublicKey& domain_key, WallTime now) {
    return check_statement(certificate, 1, domain_key, now);
}

Result<void> VerificationCache::check(const Delegation& delegation, const PublicKey& domain_key, WallTime now) {
    return check_statement(delegation, 2, domain_key, now);
}

bool VerificationCache::verify_record(const PublicKey& key, std::string_view purpose, BytesView bytes,
                                      const Signature& signature, WallTime now) {
    records_.forget_until(now - limits::records_verified_for);
    const Digest digest = digest_of(key, purpose, bytes, signature);
    if (records_.contains(digest)) return true;
    if (!verify(key, purpose, bytes, signature)) return false;
    records_.remember(digest, now);
    return true;
}

void VerificationCache::Digests::remember(const Digest& digest, WallTime now) {
    if (capacity_ == 0) return;
    if (order_.size() == capacity_) forget_oldest();
    known_.insert(digest);
    order_.emplace_back(now, digest);
}

void VerificationCache::Digests::forget_until(WallTime time) {
    while (!order_.empty() && order_.front().first <= time) forget_oldest();
}

void VerificationCache::Digests::forget_oldest() {
    known_.erase(order_.front().second);
    order_.pop_front();
}

}  // namespace presmesh::proto
