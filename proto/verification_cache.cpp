#include "proto/verification_cache.hpp"

#include <algorithm>

namespace presmesh::proto {

template <typename Statement>
Result<void> VerificationCache::check(Known<SignedStatement<Statement>>& known, const Statement& statement,
                                      const PublicKey& key, WallTime now) {
    const auto same = [&](const auto& one) { return one.key == key && one.statement == statement; };
    if (!known.contains(statement.signature, same)) {
        if (auto valid = statement.check_signature(key); !valid) return valid;
        known.remember(statement.signature, {key, statement}, now);
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
    const auto same = [&](const SignedRecord& one) {
        return one.key == key && one.purpose == purpose && std::ranges::equal(one.bytes, bytes);
    };
    if (records_.contains(signature, same)) return true;
    if (!verify(key, purpose, bytes, signature)) return false;
    records_.remember(signature, {key, std::string(purpose), {bytes.begin(), bytes.end()}}, now);
    return true;
}

}  // namespace presmesh::proto
