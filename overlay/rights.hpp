// Who may speak for whom at one moment, to tell whether anybody may no longer since.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "proto/federation.hpp"

namespace presmesh::overlay {

class Rights {
  public:
    Rights() = default;
    Rights(const proto::Federation& federation, proto::WallTime now, proto::VerificationCache* verified) {
        for (const auto& [domain, member] : federation.members) {
            held_.emplace(domain, domain, member.key);
            revoked_.insert(member.revoked.begin(), member.revoked.end());
            for (const auto& delegation : member.delegations)
                if (federation.may_publish(delegation.delegate, domain, now, verified))
                    held_.emplace(delegation.delegate, domain, member.key);
        }
    }

    bool any_lost_since(const Rights& before) const {
        return !std::includes(held_.begin(), held_.end(), before.held_.begin(), before.held_.end()) ||
               !std::includes(before.revoked_.begin(), before.revoked_.end(), revoked_.begin(), revoked_.end());
    }

  private:
    std::set<std::tuple<std::string, std::string, proto::PublicKey>> held_;  // who, for the users of, whose key
    std::set<proto::NodeId> revoked_;
};

}  // namespace presmesh::overlay
