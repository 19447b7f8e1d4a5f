#include "node/pace.hpp"

#include <algorithm>

namespace presmesh::node {

namespace {
constexpr std::size_t kept_least = 64;
}

bool Pace::pass(proto::SteadyTime now, const proto::PresentityUri& presentity) {
    if (allowance_.interval <= proto::Duration{0}) return true;
    if (held_.contains(presentity)) {
        ++coalesced_;
        return false;
    }
    if (used_.size() >= std::max(sweep_at_, kept_least)) sweep(now);
    auto& used = used_[presentity];
    if (const auto next = allowance_.next(now, used); next > now) {
        held_.set(presentity, next);
        return false;
    }
    allowance_.take(now, used);
    return true;
}

std::optional<proto::PresentityUri> Pace::due(proto::SteadyTime now) {
    auto presentity = held_.pop(now);
    if (presentity) allowance_.take(now, used_[*presentity]);
    return presentity;
}

/// Those with their whole allowance again need not be remembered.
void Pace::sweep(proto::SteadyTime now) {
    std::erase_if(used_, [&](const auto& entry) { return entry.second <= now && !held_.contains(entry.first); });
    sweep_at_ = 2 * used_.size();
}

}  // namespace presmesh::node
