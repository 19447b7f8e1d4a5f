// Who may speak for whom at one moment, to tell whether anybody may no longer since. Members are many and nearly all
// speak for themselves alone: of them nothing is kept but the federation, which everybody has anyway.
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "proto/federation.hpp"

namespace presmesh::overlay {

class Rights {
  public:
    Rights() = default;
    Rights(std::shared_ptr<const proto::Federation> federation, proto::WallTime now, proto::VerificationCache* verified)
        : federation_(std::move(federation)) {
        for (const auto& domain : federation_->delegators()) {
            const auto* member = federation_->find(domain);
            if (member == nullptr) continue;
            for (const auto& delegation : member->delegations)
                if (federation_->may_publish(delegation.delegate, domain, now, verified))
                    delegated_.emplace(delegation.delegate, domain);
        }
    }

    bool any_lost_since(const Rights& before) const {
        if (before.federation_ == nullptr) return false;
        if (!std::includes(delegated_.begin(), delegated_.end(), before.delegated_.begin(), before.delegated_.end()))
            return true;
        return federation_ != before.federation_ && lost_members_since(*before.federation_);
    }

  private:
    /// A member that is gone or has another key, or a node that is revoked now.
    bool lost_members_since(const proto::Federation& before) const {
        return std::any_of(before.members.begin(), before.members.end(), [&](const auto& entry) {
            const auto now = federation_->members.find(entry.first);
            if (now == federation_->members.end() || now->second.key != entry.second.key) return true;
            const auto& were = entry.second.revoked;
            const auto& are = now->second.revoked;
            return std::any_of(are.begin(), are.end(), [&](const auto& node) { return !were.contains(node); });
        });
    }

    std::shared_ptr<const proto::Federation> federation_;
    std::set<std::pair<std::string, std::string>> delegated_;  // to whom, the users of whom
};

}  // namespace presmesh::overlay
