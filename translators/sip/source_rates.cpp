#include "translators/sip/source_rates.hpp"

#include <algorithm>

namespace presmesh::translators::sip {

bool SourceRates::take(proto::SteadyTime now, const proto::Endpoint& source) {
    if (per_second_ <= 0) return true;
    auto found = buckets_.find(source.address);
    if (found == buckets_.end()) {
        make_room(now);
        found = buckets_.emplace(source.address, Bucket{2 * per_second_, now}).first;
    }
    auto& bucket = found->second;
    const auto elapsed = std::chrono::duration<double>(now - bucket.at).count();
    bucket.tokens = std::min(2 * per_second_, bucket.tokens + elapsed * per_second_);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
}

/// Buckets idle for two seconds are full again, so forgetting them changes nothing; when none is, start afresh.
void SourceRates::make_room(proto::SteadyTime now) {
    if (buckets_.size() < most_sources_) return;
    for (auto at = buckets_.begin(); at != buckets_.end();)
        at = now - at->second.at >= std::chrono::seconds{2} ? buckets_.erase(at) : std::next(at);
    if (buckets_.size() >= most_sources_) buckets_.clear();
}

}  // namespace presmesh::translators::sip
