#include "translators/sip/nonce_counts.hpp"

#include "proto/limits.hpp"

namespace presmesh::translators::sip {

static_assert(proto::limits::sip_nonce_window == 64, "as many as Counts::used has bits");

bool NonceCounts::use(std::uint64_t serial, std::int64_t made, std::uint32_t count) {
    if (serial <= forgotten_) return false;
    auto& counts = counts_.try_emplace(serial, Counts{made}).first->second;
    if (count > counts.highest) {
        const auto by = count - counts.highest;
        counts.used = by < proto::limits::sip_nonce_window ? counts.used << by : 0;
        counts.highest = count;
    }
    const auto below = counts.highest - count;
    if (below >= proto::limits::sip_nonce_window || (counts.used >> below & 1) != 0) return false;
    counts.used |= std::uint64_t{1} << below;
    if (counts_.size() > most_) forget_oldest();
    return true;
}

void NonceCounts::forget_before(std::int64_t made) {
    while (!counts_.empty() && counts_.begin()->second.made < made) forget_oldest();
}

void NonceCounts::forget_oldest() {
    forgotten_ = counts_.begin()->first;
    counts_.erase(counts_.begin());
}

}  // namespace presmesh::translators::sip
