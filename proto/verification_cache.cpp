#include "proto/verification_cache.hpp"

#include <algorithm>

namespace presmesh::proto {

namespace {

/// Is that what signed_message() makes of these?
bool is_message(BytesView message, std::string_view purpose, BytesView bytes) {
    return message.size() == purpose.size() + 1 + bytes.size() &&
           std::ranges::equal(message.first(purpose.size()), as_bytes(purpose)) && message[purpose.size()] == 0 &&
           std::ranges::equal(message.subspan(purpose.size() + 1), bytes);
}

template <typename Statement>
Digest digest_of(const Statement& statement, const PublicKey& key) {
    Bytes all = statement.encode();
    all.insert(all.end(), key.begin(), key.end());
    return blake2b_256(all);
}

}  // namespace

template <typename Statement>
Result<void> VerificationCache::check(Known<SignedStatement>& known, const Statement& statement, const PublicKey& key,
                                      WallTime now) {
    const Digest name = digest_of(statement, key);
    if (const auto place = known.place_of(name); !known.holds(place, name)) {
        if (auto valid = statement.check_signature(key); !valid) return valid;
        known.remember(place, {name}, now);
    }
    return statement.check_validity(now);
}

Result<void> VerificationCache::check(const Certificate& certificate, const PublicKey& domain_key, WallTime now) {
    return check(certificates_, certificate, domain_key, now);
}

Result<void> VerificationCache::check(const Delegation& delegation, const PublicKey& domain_key, WallTime now) {
    return check(delegations_, delegation, domain_key, now);
}

bool VerificationCache::verify_record(const PublicKey& key, std::string_view purpose, BytesView bytes,
                                      const Signature& signature, WallTime now) {
    records_.forget_until(now - limits::records_verified_for);
    const auto place = records_.place_of(signature);
    if (records_.holds(place, signature) && place->key == key && is_message(place->message, purpose, bytes))
        return true;
    Bytes message = signed_message(purpose, bytes);
    if (!verify_message(key, message, signature)) return false;
    records_.remember(place, {key, std::move(message), signature}, now);
    return true;
}

}  // namespace presmesh::proto
